/*
 * proc/signer.c: the process that keeps the private keys, where key_isolation is set.
 *
 * Control hears the parent, who gives it the keys and one end of each worker's line; a thread of its own serves each line until
 * that ends, or its worker gets another. It reads no file, has no other socket, and logs nothing: the parent tells what came of keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/capabilities.h"
#include "ipc/channel.h"
#include "proc/confine.h"
#include "proc/proc.h"
#include "tls/key_ring.h"

#define PURGE_MS     10000
#define LINE_STACK   (256u * 1024u)
#define KEY_TEXT_MAX (1u << 28)
#define WORKERS_MAX  4096u

struct line {
	struct key_ring *keys;
	unsigned worker;
	int fd;
	unsigned char request[sizeof(struct sign_head) + TG_SIGN_BYTES_MAX + 1];
	struct sign_answer answer;
};

/* lines */

/* Each worker's one; NULL: it has none. What is here has an open descriptor. */
static struct {
	pthread_mutex_t lock;
	struct line *of[WORKERS_MAX];
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* In the place of the one before, which ends: who asks for lines without end has one all the same. */
static void
enter(struct line *l)
{
	struct line **of = &lines.of[l->worker];

	pthread_mutex_lock(&lines.lock);
	if (*of != NULL)
		shutdown((*of)->fd, SHUT_RDWR);
	*of = l;
	pthread_mutex_unlock(&lines.lock);
}

static void
end_line(struct line *l)
{
	pthread_mutex_lock(&lines.lock);
	if (lines.of[l->worker] == l)
		lines.of[l->worker] = NULL;
	close(l->fd);
	pthread_mutex_unlock(&lines.lock);
	free(l);
}

/* False: the line is to end. */
static bool
serve_one(struct line *l)
{
	struct sign_request request;
	struct sign_answer *a = &l->answer;
	size_t n = 0;
	ssize_t got;
	ssize_t sent;

	do
		got = recv(l->fd, l->request, sizeof(l->request), 0);
	while (got < 0 && errno == EINTR);
	/* Who sends what is no request is not a worker any more. */
	if (got <= 0 || sign_request_parse(l->request, (size_t)got, &request) < 0)
		return false;
	a->number = request.head.number;
	a->status = key_ring_sign(l->keys, &request, a->bytes, &n);
	a->n = a->status == SIGN_DONE ? (uint32_t)n : 0;
	do
		sent = send(l->fd, a, TG_SIGN_ANSWER_BYTES(a->n), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

static void *
line_main(void *arg)
{
	struct line *l = arg;

	while (serve_one(l))
		;
	end_line(l);
	return NULL;
}

/* Takes `fd` over. A worker whose line cannot be served sees it end. */
static void
open_line(struct key_ring *keys, unsigned worker, int fd)
{
	struct line *l = calloc(1, sizeof(*l));
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (l == NULL) {
		close(fd);
		return;
	}
	*l = (struct line){.keys = keys, .worker = worker, .fd = fd};
	enter(l);
	(void)!fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, LINE_STACK);
	rc = pthread_create(&thread, &attr, line_main, l);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		end_line(l);
}

/* control */

static int
load(struct key_ring *keys, int fd, struct err *err)
{
	struct stat st;
	char *text;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > (off_t)KEY_TEXT_MAX)
		return err_set(err, TG_ELIMIT, "the text of the keys is too large");
	if (st.st_size == 0)
		return key_ring_load(keys, "", 0, mono_read(), err);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return err_no_memory(err);
	rc = key_ring_load(keys, text, (size_t)st.st_size, mono_read(), err);
	munmap(text, (size_t)st.st_size);
	return rc;
}

static int
on_keys(struct key_ring *keys, int channel, int fd)
{
	struct msg_prepared m = {.is_ready = 0};
	struct err err;

	if (load(keys, fd, &err) == 0)
		m.is_ready = 1;
	else
		snprintf(m.reason, sizeof(m.reason), "%.500s", err.text);
	return channel_send(channel, MSG_PREPARED, &m, sizeof(m), -1);
}

static int
on_message(struct key_ring *keys, int channel, struct message *m)
{
	static const struct msg_pong pong = {.loop = TG_PONG_CONTROL};

	switch (m->type) {
	case MSG_KEYS:
		return on_keys(keys, channel, m->fd);
	case MSG_SIGNER:
		if (m->u.signer.worker >= WORKERS_MAX)
			return -TG_EPROTO;
		open_line(keys, m->u.signer.worker, m->fd);
		m->fd = -1;
		return 0;
	case MSG_PING:
		return channel_send(channel, MSG_PONG, &pong, sizeof(pong), -1);
	default:
		return -TG_EPROTO;
	}
}

static int
run(struct key_ring *keys, int channel)
{
	for (;;) {
		struct message m;
		int rc = channel_wait(channel, PURGE_MS, &m);

		if (rc == -TG_EAGAIN) {
			key_ring_purge(keys, mono_read());
			continue;
		}
		if (rc != 1)
			return rc; /* 0: the parent has ended, or wants us to */
		rc = on_message(keys, channel, &m);
		if (m.fd >= 0)
			close(m.fd);
		if (rc < 0)
			return rc;
	}
}

/* start */

/* For good; a process of root, too, is one that no other may look into. */
static int
confine(int channel)
{
	struct err err;

	if (capabilities_give_up() < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    confine_signer(&err) < 0)
		return -TG_EIO;
	return channel_send(channel, MSG_READY, NULL, 0, -1);
}

int
signer_main(int channel_fd)
{
	struct key_ring *keys = key_ring_new();

	if (keys == NULL || confine(channel_fd) < 0)
		_exit(EXIT_FAILURE);
	/* Lines are still being served: nothing is freed. */
	_exit(run(keys, channel_fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
