#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/back.h"
#include "fake/pair.h"
#include "fake/turn.h"
#include "unit/backend/world.h"

#define SECOND UINT64_C(1000000)

/* The linker sends clock_gettime() of our own code here: time is what the test says. */
static uint64_t now_us;
static uint64_t step_us; /* each reading moves it on by this */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	now_us += step_us;
	ts->tv_sec = (time_t)(now_us / SECOND);
	ts->tv_nsec = (long)(now_us % SECOND * 1000);
	return 0;
}

/* At most 3 idle ones per backend, for 30 s; service c keeps none. */
static const char text[] =
	WORLD("{ name = \"a\"; idle_connections = 3; timeouts = { keep_alive = \"30s\"; }; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:2\"; } ); }, "
	      "{ name = \"c\"; idle_connections = 0; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); }");

static struct world world;
static struct worker worker;
static const struct front_ops no_fronts;
static struct addr at;
static int listener;
static unsigned ready_calls;

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&worker, view);
}

static void
set_port(uint32_t service, uint32_t backend, uint16_t port)
{
	assert_int_equal(world_observe(&world, service, backend, TG_HEALTH_UP, port), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){1}, hand_out, NULL), 0);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	now_us = 5000 * SECOND;
	step_us = 0;
	ready_calls = 0;
	listener = fake_listen(&at);
	if (world_open(&world, text) != 0 ||
	    world_open_worker(&world, &worker, 0, &no_fronts) != 0)
		return -1;
	set_port(0, 0, addr_port(&at));
	set_port(0, 1, addr_port(&at));
	set_port(1, 0, addr_port(&at));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	worker_fini(&worker);
	world_close(&world);
	close(listener);
	return 0;
}

static struct worker_backend *
home(unsigned service, unsigned backend)
{
	return world_service(&world, &worker, service)->backends[backend];
}

static void
on_ready(struct back *b)
{
	ready_calls += b->stream == &ready_calls;
}

/* A connected back, attached; the backend's side in *ret_far. */
static struct back *
open_back(struct worker_backend *to, int *ret_far)
{
	struct back *b = back_connect(to, &at, on_ready, &ready_calls);

	assert_non_null(b);
	*ret_far = accept(listener, NULL, NULL);
	while (conn_connected(&b->conn) == -TG_EAGAIN)
		fake_turn(worker.loop);
	return b;
}

static uint64_t
counter(const struct worker_backend *b, unsigned id)
{
	return atomic_load(counter_at(&b->counters, id));
}

/* What the backend sees: 0 an end, -ECONNRESET a reset. */
static int
far_sees(int fd)
{
	char byte;
	ssize_t n;

	fake_wait_readable(fd);
	n = recv(fd, &byte, 1, 0);
	close(fd);
	return n < 0 ? -errno : (int)n;
}

static void
pass_time(uint64_t us)
{
	now_us += us;
	loop_now_update(worker.loop);
}

static bool time_is_over;

static void
on_time_over(struct timer *t)
{
	(void)t;
	time_is_over = true;
	loop_stop(worker.loop);
}

/* The loop runs this long by its clock, up to 2 s longer; a tick is a second. */
static void
live(uint64_t us)
{
	struct timer end;

	timer_init(&end, on_time_over);
	time_is_over = false;
	timer_set(worker.loop, &end, (struct mono){now_us + us});
	step_us = SECOND;
	while (!time_is_over)
		loop_run(worker.loop);
	step_us = 0;
	timer_fini(&end);
}

static void
connection_is_reported_to_its_stream(void **state)
{
	struct back *b = back_connect(home(0, 0), &at, on_ready, &ready_calls);

	(void)state;
	assert_non_null(b);
	assert_int_not_equal(b->conn.flags & CONN_CONNECTING, 0);
	assert_ptr_equal(b->home, home(0, 0));
	assert_false(b->is_reused);
	while (ready_calls == 0)
		fake_turn(worker.loop);
	assert_int_equal(conn_connected(&b->conn), 0);
	assert_int_equal(counter(home(0, 0), TG_B_CONNECTS), 1);
	assert_int_equal(counter(home(0, 0), TG_B_REUSES), 0);
	back_close(&b);
	assert_null(b);
	back_close(&b);
	back_abort(&b);
}

static void
connect_that_fails_at_once_leaves_nothing(void **state)
{
	struct addr missing = {.len = sizeof(missing.u.un)};
	unsigned fds = fake_count_fds();

	(void)state;
	missing.u.un.sun_family = AF_UNIX;
	memcpy(missing.u.un.sun_path, "/nonexistent/socket", 20);
	errno = 0;
	assert_null(back_connect(home(0, 0), &missing, on_ready, &ready_calls));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(fake_count_fds(), fds);
}

