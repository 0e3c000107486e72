#include "fake/talk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int
listen_in(struct talk *t)
{
	int fd;

	memcpy(t->folder, "/tmp/tg-talk-XXXXXX", 20);
	if (mkdtemp(t->folder) == NULL)
		return -1;
	t->at.sun_family = AF_UNIX;
	snprintf(t->at.sun_path, sizeof(t->at.sun_path), "%s/s", t->folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&t->at, sizeof(t->at)) != 0 || listen(fd, 128) != 0)
		return -1;
	return fd;
}

int
talk_init(struct talk *t)
{
	int fd;

	t->client = -1;
	t->answer = malloc(TALK_ANSWER_ROOM);
	if (t->answer == NULL)
		return -1;
	t->answer[0] = '\0';
	control_init(&t->control, "");
	if (source_init(&t->source, t->control.conf, t->control.segment, t->control.health,
			t->control.steer, mono_read()) != 0)
		return -1;
	fd = listen_in(t);
	t->source.events = events_new();
	t->server = admin_server_new(t->control.loop, &t->source);
	if (fd < 0 || t->server == NULL)
		return -1;
	return admin_server_listen(t->server, fd, TG_RIGHTS_ADMIN);
}

void
talk_fini(struct talk *t)
{
	if (t->client >= 0)
		close(t->client);
	admin_server_free(t->server);
	events_free(t->source.events);
	source_fini(&t->source);
	control_fini(&t->control);
	unlink(t->at.sun_path);
	rmdir(t->folder);
	free(t->answer);
}

int
talk_connect(const struct talk *t)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&t->at, sizeof(t->at)), 0);
	return fd;
}

void
talk_say(struct talk *t, const char *text)
{
	size_t n = strlen(text);

	if (t->client < 0)
		t->client = talk_connect(t);
	assert_int_equal(send(t->client, text, n, MSG_NOSIGNAL), n);
}

bool
talk_is_closed(void *arg)
{
	struct talk *t = arg;
	ssize_t n;

	do {
		assert_true(t->n < TALK_ANSWER_ROOM - 1);
		n = recv(t->client, t->answer + t->n, TALK_ANSWER_ROOM - 1 - t->n, 0);
		if (n > 0)
			t->n += (size_t)n;
	} while (n > 0);
	t->answer[t->n] = '\0';
	if (n < 0 && errno == EAGAIN)
		return false;
	assert_int_equal(n, 0);
	return true;
}

void
talk_run_to_close(struct talk *t)
{
	assert_true(control_run(&t->control, talk_is_closed, t));
}

static bool
is_over(void *arg)
{
	unsigned *turns = arg;

	return (*turns)-- == 0;
}

void
talk_run_a_while(struct talk *t, unsigned turns)
{
	assert_true(control_run(&t->control, is_over, &turns));
}
