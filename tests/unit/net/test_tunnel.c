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

#include "fake/pair.h"
#include "fake/turn.h"
#include "net/tunnel.h"

#define CEILING (512u * 1024u)
#define SECOND  UINT64_C(1000000)

/* client -> (front tunnel back) -> server */
static struct {
	struct conn front;
	struct conn back;
	int client;
	int server;
	struct tunnel tunnel;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct loop *loop;
	struct mono now; /* the test's own */
	unsigned reports;
} t;

static void
on_report(struct watch *w, unsigned what)
{
	conn_note((struct conn *)w, what);
	t.reports++;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	memset(&t, 0, sizeof(t));
	t.client = t.server = t.front.fd = t.back.fd = -1;
	t.now.us = 1000 * SECOND;
	buf_pool_init(&t.bufs, NULL);
	pipe_pool_init(&t.pipes, 8, NULL, NULL);
	t.loop = loop_new();
	return t.loop == NULL;
}

static void
close_far(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int
teardown(void **state)
{
	(void)state;
	tunnel_fini(&t.tunnel, &t.bufs, &t.pipes);
	conn_close(&t.front);
	conn_close(&t.back);
	close_far(&t.client);
	close_far(&t.server);
	pipe_pool_fini(&t.pipes);
	loop_free(t.loop);
	if (t.bufs.in_use != 0)
		return -1;
	buf_pool_fini(&t.bufs);
	return 0;
}

static void
sides_open(void (*make_pair)(int ret[2]))
{
	int fds[2];

	make_pair(fds);
	t.client = fds[0];
	assert_int_equal(conn_open(&t.front, t.loop, fds[1], on_report), 0);
	make_pair(fds);
	t.server = fds[0];
	assert_int_equal(conn_open(&t.back, t.loop, fds[1], on_report), 0);
}

static void
tunnel_open(void (*make_pair)(int ret[2]))
{
	sides_open(make_pair);
	tunnel_init(&t.tunnel, &t.front, &t.back, NULL, NULL, CEILING, t.now);
}

static enum tunnel_result
step(void)
{
	return tunnel_step(&t.tunnel, t.now, &t.bufs, &t.pipes);
}

/* Serves reports until there are none. */
static enum tunnel_result
run(void)
{
	enum tunnel_result result = step();

	for (;;) {
		if (result > TUNNEL_AGAIN)
			return result;
		t.reports = 0;
		fake_turn(t.loop);
		if (result != TUNNEL_AGAIN && t.reports == 0)
			return result;
		result = step();
	}
}

static void
run_until(enum tunnel_result wanted)
{
	enum tunnel_result result = run();

	while (result != wanted) {
		if (result > TUNNEL_AGAIN)
			fail_msg("result %d, not %d", (int)result, (int)wanted);
		result = run();
	}
}

/* Turns until this arrives at the descriptor. */
static void
expect(int fd, const char *text)
{
	size_t n = strlen(text);
	char bytes[64];
	size_t got = 0;

	assert_true(n <= sizeof(bytes));
	while (got < n) {
		ssize_t r = recv(fd, bytes + got, n - got, 0);

		if (r < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(run(), TUNNEL_PARKED);
			continue;
		}
		assert_true(r > 0);
		got += (size_t)r;
	}
	assert_memory_equal(bytes, text, n);
}

/* recv() says this next: 0 an end, else -errno. */
static void
expect_end(int fd, int wanted)
{
	char byte;
	ssize_t r;

	fake_wait_readable(fd);
	r = recv(fd, &byte, 1, 0);
	assert_int_equal(r < 0 ? -errno : (int)r, wanted);
}

static void
both_sides_may_speak_first(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		tunnel_open(i == 0 ? fake_pair_tcp : fake_pair_unix);
		fake_write(t.client, "ping", 4);
		expect(t.server, "ping");
		fake_write(t.server, "welcome", 7);
		expect(t.client, "welcome");
		fake_write(t.client, "to", 2);
		fake_write(t.server, "fro", 3);
		expect(t.server, "to");
		expect(t.client, "fro");
		assert_int_equal(t.tunnel.up.bytes, 6);
		assert_int_equal(t.tunnel.down.bytes, 10);
		assert_int_equal(t.bufs.in_use, 0);
		if (i == 0) {
			teardown(state);
			setup(state);
		}
	}
}

static struct buf *
buf_of(const char *text)
{
	struct buf *b = buf_get(&t.bufs, TG_BUF_HEAD);

	assert_non_null(b);
	assert_true(buf_append(b, text, strlen(text)));
	return b;
}

static void
bytes_read_before_go_first(void **state)
{
	struct buf *from_front;
	struct buf *from_back;

	(void)state;
	sides_open(fake_pair_tcp);
	from_front = buf_of("early request ");
	from_back = buf_of("early answer ");
	fake_write(t.client, "more", 4);
	fake_write(t.server, "other", 5);
	/* What was known of readiness before may be wrong. */
	t.front.flags &= ~CONN_READABLE;
	t.back.flags &= ~CONN_READABLE;
	tunnel_init(&t.tunnel, &t.front, &t.back, &from_front, &from_back, CEILING, t.now);
	assert_null(from_front);
	assert_null(from_back);
	expect(t.server, "early request more");
	expect(t.client, "early answer other");
}

