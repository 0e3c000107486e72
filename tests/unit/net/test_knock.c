/* Knocking at real sockets of loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "net/knock.h"

static struct loop *loop;
static struct knocker knocker;
static struct conn conn;
static bool was_told;

static void
on_event(struct watch *w, unsigned what)
{
	assert_ptr_equal(w, &conn.watch);
	conn_note(&conn, what);
	was_told = true;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	loop = loop_new();
	memset(&knocker, 0, sizeof(knocker));
	memset(&conn, 0, sizeof(conn));
	conn.fd = -1;
	was_told = false;
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	conn_close(&conn);
	knocker_fini(&knocker);
	loop_free(loop);
	return 0;
}

/* Listening on any port of `address`, or on the path; non-blocking. */
static int
listen_at(const char *address, struct addr *ret)
{
	struct endpoint e;
	int fd;

	assert_int_equal(endpoint_parse(address, 0, &e, NULL), 0);
	addr_set_port(&e.addr, 0);
	fd = socket(e.addr.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &e.addr.u.sa, e.addr.len), 0);
	assert_int_equal(listen(fd, 16), 0);
	*ret = e.addr;
	if (e.addr.u.sa.sa_family != AF_UNIX)
		assert_int_equal(getsockname(fd, &ret->u.sa, &ret->len), 0);
	return fd;
}

static void
assert_nobody_came(int listener)
{
	assert_int_equal(accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
knock_often(const char *address)
{
	struct addr at;
	int listener = listen_at(address, &at);
	unsigned fds = fake_count_fds();

	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(knock(&knocker, &conn, loop, &at, on_event), 1);
		knock_leave(&knocker, &conn, &at);
		assert_false(conn_is_open(&conn));
		knock_leave(&knocker, &conn, &at); /* idempotent */
	}
	assert_int_equal(fake_count_fds(), fds + 1); /* one socket for all */
	assert_nobody_came(listener);
	close(listener);
}

static void
the_program_never_hears_of_it(void **state)
{
	(void)state;
	knock_often("127.0.0.1:9");
	assert_int_equal(knocker.idle[0].n, 1);
}

static void
the_families_have_sockets_of_their_own(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct addr any = {.len = sizeof(any.u.in6)};

	(void)state;
	any.u.in6.sin6_family = AF_INET6;
	any.u.in6.sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, &any.u.sa, any.len) != 0) {
		print_message("no IPv6 on loopback\n");
		skip();
	}
	close(fd);
	knock_often("127.0.0.1:9");
	knock_often("[::1]:9");
	assert_int_equal(knocker.idle[0].n, 1);
	assert_int_equal(knocker.idle[1].n, 1);
}

static void
nobody_there_is_an_error(void **state)
{
	struct addr at;

	(void)state;
	close(listen_at("127.0.0.1:9", &at));
	for (unsigned i = 0; i < 3; i++) {
		errno = 0;
		assert_int_equal(knock(&knocker, &conn, loop, &at, on_event), -TG_EIO);
		assert_int_equal(errno, ECONNREFUSED);
		assert_false(conn_is_open(&conn));
	}
}

/* A socket that was answered before is none the worse for a refusal, nor the other way round. */
static void
answers_and_refusals_mix(void **state)
{
	struct addr there;
	struct addr gone;
	int listener = listen_at("127.0.0.1:9", &there);

	(void)state;
	close(listen_at("127.0.0.2:9", &gone));
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(knock(&knocker, &conn, loop, &there, on_event), 1);
		knock_leave(&knocker, &conn, &there);
		assert_int_equal(knock(&knocker, &conn, loop, &gone, on_event), -TG_EIO);
		assert_int_equal(errno, ECONNREFUSED);
	}
	close(listener);
}

static void
unix_sockets_are_connected_to(void **state)
{
	char folder[] = "/tmp/tg-knock-XXXXXX";
	char address[64];
	struct addr at;
	int listener;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/s", folder);
	listener = listen_at(address, &at);
	assert_int_equal(knock(&knocker, &conn, loop, &at, on_event), 1);
	knock_leave(&knocker, &conn, &at);
	assert_false(conn_is_open(&conn));
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
	close(listener);
	assert_int_equal(unlink(address + 5), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(knock(&knocker, &conn, loop, &at, on_event), -TG_EIO);
	assert_int_equal(errno, ENOENT);
}

/* A full backlog drops what comes: the answer is late, and there when the place is. */
static void
a_late_answer_is_waited_for(void **state)
{
	struct addr at;
	int listener = listen_at("127.0.0.1:9", &at);
	int filler[2];

	(void)state;
	assert_int_equal(listen(listener, 0), 0);
	for (int i = 0; i < 2; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(filler[i], &at.u.sa, at.len) != 0)
			assert_int_equal(errno, EINPROGRESS);
	}
	assert_int_equal(knock(&knocker, &conn, loop, &at, on_event), 0);
	assert_int_equal(conn_connected(&conn), -TG_EAGAIN);
	assert_true((conn.flags & CONN_CONNECTING) != 0);
	assert_int_equal(listen(listener, 16), 0);
	for (int i = 0; i < 2; i++)
		close(filler[i]);
	fake_turn_until(loop, &was_told); /* the second SYN, after a second */
	assert_int_equal(conn_connected(&conn), 0);
	knock_leave(&knocker, &conn, &at);
	assert_int_equal(knocker.idle[0].n, 1);
	close(listener);
}

static void
idle_sockets_are_bounded(void **state)
{
	struct conn many[TG_KNOCK_IDLE_MAX + 5];
	struct addr at;
	int listener = listen_at("127.0.0.1:9", &at);
	size_t n = sizeof(many) / sizeof(many[0]);

	(void)state;
	assert_int_equal(listen(listener, 1024), 0);
	memset(many, 0, sizeof(many));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(knock(&knocker, &many[i], loop, &at, on_event), 1);
	for (size_t i = 0; i < n; i++)
		knock_leave(&knocker, &many[i], &at);
	assert_int_equal(knocker.idle[0].n, TG_KNOCK_IDLE_MAX);
	close(listener);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(the_program_never_hears_of_it),
		CASE(the_families_have_sockets_of_their_own),
		CASE(nobody_there_is_an_error),
		CASE(answers_and_refusals_mix),
		CASE(unix_sockets_are_connected_to),
		CASE(a_late_answer_is_waited_for),
		CASE(idle_sockets_are_bounded),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
