#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/worker.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "unit/backend/world.h"

/* The linker sends this here: fails with `accept_error` when the test says so. */
static int accept_error;
int __real_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);

int
__wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	if (accept_error != 0) {
		errno = accept_error;
		return -1;
	}
	return __real_accept4(fd, from, len, flags);
}

/* Two workers; 5 connections in all, 3 on the first listener. */
static const char text[] =
	"workers = 2; max_connections = 5; "
	"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"tcp\"; service = \"a\"; "
	"max_connections = 3; }, "
	"{ name = \"m\"; bind = \"127.0.0.1:2\"; mode = \"tcp\"; service = \"a\"; } ); "
	"services = ( { name = \"a\"; } );";

#define CLIENTS 8

static struct world world;
static struct worker workers[2];
static struct addr at[2]; /* of the listeners */
static int clients[CLIENTS];
static unsigned n_clients;
static int accepted[CLIENTS]; /* newest last */
static unsigned n_accepted;
static struct addr last_from;

static void
on_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	(void)w;
	(void)l;
	last_from = a->from;
	accepted[n_accepted++] = a->fd;
}

static const struct front_ops ops = {.open = on_open};

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	n_clients = n_accepted = 0;
	accept_error = 0;
	if (world_open(&world, text) != 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		if (world_open_worker(&world, &workers[i], i, &ops) != 0)
			return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_clients; i++)
		close(clients[i]);
	for (unsigned i = 0; i < n_accepted; i++)
		close(accepted[i]);
	for (unsigned i = 0; i < 2; i++) {
		worker_fini(&workers[i]);
	}
	world_close(&world);
	return 0;
}

static void
add_socket(struct worker_listener *l, int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(listener_add_socket(l, fd), 0);
}

/* The listener of this worker, on a socket that does not block, started. */
static struct worker_listener *
start(unsigned worker, unsigned index)
{
	struct worker_listener *l = world_listener(&world, &workers[worker], index);

	add_socket(l, fake_listen(&at[index]));
	assert_int_equal(listener_start(l), 0);
	return l;
}

static void
connect_client(unsigned index)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, &at[index].u.sa, at[index].len), 0);
	clients[n_clients++] = fd;
}

static void
turns_until_accepted(unsigned worker, unsigned n)
{
	while (n_accepted < n)
		fake_turn(workers[worker].loop);
}

static void
client_is_handed_over_with_its_address(void **state)
{
	struct worker_listener *l = start(0, 0);
	struct addr mine = {.len = sizeof(mine.u)};

	(void)state;
	connect_client(0);
	turns_until_accepted(0, 1);
	assert_int_equal(getsockname(clients[0], &mine.u.sa, &mine.len), 0);
	assert_true(addr_equal(&last_from, &mine));
	assert_int_equal(atomic_load(&l->load->in_flight), 1);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 1);
	assert_int_equal(atomic_load(counter_at(&l->counters, TG_L_CONNECTIONS)), 1);
	listener_released(l);
	assert_int_equal(atomic_load(&l->load->in_flight), 0);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 0);
}

/* Waits in the kernel until a place is free, and then not a moment longer. */
static void
limit_of_a_listener_makes_the_next_wait(void **state)
{
	struct worker_listener *l = start(0, 0);

	(void)state;
	for (int i = 0; i < 4; i++)
		connect_client(0);
	while (!l->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 3);
	assert_int_equal(atomic_load(&l->load->in_flight), 3);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 3);
	assert_true(atomic_load(counter_at(&l->counters, TG_L_REFUSED)) >= 1);
	listener_released(l);
	assert_false(l->paused);
	fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 4);
	assert_int_equal(atomic_load(&l->load->in_flight), 3);
}

/* Both workers count in one place. */
static void
limits_are_exact_across_workers(void **state)
{
	struct worker_listener *one = start(0, 0);
	struct worker_listener *two;

	(void)state;
	connect_client(0);
	connect_client(0);
	turns_until_accepted(0, 2);
	two = start(1, 0);
	connect_client(0);
	turns_until_accepted(1, 3);
	connect_client(0);
	while (!two->paused)
		fake_turn(workers[1].loop);
	assert_int_equal(n_accepted, 3);
	/* A place of the first worker becomes free; the second finds it by its own timer. */
	listener_released(one);
	turns_until_accepted(1, 4);
	assert_int_equal(atomic_load(&two->load->in_flight), 3);
}

static void
limit_of_all_listeners_counts_them_together(void **state)
{
	struct worker_listener *l = start(0, 0);
	struct worker_listener *m = start(0, 1);

	(void)state;
	connect_client(0);
	connect_client(0);
	turns_until_accepted(0, 2);
	for (int i = 0; i < 4; i++)
		connect_client(1);
	while (!m->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 5);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 5);
	assert_int_equal(atomic_load(&m->load->in_flight), 3);
	/* Freed on the other listener: found by the timer. */
	listener_released(l);
	turns_until_accepted(0, 6);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 5);
}