static void
client_that_ends_first_still_gets_the_answer(void **state)
{
	(void)state;
	tunnel_open(fake_pair_tcp);
	fake_write(t.client, "question", 8);
	shutdown(t.client, SHUT_WR);
	expect(t.server, "question");
	while (!tunnel_is_half_closed(&t.tunnel))
		assert_int_equal(run(), TUNNEL_PARKED);
	expect_end(t.server, 0);
	fake_write(t.server, "answer", 6);
	expect(t.client, "answer");
	close_far(&t.server);
	run_until(TUNNEL_ENDED);
	assert_false(tunnel_is_half_closed(&t.tunnel));
	expect_end(t.client, 0);
}

static void
server_that_ends_first_still_gets_the_rest(void **state)
{
	(void)state;
	tunnel_open(fake_pair_tcp);
	fake_write(t.server, "bye", 3);
	shutdown(t.server, SHUT_WR);
	expect(t.client, "bye");
	while (!tunnel_is_half_closed(&t.tunnel))
		assert_int_equal(run(), TUNNEL_PARKED);
	expect_end(t.client, 0);
	fake_write(t.client, "rest", 4);
	expect(t.server, "rest");
	shutdown(t.client, SHUT_WR);
	run_until(TUNNEL_ENDED);
	expect_end(t.server, 0);
}

static void
reset_of_either_side_names_it(void **state)
{
	static const enum tunnel_result results[] = {TUNNEL_FRONT_FAILED, TUNNEL_BACK_FAILED};

	(void)state;
	for (int i = 0; i < 2; i++) {
		int *fd = i == 0 ? &t.client : &t.server;

		tunnel_open(fake_pair_tcp);
		fake_write(t.client, "x", 1);
		expect(t.server, "x");
		fake_reset(*fd);
		*fd = -1;
		run_until(results[i]);
		if (i == 0) {
			teardown(state);
			setup(state);
		}
	}
}

/* Writing meets the reset and takes it from the socket: reading must not see an end. */
static void
reset_met_by_writing_is_not_passed_on_as_an_end(void **state)
{
	(void)state;
	tunnel_open(fake_pair_tcp);
	run();
	fake_write(t.server, "for the client", 14);
	fake_wait_readable(t.back.fd);
	fake_reset(t.client);
	t.client = -1;
	/* No report of the front is seen before the write. */
	conn_recheck(&t.back);
	t.front.flags &= ~CONN_READABLE;
	run_until(TUNNEL_FRONT_FAILED);
	assert_int_equal(t.back.flags & CONN_SHUT, 0);
}

/* The server says its last words and resets: the words arrive, then the failure. */
static void
last_words_before_a_reset_arrive(void **state)
{
	(void)state;
	tunnel_open(fake_pair_tcp);
	fake_write(t.server, "last words", 10);
	fake_wait_readable(t.back.fd);
	fake_reset(t.server);
	t.server = -1;
	fake_write(t.client, "too late", 8);
	fake_wait_readable(t.front.fd);
	run_until(TUNNEL_BACK_FAILED);
	assert_int_equal(t.tunnel.down.bytes, 10);
	fake_wait_readable(t.client);
	expect(t.client, "last words");
}

/* An ended client whose connection then resets: what the server still writes has no taker. */
static void
reset_after_the_end_is_a_failure_of_the_client(void **state)
{
	enum tunnel_result result = TUNNEL_PARKED;

	(void)state;
	tunnel_open(fake_pair_tcp);
	shutdown(t.client, SHUT_WR);
	while (!tunnel_is_half_closed(&t.tunnel))
		assert_int_equal(run(), TUNNEL_PARKED);
	fake_reset(t.client);
	t.client = -1;
	while (result <= TUNNEL_AGAIN) {
		fake_write(t.server, "x", 1);
		result = run();
	}
	assert_int_equal(result, TUNNEL_FRONT_FAILED);
}

/* Bytes and reset came as one report; the short read ate the bytes, no new report comes. */
static void
hidden_reset_is_found_by_the_quiet_check(void **state)
{
	(void)state;
	tunnel_open(fake_pair_tcp);
	run();
	fake_write(t.server, "abc", 3);
	fake_wait_readable(t.back.fd);
	conn_recheck(&t.back);
	assert_int_equal(step(), TUNNEL_PARKED);
	assert_int_equal(t.tunnel.down.bytes, 3);
	fake_reset(t.server);
	t.server = -1;
	/* Reports are not served here: as if there had been none. */
	fake_wait_readable(t.back.fd);
	assert_int_equal(step(), TUNNEL_PARKED);
	t.now = tunnel_due(&t.tunnel, 60000);
	assert_false(tunnel_on_time(&t.tunnel, t.now, 60000));
	assert_int_equal(step(), TUNNEL_BACK_FAILED);
}

