/* Answers taken apart, and a client whose daemon says anything or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/client.h"
#include "fake/turn.h"


struct fixture {
	char path[64];
	int listener;
	struct client client;
	struct err err;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (f == NULL)
		return -1;
	*state = f;
	client_init(&f->client);
	snprintf(f->path, sizeof(f->path), "/tmp/tg-ctl-client-%d", (int)getpid());
	memcpy(at.sun_path, f->path, strlen(f->path) + 1);
	(void)unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0)
		return -1;
	return bind(f->listener, (struct sockaddr *)&at, sizeof(at)) == 0 ? listen(f->listener, 8)
									  : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	client_close(&f->client);
	close(f->listener);
	unlink(f->path);
	free(f);
	return 0;
}

static struct mono
at(uint64_t us)
{
	return (struct mono){.us = us};
}

/* Asks, and the daemon's side of it. */
static int
ask(struct fixture *f)
{
	int fd;

	assert_int_equal(client_ask(&f->client, f->path, "show info\n", at(5), &f->err), 0);
	fd = accept(f->listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

static int
read_to_end(struct fixture *f)
{
	int rc;

	while ((rc = client_read(&f->client, at(7), &f->err)) == -TG_EAGAIN) {
		struct pollfd wait = {.fd = f->client.fd, .events = POLLIN};

		assert_int_equal(poll(&wait, 1, fake_limit_ms()), 1);
	}
	return rc;
}

static void
answers_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f);
	char line[32];

	assert_int_equal(read(fd, line, sizeof(line)), 10);
	assert_int_equal(read(fd, line + 10, 1), 0);
	assert_int_equal(client_read(&f->client, at(6), &f->err), -TG_EAGAIN);
	assert_int_equal(write(fd, "Name: ", 6), 6);
	assert_int_equal(client_read(&f->client, at(7), &f->err), -TG_EAGAIN);
	assert_int_equal(write(fd, "x\n\n", 3), 3);
	close(fd);
	assert_int_equal(client_read(&f->client, at(8), &f->err), 0);
	assert_int_equal(f->client.n, 9);
	assert_memory_equal(f->client.bytes, "Name: x\n\n", 9);
	assert_int_equal(f->client.began.us, 5);
	assert_int_equal(f->client.first.us, 7);
	assert_int_equal(f->client.fd, -1);
}

static void
no_daemon_and_no_answer_are_told_apart(void **state)
{
	struct fixture *f = *state;
	char longer[256];

	close(ask(f));
	assert_int_equal(read_to_end(f), -TG_EIO);
	assert_non_null(strstr(f->err.text, "without an answer"));
	assert_int_equal(client_ask(&f->client, "/nowhere/at/all", "x\n", at(1), &f->err), -TG_EIO);
	assert_non_null(strstr(f->err.text, "cannot connect to /nowhere/at/all: "));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(client_ask(&f->client, longer, "x\n", at(1), &f->err), -TG_EIO);
}

/* Another line while one is under way takes its place. */
static void
asking_again_forgets_what_was_asked(void **state)
{
	struct fixture *f = *state;
	int first = ask(f);
	int second;

	assert_int_equal(write(first, "old", 3), 3);
	second = ask(f);
	assert_int_equal(write(second, "new\n\n", 5), 5);
	close(first);
	close(second);
	assert_int_equal(read_to_end(f), 0);
	assert_int_equal(f->client.n, 5);
	assert_memory_equal(f->client.bytes, "new\n\n", 5);
}

static void
an_answer_without_end_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fd = ask(f);
	static char piece[1 << 20];
	int rc = -TG_EAGAIN;

	assert_int_equal(client_read(&f->client, at(6), &f->err), -TG_EAGAIN);
	for (size_t sent = 0; rc == -TG_EAGAIN && sent < 2 * TG_CLIENT_ANSWERS_MAX;) {
		ssize_t n = send(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		rc = client_read(&f->client, at(7), &f->err);
	}
	close(fd);
	assert_int_equal(rc, -TG_ELIMIT);
	assert_true(f->client.cap <= 4 * TG_CLIENT_ANSWERS_MAX);
}

static void
answers_are_taken_apart(void **state)
{
	static const char bytes[] = "a\nb\n\n\nerror x: y\n\n{\"error\":\"x\"}\n\ncut\n";
	struct answer answer;
	size_t from = 0;
	size_t n = sizeof(bytes) - 1;

	(void)state;
	assert_true(answer_next(bytes, n, &from, &answer));
	assert_int_equal(answer.n, 4);
	assert_memory_equal(answer.bytes, "a\nb\n", 4);
	assert_false(answer_has_failed(&answer));
	assert_true(answer_next(bytes, n, &from, &answer));
	assert_int_equal(answer.n, 0);
	assert_false(answer_has_failed(&answer));
	assert_true(answer_next(bytes, n, &from, &answer));
	assert_true(answer_has_failed(&answer));
	assert_true(answer_next(bytes, n, &from, &answer));
	assert_true(answer_has_failed(&answer));
	assert_false(answer_next(bytes, n, &from, &answer));
	assert_int_equal(from, n - 4);
	from = 0;
	assert_false(answer_next("", 0, &from, &answer));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_come_in_pieces),
		CASE(no_daemon_and_no_answer_are_told_apart),
		CASE(asking_again_forgets_what_was_asked),
		CASE(an_answer_without_end_is_bounded),
		cmocka_unit_test(answers_are_taken_apart),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