static void
given_connection_is_taken_again(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);
	struct back *same = b;
	char bytes[16];

	(void)state;
	assert_null(back_take_idle(home(0, 0), false));
	back_give(&b);
	assert_null(b);
	assert_true(same->is_idle);
	assert_int_equal(home(0, 0)->n_idle, 1);
	assert_int_equal(worker.n_idle, 1);
	/* Of another backend there is none. */
	assert_null(back_take_idle(home(0, 1), false));
	b = back_take_idle(home(0, 0), false);
	assert_ptr_equal(b, same);
	assert_true(b->is_reused);
	assert_false(b->is_idle);
	assert_int_equal(home(0, 0)->n_idle, 0);
	assert_int_equal(worker.n_idle, 0);
	assert_int_equal(counter(home(0, 0), TG_B_REUSES), 1);
	assert_int_equal(counter(home(0, 0), TG_B_CONNECTS), 1);
	/* It works for its new stream. */
	back_attach(b, on_ready, &ready_calls);
	ready_calls = 0;
	fake_write(far, "answer", 6);
	while (ready_calls == 0)
		fake_turn(worker.loop);
	assert_int_equal(conn_recv(&b->conn, bytes, sizeof(bytes)), 6);
	back_close(&b);
	assert_int_equal(far_sees(far), 0);
}

static void
abort_is_seen_as_a_reset(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	(void)state;
	back_abort(&b);
	assert_null(b);
	assert_int_equal(far_sees(far), -ECONNRESET);
}

static void
most_recently_used_comes_first(void **state)
{
	struct back *b[3];
	struct back *order[3];
	int far[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		order[i] = b[i] = open_back(home(0, 0), &far[i]);
	for (int i = 0; i < 3; i++)
		back_give(&b[i]);
	for (int i = 2; i >= 0; i--) {
		b[i] = back_take_idle(home(0, 0), false);
		assert_ptr_equal(b[i], order[i]);
	}
	assert_null(back_take_idle(home(0, 0), false));
	for (int i = 0; i < 3; i++) {
		back_close(&b[i]);
		close(far[i]);
	}
}

static void
idle_ones_are_limited_per_backend(void **state)
{
	struct back *b[4];
	int far[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		b[i] = open_back(home(0, 0), &far[i]);
	for (int i = 0; i < 4; i++)
		back_give(&b[i]);
	assert_int_equal(home(0, 0)->n_idle, 3);
	/* The one too many is closed, not kept and not forgotten. */
	assert_int_equal(far_sees(far[3]), 0);
	b[0] = open_back(home(0, 1), &far[3]);
	back_give(&b[0]);
	assert_int_equal(home(0, 1)->n_idle, 1);
	close(far[3]);
	b[0] = open_back(home(1, 0), &far[3]);
	back_give(&b[0]);
	assert_int_equal(home(1, 0)->n_idle, 0);
	assert_int_equal(far_sees(far[3]), 0);
	for (int i = 0; i < 3; i++)
		close(far[i]);
}

static void
idle_ones_are_limited_per_worker(void **state)
{
	struct back *b[2];
	int far[2];

	(void)state;
	worker.max_idle = 1;
	for (unsigned i = 0; i < 2; i++)
		b[i] = open_back(home(0, i), &far[i]);
	back_give(&b[0]);
	back_give(&b[1]);
	assert_int_equal(worker.n_idle, 1);
	assert_int_equal(home(0, 1)->n_idle, 0);
	assert_int_equal(far_sees(far[1]), 0);
	close(far[0]);
}

/* Each of these makes a connection unfit to be kept. */
static void
what_is_not_clean_is_closed(void **state)
{
	static const unsigned flags[] = {CONN_HANGUP, CONN_ENDED, CONN_FAILED, CONN_BROKEN,
					 CONN_SHUT};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int far;
		struct back *b = open_back(home(0, 0), &far);

		b->conn.flags |= flags[i];
		back_give(&b);
		assert_null(b);
		assert_int_equal(home(0, 0)->n_idle, 0);
		assert_int_equal(far_sees(far), 0);
	}
}

static void
draining_worker_keeps_none(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	(void)state;
	worker.draining = true;
	back_give(&b);
	assert_int_equal(home(0, 0)->n_idle, 0);
	assert_int_equal(far_sees(far), 0);
}

/* The backend moved, or left and came back, while the connection was in use. */
static void
connection_to_an_earlier_address_is_not_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int far;
		struct back *b = open_back(home(0, 0), &far);

		set_port(0, 0, 1);
		if (i == 1)
			set_port(0, 0, addr_port(&at));
		back_give(&b);
		assert_int_equal(home(0, 0)->n_idle, 0);
		assert_int_equal(far_sees(far), 0);
		set_port(0, 0, addr_port(&at));
	}
}

