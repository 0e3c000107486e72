#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sockopt.h"

static int
option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &n), 0);
	return v;
}

static void
expect_keepalive(int fd, int idle, int interval)
{
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), interval);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), TG_KEEPALIVE_PROBES);
}

static void
nothing_given_changes_nothing(void **state)
{
	const struct conf_tcp none = {0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_false(sockopt_is_given(&none));
	assert_int_equal(sockopt_set(fd, &none), 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	close(fd);
}

static void
times_are_derived_and_rounded_up(void **state)
{
	static const struct {
		uint64_t ms;
		int idle;
		int interval;
	} cases[] = {{1, 1, 1},       {1000, 1, 1},    {1001, 2, 1},
		     {60000, 60, 10}, {65000, 65, 11}, {8 * 3600 * 1000, 28800, 4800}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conf_tcp conf = {.keepalive_ms = cases[i].ms};
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		assert_true(sockopt_is_given(&conf));
		assert_int_equal(sockopt_set(fd, &conf), 0);
		expect_keepalive(fd, cases[i].idle, cases[i].interval);
		assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
		close(fd);
	}
}

/* What the header promises of Linux. */
static void
an_accepted_socket_inherits_them(void **state)
{
	const struct conf_tcp conf = {.keepalive_ms = 30000, .user_timeout_ms = 1500};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int fd;

	(void)state;
	assert_int_equal(sockopt_set(listening, &conf), 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, n), 0);
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	expect_keepalive(fd, 30, 5);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
	close(fd);
	close(client);
	close(listening);
}

static void
what_is_no_tcp_socket_is_an_error(void **state)
{
	const struct conf_tcp conf = {.user_timeout_ms = 1500};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(sockopt_set(fd, &conf), -TG_EIO);
	close(fd);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_changes_nothing),
		cmocka_unit_test(times_are_derived_and_rounded_up),
		cmocka_unit_test(an_accepted_socket_inherits_them),
		cmocka_unit_test(what_is_no_tcp_socket_is_an_error),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