/* By order, for both workers at once; what is there stays. */
static void
limits_change_while_it_accepts(void **state)
{
	struct worker_listener *l = start(0, 0);
	struct msg_limit limit = {.slot = world.conf->listeners[0].segment_slot, .n = 1};

	(void)state;
	worker_set_limit(&workers[1], &limit);
	for (int i = 0; i < 6; i++)
		connect_client(0);
	while (!l->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 1);
	limit.n = 0; /* only that of all: 5 */
	worker_set_limit(&workers[1], &limit);
	listener_retry(l);
	assert_false(l->paused);
	while (!l->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 5);
	limit = (struct msg_limit){.slot = 0, .n = 2};
	worker_set_limit(&workers[1], &limit);
	listener_released(l);
	listener_released(l);
	listener_released(l);
	while (!l->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(n_accepted, 5);
	assert_int_equal(atomic_load(&l->load->in_flight), 2);
	limit.n = 0; /* as configured */
	worker_set_limit(&workers[0], &limit);
	listener_retry(l);
	turns_until_accepted(0, 6);
}

static void
no_more_may_be_ordered_than_files_allow(void **state)
{
	struct msg_limit limit = {.slot = 0, .n = TG_LIMIT_MAX};

	(void)state;
	workers[0].most_connections = 40;
	worker_set_limit(&workers[0], &limit);
	assert_int_equal(atomic_load(&workers[0].total->limit), 40);
}

static void
without_descriptors_it_pauses_and_comes_back(void **state)
{
	struct worker_listener *l = start(0, 0);

	(void)state;
	accept_error = EMFILE;
	connect_client(0);
	while (!l->paused)
		fake_turn(workers[0].loop);
	assert_int_equal(atomic_load(counter_at(&l->counters, TG_L_ACCEPT_ERRORS)), 1);
	assert_int_equal(atomic_load(&l->load->in_flight), 0);
	assert_int_equal(atomic_load(&workers[0].connections->in_flight), 0);
	accept_error = 0;
	turns_until_accepted(0, 1);
	assert_false(l->paused);
}

/* Clients that gave up while they waited are no reason to pause. */
static void
client_that_gave_up_is_passed_over(void **state)
{
	static const int errors[] = {ECONNABORTED, EPROTO, ENETDOWN, EAGAIN};
	struct worker_listener *l = start(0, 0);

	(void)state;
	connect_client(0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		accept_error = errors[i];
		fake_turn(workers[0].loop);
		assert_false(l->paused);
		assert_int_equal(atomic_load(&l->load->in_flight), 0);
	}
	assert_int_equal(atomic_load(counter_at(&l->counters, TG_L_ACCEPT_ERRORS)), 0);
	accept_error = 0;
	turns_until_accepted(0, 1);
}

static void
stopped_listener_refuses_and_stops_twice(void **state)
{
	struct worker_listener *l = start(0, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	connect_client(0);
	turns_until_accepted(0, 1);
	listener_stop(l);
	listener_stop(l);
	assert_int_equal(l->n_sockets, 0);
	assert_int_equal(connect(fd, &at[0].u.sa, at[0].len), -1);
	assert_int_equal(errno, ECONNREFUSED);
	/* A front that ends later frees its place and starts nothing. */
	listener_released(l);
	assert_false(l->paused);
	assert_int_equal(atomic_load(&l->load->in_flight), 0);
	close(fd);
}

static void
paused_listener_may_be_stopped(void **state)
{
	struct worker_listener *l = start(0, 0);

	(void)state;
	accept_error = ENFILE;
	connect_client(0);
	while (!l->paused)
		fake_turn(workers[0].loop);
	listener_stop(l);
	assert_false(l->paused);
}

/* An upgrade to fewer workers leaves some with several sockets. */
static void
all_sockets_of_a_listener_are_accepted_on(void **state)
{
	struct worker_listener *l = world_listener(&world, &workers[0], 0);

	(void)state;
	add_socket(l, fake_listen(&at[1]));
	start(0, 0);
	connect_client(0);
	connect_client(1);
	turns_until_accepted(0, 2);
	assert_int_equal(atomic_load(&l->load->in_flight), 2);
}

static void
who_waits_is_taken_before_the_end(void **state)
{
	struct worker_listener *l = start(0, 0);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		connect_client(0);
	listener_take_waiting(l);
	assert_int_equal(n_accepted, 3);
}

/* Bound by the parent of an upgrade, for a worker more. */
static void
socket_that_does_not_listen_begins_to(void **state)
{
	struct worker_listener *l = world_listener(&world, &workers[0], 0);
	struct addr a = {.len = sizeof(a.u.in)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &at[0].u.sa, &at[0].len), 0);
	add_socket(l, fd);
	assert_int_equal(listener_start(l), 0);
	connect_client(0);
	turns_until_accepted(0, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_is_handed_over_with_its_address),
		TEST(limit_of_a_listener_makes_the_next_wait),
		TEST(limits_are_exact_across_workers),
		TEST(limit_of_all_listeners_counts_them_together),
		TEST(limits_change_while_it_accepts),
		TEST(no_more_may_be_ordered_than_files_allow),
		TEST(without_descriptors_it_pauses_and_comes_back),
		TEST(client_that_gave_up_is_passed_over),
		TEST(stopped_listener_refuses_and_stops_twice),
		TEST(paused_listener_may_be_stopped),
		TEST(all_sockets_of_a_listener_are_accepted_on),
		TEST(who_waits_is_taken_before_the_end),
		TEST(socket_that_does_not_listen_begins_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