/* The place was given by a view before this one: a queue's, or that of a replay. */
static void
connection_of_a_lease_to_an_earlier_address_is_not_kept(void **state)
{
	struct back *b;
	int far;

	(void)state;
	set_port(0, 0, 1);
	b = open_back(home(0, 0), &far);
	back_give(&b);
	assert_int_equal(home(0, 0)->n_idle, 0);
	assert_int_equal(far_sees(far), 0);
	set_port(0, 0, addr_port(&at));
}

static void
backend_that_closes_an_idle_connection_is_noticed(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int far;
		struct back *b = open_back(home(0, 0), &far);

		back_give(&b);
		ready_calls = 0;
		if (i == 0)
			close(far);
		else if (i == 1)
			fake_reset(far);
		else
			fake_write(far, "HTTP/1.1 408 X\r\n\r\n", 18);
		while (home(0, 0)->n_idle > 0)
			fake_turn(worker.loop);
		assert_null(back_take_idle(home(0, 0), false));
		assert_int_equal(worker.n_idle, 0);
		assert_int_equal(ready_calls, 0);
		if (i == 2)
			close(far);
	}
}

/* Bytes nobody asked for must never be the answer of the next request (response splitting). */
static void
connection_with_unread_bytes_is_not_taken(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);
	char bytes[4];

	(void)state;
	fake_write(far, "ansHTTP/1.1 200 OK\r\n\r\n", 22);
	fake_wait_readable(b->conn.fd);
	conn_recheck(&b->conn);
	/* A full read: more may be there, and no new edge will tell. */
	assert_int_equal(conn_recv(&b->conn, bytes, 3), 3);
	back_give(&b);
	assert_null(back_take_idle(home(0, 0), false));
	assert_int_equal(home(0, 0)->n_idle, 0);
	/* Closed with bytes unread. */
	assert_int_equal(far_sees(far), -ECONNRESET);
}

static uint64_t
idle_since(struct worker_backend *to)
{
	return TAILQ_FIRST(&to->idle)->idle_since.us;
}

/* A connection of this backend rests for a second, and a careful taker sees it. */
static void
prove(void)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	back_give(&b);
	pass_time(SECOND);
	assert_null(back_take_idle(home(0, 0), true));
	assert_int_equal(now_us - idle_since(home(0, 0)), SECOND);
	back_close_idle(home(0, 0));
	close(far);
}

/* No turn of the loop is between the end and the next request: the kernel is asked. */
static void
careful_taker_asks_the_kernel(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);
	struct back *same = b;

	(void)state;
	prove();
	back_give(&b);
	b = back_take_idle(home(0, 0), true);
	assert_ptr_equal(b, same);
	close(far);
	fake_wait_readable(b->conn.fd);
	back_give(&b);
	assert_null(back_take_idle(home(0, 0), true));
}

static void
careful_taker_takes_only_young_ones(void **state)
{
	int far;
	struct back *b;

	(void)state;
	prove();
	b = open_back(home(0, 0), &far);
	back_give(&b);
	pass_time(SECOND / 2);
	b = back_take_idle(home(0, 0), true);
	assert_non_null(b);
	back_give(&b);
	pass_time(SECOND / 2 + 1);
	assert_null(back_take_idle(home(0, 0), true));
	/* It stays for those whose request may be repeated. */
	assert_int_equal(home(0, 0)->n_idle, 1);
	b = back_take_idle(home(0, 0), false);
	assert_non_null(b);
	back_close(&b);
	close(far);
}

/* Closes an idle connection of this age from the backend's side, and waits until it is seen. */
static void
backend_closes_after(uint64_t idle_us)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	back_give(&b);
	pass_time(idle_us);
	close(far);
	while (home(0, 0)->n_idle > 0)
		fake_turn(worker.loop);
}

static bool
is_taken_at_age(uint64_t idle_us)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);
	bool taken;

	back_give(&b);
	pass_time(idle_us);
	b = back_take_idle(home(0, 0), true);
	taken = b != NULL;
	back_close(&b);
	back_close_idle(home(0, 0));
	close(far);
	return taken;
}