static uint64_t
due_ms(uint64_t idle_ms)
{
	return (tunnel_due(&t.tunnel, idle_ms).us - t.tunnel.progress.us) / 1000;
}

static void
patience_is_counted_from_the_last_byte(void **state)
{
	struct mono begin;

	(void)state;
	tunnel_open(fake_pair_tcp);
	begin = t.now;
	run();
	assert_int_equal(t.tunnel.progress.us, begin.us);
	/* First the quiet check, then the end of patience. */
	assert_int_equal(due_ms(60000), TG_TUNNEL_QUIET_MS);
	assert_int_equal(due_ms(100), 100);
	assert_false(tunnel_on_time(&t.tunnel, mono_add_ms(begin, 249), 60000));
	assert_int_equal(due_ms(60000), TG_TUNNEL_QUIET_MS);
	assert_false(tunnel_on_time(&t.tunnel, mono_add_ms(begin, 250), 60000));
	assert_int_equal(due_ms(60000), 60000);
	assert_false(tunnel_on_time(&t.tunnel, mono_add_ms(begin, 59999), 60000));
	assert_true(tunnel_on_time(&t.tunnel, mono_add_ms(begin, 60000), 60000));
	/* One byte, and all of it begins anew. */
	t.now = mono_add_ms(begin, 59999);
	fake_write(t.client, "x", 1);
	expect(t.server, "x");
	assert_int_equal(t.tunnel.progress.us, t.now.us);
	assert_int_equal(due_ms(60000), TG_TUNNEL_QUIET_MS);
	assert_false(tunnel_on_time(&t.tunnel, mono_add_ms(begin, 60000), 60000));
	/* A patience shorter than the check has none. */
	assert_true(tunnel_on_time(&t.tunnel, mono_add_ms(t.now, 100), 100));
}

/* A side that only takes makes no progress for the other: idle is both ways together. */
static void
steps_without_bytes_are_no_progress(void **state)
{
	struct mono begin;

	(void)state;
	tunnel_open(fake_pair_tcp);
	begin = t.now;
	for (int i = 1; i < 10; i++) {
		t.now = mono_add_ms(begin, (uint64_t)i);
		assert_int_equal(run(), TUNNEL_PARKED);
	}
	assert_int_equal(t.tunnel.progress.us, begin.us);
}

/* Both ways at once, both sides slow: nothing is lost, nothing overtakes. */
static void
both_ways_carry_bulk_at_once(void **state)
{
	const size_t total = 3u << 20;
	size_t sent[2] = {0, 0};
	size_t got[2] = {0, 0};
	static char piece[50000];

	(void)state;
	tunnel_open(fake_pair_tcp);
	while (got[0] < total || got[1] < total) {
		for (int i = 0; i < 2; i++) {
			int fd = i == 0 ? t.client : t.server;
			size_t n =
				total - sent[i] < sizeof(piece) ? total - sent[i] : sizeof(piece);
			ssize_t r;

			for (size_t k = 0; k < n; k++)
				piece[k] = (char)((sent[i] + k) % 251 + (size_t)i);
			r = send(fd, piece, n, MSG_NOSIGNAL);
			sent[i] += r > 0 ? (size_t)r : 0;
			assert_int_equal(run(), TUNNEL_PARKED);
			r = recv(fd, piece, 30000, 0);
			for (ssize_t k = 0; k < r; k++)
				assert_int_equal(piece[k], (char)((got[1 - i] + (size_t)k) % 251 +
								  (size_t)(1 - i)));
			got[1 - i] += r > 0 ? (size_t)r : 0;
		}
	}
	close_far(&t.client);
	close_far(&t.server);
	run_until(TUNNEL_ENDED);
	assert_int_equal(t.tunnel.up.bytes, total);
	assert_int_equal(t.tunnel.down.bytes, total);
}

static void
zeroed_tunnel_is_finished_without_harm(void **state)
{
	(void)state;
	tunnel_fini(&t.tunnel, &t.bufs, &t.pipes);
	assert_int_equal(t.pipes.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_sides_may_speak_first),
		TEST(bytes_read_before_go_first),
		TEST(client_that_ends_first_still_gets_the_answer),
		TEST(server_that_ends_first_still_gets_the_rest),
		TEST(reset_of_either_side_names_it),
		TEST(reset_met_by_writing_is_not_passed_on_as_an_end),
		TEST(last_words_before_a_reset_arrive),
		TEST(reset_after_the_end_is_a_failure_of_the_client),
		TEST(hidden_reset_is_found_by_the_quiet_check),
		TEST(patience_is_counted_from_the_last_byte),
		TEST(steps_without_bytes_are_no_progress),
		TEST(both_ways_carry_bulk_at_once),
		TEST(zeroed_tunnel_is_finished_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
