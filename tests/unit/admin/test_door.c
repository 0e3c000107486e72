/* A listening socket: clients are handed on, and want of descriptors does not spin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/door.h"
#include "base/container.h"
#include "fake/pair.h"
#include "fake/turn.h"

/* The linker sends this here: fails with `accept_error` when the test says so. */
static int accept_error;
static unsigned n_calls;
int __real_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);

int
__wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	n_calls++;
	if (accept_error == 0)
		return __real_accept4(fd, from, len, flags);
	errno = accept_error;
	return -1;
}

static struct {
	struct loop *loop;
	struct door door;
	struct addr at;
	unsigned n_clients;
	bool has_client;
} the;

static void
on_client(struct door *door, int fd)
{
	assert_ptr_equal(door, &the.door);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	the.n_clients++;
	the.has_client = true;
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	accept_error = 0;
	n_calls = 0;
	the.n_clients = 0;
	the.has_client = false;
	the.loop = loop_new();
	return the.loop == NULL ||
	       door_open(&the.door, the.loop, fake_listen(&the.at), on_client) != 0;
}

static int
teardown(void **state)
{
	(void)state;
	door_close(&the.door);
	loop_free(the.loop);
	return 0;
}

static int
connect_one(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &the.at.u.sa, the.at.len), 0);
	return fd;
}

static void
clients_are_handed_on(void **state)
{
	int a = connect_one();
	int b = connect_one();

	(void)state;
	while (the.n_clients < 2)
		fake_turn(the.loop);
	close(a);
	close(b);
}

static void
want_of_descriptors_pauses(void **state)
{
	int fd = connect_one();
	unsigned calls;

	(void)state;
	accept_error = EMFILE;
	while (n_calls == 0)
		fake_turn(the.loop);
	calls = n_calls;
	for (unsigned i = 0; i < 50; i++)
		fake_turn(the.loop);
	assert_int_equal(n_calls, calls);
	accept_error = 0;
	fake_turn_until(the.loop, &the.has_client);
	close(fd);
}

static void
held_door_lets_clients_wait(void **state)
{
	int fd;

	(void)state;
	door_hold(&the.door);
	fd = connect_one();
	for (unsigned i = 0; i < 50; i++)
		fake_turn(the.loop);
	assert_int_equal(the.n_clients, 0);
	door_resume(&the.door);
	fake_turn_until(the.loop, &the.has_client);
	close(fd);
}

static void
what_is_no_socket_is_refused(void **state)
{
	struct door other;

	(void)state;
	assert_int_equal(door_open(&other, the.loop, -1, on_client), -TG_EIO);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(clients_are_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(want_of_descriptors_pauses, setup, teardown),
		cmocka_unit_test_setup_teardown(held_door_lets_clients_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_socket_is_refused, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