/* It may be one that closes at any moment: until one has rested for a second, and for a minute. */
static void
careful_taker_waits_for_proof(void **state)
{
	struct back *b;
	int far;

	(void)state;
	assert_false(is_taken_at_age(0));
	assert_false(is_taken_at_age(SECOND - 1));
	prove();
	assert_true(is_taken_at_age(0));
	assert_true(is_taken_at_age(SECOND / 2));
	pass_time(61 * SECOND);
	assert_false(is_taken_at_age(0));
	/* One that was used after its rest proves as much. */
	b = open_back(home(0, 0), &far);
	back_give(&b);
	pass_time(SECOND);
	b = back_take_idle(home(0, 0), false);
	back_close(&b);
	close(far);
	assert_true(is_taken_at_age(0));
	/* Of another backend nothing is known by that. */
	assert_false(mono_is_set(home(0, 1)->rested));
	pass_time(61 * SECOND);
	assert_false(is_taken_at_age(0));
}

/* It was seen to rest, and then to be closed sooner: by chance, then, or the machine stood still. */
static void
careful_taker_trusts_no_hasty_backend(void **state)
{
	(void)state;
	prove();
	assert_true(is_taken_at_age(1000));
	/* After a whole second it may close as it likes. */
	backend_closes_after(SECOND);
	assert_true(is_taken_at_age(1000));
	backend_closes_after(SECOND - 1);
	assert_false(is_taken_at_age(0));
	prove();
	assert_false(is_taken_at_age(0));
	pass_time(61 * SECOND);
	prove();
	assert_true(is_taken_at_age(SECOND / 2));
	assert_false(is_taken_at_age(SECOND / 2 + 1));
}

static void
idle_connection_is_closed_after_its_lifetime(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	(void)state;
	back_give(&b);
	for (int i = 0; i < 2; i++) {
		live(27 * SECOND);
		assert_int_equal(home(0, 0)->n_idle, 1);
		/* Used again: its life begins anew. */
		b = back_take_idle(home(0, 0), false);
		assert_non_null(b);
		back_give(&b);
	}
	live(32 * SECOND);
	assert_int_equal(home(0, 0)->n_idle, 0);
	assert_int_equal(worker.n_idle, 0);
	assert_int_equal(far_sees(far), 0);
}

static void
taken_connection_has_no_lifetime(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	(void)state;
	back_give(&b);
	b = back_take_idle(home(0, 0), false);
	assert_non_null(b);
	back_attach(b, on_ready, &ready_calls);
	live(40 * SECOND);
	assert_true(conn_is_open(&b->conn));
	back_close(&b);
	assert_int_equal(far_sees(far), 0);
}

static struct back *closed_by_ready;

static void
close_under_callback(struct back *b)
{
	closed_by_ready = b;
	back_close(&b);
	/* Still there: freed at the end of the turn, not under its own callback. */
	assert_false(conn_is_open(&closed_by_ready->conn));
}

static void
back_may_be_closed_under_its_callback(void **state)
{
	int far;
	struct back *b = open_back(home(0, 0), &far);

	(void)state;
	back_attach(b, close_under_callback, NULL);
	closed_by_ready = NULL;
	fake_write(far, "x", 1);
	while (closed_by_ready == NULL)
		fake_turn(worker.loop);
	close(far);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connection_is_reported_to_its_stream),
		TEST(connect_that_fails_at_once_leaves_nothing),
		TEST(given_connection_is_taken_again),
		TEST(abort_is_seen_as_a_reset),
		TEST(most_recently_used_comes_first),
		TEST(idle_ones_are_limited_per_backend),
		TEST(idle_ones_are_limited_per_worker),
		TEST(what_is_not_clean_is_closed),
		TEST(draining_worker_keeps_none),
		TEST(connection_to_an_earlier_address_is_not_kept),
		TEST(connection_of_a_lease_to_an_earlier_address_is_not_kept),
		TEST(backend_that_closes_an_idle_connection_is_noticed),
		TEST(connection_with_unread_bytes_is_not_taken),
		TEST(careful_taker_asks_the_kernel),
		TEST(careful_taker_takes_only_young_ones),
		TEST(careful_taker_waits_for_proof),
		TEST(careful_taker_trusts_no_hasty_backend),
		TEST(idle_connection_is_closed_after_its_lifetime),
		TEST(taken_connection_has_no_lifetime),
		TEST(back_may_be_closed_under_its_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
