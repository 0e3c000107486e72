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
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "net/relay.h"

#define BULK    (10u << 20)
#define CEILING (512u * 1024u)

/* The linker sends these here: refused when the test says so. */
static bool out_of_memory;
static int splice_refused; /* errno; 0: not */
static bool pipes_refused;
static unsigned spliced;
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
ssize_t __real_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
int __real_pipe2(int ret[2], int flags);
int __wrap_pipe2(int ret[2], int flags);

void *
__wrap_malloc(size_t n)
{
	return out_of_memory ? NULL : __real_malloc(n);
}

ssize_t
__wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	ssize_t moved;

	if (splice_refused != 0) {
		errno = splice_refused;
		return -1;
	}
	moved = __real_splice(in, in_at, out, out_at, n, flags);
	spliced += moved > 0;
	return moved;
}

int
__wrap_pipe2(int ret[2], int flags)
{
	if (pipes_refused) {
		errno = EMFILE;
		return -1;
	}
	return __real_pipe2(ret, flags);
}

/* producer -> (src relay dst) -> consumer */
static struct {
	struct conn src;
	struct conn dst;
	int producer;
	int consumer;
	struct relay relay;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct loop *loop;
	unsigned reports; /* since the last step */
	unsigned fds;
	unsigned loop_fds;
	size_t written;
	size_t read;
} path;

static void
on_report(struct watch *w, unsigned what)
{
	conn_note((struct conn *)w, what);
	path.reports++;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	out_of_memory = false;
	pipes_refused = false;
	splice_refused = 0;
	spliced = 0;
	memset(&path, 0, sizeof(path));
	path.fds = fake_count_fds();
	path.producer = path.consumer = path.src.fd = path.dst.fd = -1;
	buf_pool_init(&path.bufs, NULL);
	pipe_pool_init(&path.pipes, 8, NULL, NULL);
	path.loop = loop_new();
	path.loop_fds = fake_count_fds() - path.fds;
	return path.loop == NULL;
}

static void
close_far(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Everything is given back: buffers, pipes, descriptors. */
static int
teardown(void **state)
{
	(void)state;
	if (path.relay.src != NULL)
		relay_fini(&path.relay, &path.bufs, &path.pipes);
	conn_close(&path.src);
	conn_close(&path.dst);
	close_far(&path.producer);
	close_far(&path.consumer);
	pipe_pool_fini(&path.pipes);
	loop_free(path.loop);
	if (path.bufs.in_use != 0 || fake_count_fds() != path.fds)
		return -1;
	buf_pool_fini(&path.bufs);
	return 0;
}

static void
path_open(void (*make_pair)(int ret[2]), struct buf **first, uint32_t max_bytes)
{
	int front[2];
	int back[2];

	make_pair(front);
	make_pair(back);
	path.producer = front[0];
	path.consumer = back[0];
	assert_int_equal(conn_open(&path.src, path.loop, front[1], on_report), 0);
	assert_int_equal(conn_open(&path.dst, path.loop, back[1], on_report), 0);
	relay_init(&path.relay, &path.src, &path.dst, first, max_bytes);
}

static enum relay_result
step(void)
{
	return relay_step(&path.relay, &path.bufs, &path.pipes);
}

/* Steps as a worker does: when something was reported, or when the relay asked for more. */
static enum relay_result
run(void)
{
	enum relay_result result = step();

	for (;;) {
		path.reports = 0;
		fake_turn(path.loop);
		if (result != RELAY_AGAIN && path.reports == 0)
			return result;
		result = step();
		if (result > RELAY_AGAIN)
			return result;
	}
}

/* Steps until this comes of it. */
static void
run_until(enum relay_result wanted)
{
	enum relay_result result = step();

	while (result != wanted) {
		if (result > RELAY_AGAIN)
			fail_msg("result %d, not %d", (int)result, (int)wanted);
		fake_turn(path.loop);
		result = step();
	}
}

/*
 * What is sent, over and over. As long as a prime number, twice: no buffer's size hides a piece that is
 * missing, and from any byte of the first on there is as much again.
 */
#define PERIOD 65521u
static unsigned char pattern[2 * PERIOD];

static void
pattern_init(void)
{
	for (size_t i = 0; i < sizeof(pattern); i++) {
		uint64_t x = (i % PERIOD + 1) * UINT64_C(0x9e3779b97f4a7c15);

		pattern[i] = (unsigned char)(x >> 56 ^ x >> 40);
	}
}

/* As much of the pattern as the kernel takes now. */
static void
produce(size_t end)
{
	while (path.written < end) {
		size_t n = end - path.written < PERIOD ? end - path.written : PERIOD;
		ssize_t took = send(path.producer, pattern + path.written % PERIOD, n, MSG_NOSIGNAL);

		if (took < 0) {
			assert_int_equal(errno, EAGAIN);
			return;
		}
		path.written += (size_t)took;
	}
}

/* Reads and compares what is there; true at the end. */
static bool
consume(size_t most)
{
	static unsigned char piece[PERIOD];

	while (most > 0) {
		ssize_t n =
			recv(path.consumer, piece, most < sizeof(piece) ? most : sizeof(piece), 0);

		if (n == 0)
			return true;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			return false;
		}
		if (memcmp(piece, pattern + path.read % PERIOD, (size_t)n) != 0)
			fail_msg("what came at byte %zu is not what was sent", path.read);
		path.read += (size_t)n;
		most -= (size_t)n;
	}
	return false;
}

/* Moves `total` bytes from one side to the other; the consumer takes `most` at a time. */
static void
transfer(size_t total, size_t most)
{
	enum relay_result result = RELAY_PARKED;
	bool ended = false;

	while (!ended) {
		produce(total);
		if (path.written == total && path.producer >= 0)
			close_far(&path.producer);
		if (result != RELAY_ENDED)
			result = run();
		assert_true(result <= RELAY_ENDED);
		ended = consume(most);
	}
	assert_int_equal(result, RELAY_ENDED);
	assert_int_equal(path.read, total);
	assert_int_equal(path.relay.bytes, total);
	assert_true(path.relay.ended);
	assert_int_equal(step(), RELAY_ENDED);
}

static void
small_bytes_pass_and_leave_nothing_held(void **state)
{
	char bytes[16];

	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run(), RELAY_PARKED);
		assert_int_equal(path.bufs.in_use, 0);
		fake_write(path.producer, "hello", 5);
		while (path.relay.bytes < 5u * ((unsigned)i + 1))
			run();
		fake_wait_readable(path.consumer);
		assert_int_equal(recv(path.consumer, bytes, sizeof(bytes), 0), 5);
		assert_memory_equal(bytes, "hello", 5);
	}
	assert_int_equal(spliced, 0);
}

static void
bytes_read_before_come_first(void **state)
{
	struct buf *first;
	char bytes[16];

	(void)state;
	first = buf_get(&path.bufs, TG_BUF_HEAD);
	assert_true(buf_append(first, "xxhead ", 7));
	buf_consume(first, 2);
	path_open(fake_pair_unix, &first, CEILING);
	assert_null(first);
	fake_write(path.producer, "tail", 4);
	while (path.relay.bytes < 9)
		run();
	assert_int_equal(recv(path.consumer, bytes, sizeof(bytes), 0), 9);
	assert_memory_equal(bytes, "head tail", 9);
	assert_int_equal(path.bufs.in_use, 0);
}

static void
empty_first_buffer_is_given_back(void **state)
{
	struct buf *first = buf_get(&path.bufs, TG_BUF_SMALL);

	(void)state;
	path_open(fake_pair_unix, &first, CEILING);
	assert_int_equal(run(), RELAY_PARKED);
	assert_int_equal(path.bufs.in_use, 0);
}

static void
end_is_passed_on_after_the_last_byte(void **state)
{
	char bytes[16];

	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	fake_write(path.producer, "last", 4);
	shutdown(path.producer, SHUT_WR);
	run_until(RELAY_ENDED);
	fake_wait_readable(path.consumer);
	assert_int_equal(recv(path.consumer, bytes, sizeof(bytes), 0), 4);
	fake_wait_readable(path.consumer);
	assert_int_equal(recv(path.consumer, bytes, sizeof(bytes), 0), 0);
	/* One way alone: the consumer may still speak. */
	fake_write(path.consumer, "answer", 6);
	fake_wait_readable(path.dst.fd);
	conn_recheck(&path.dst);
	assert_int_equal(conn_recv(&path.dst, bytes, sizeof(bytes)), 6);
}

static void
bulk_arrives_unchanged_over_tcp_by_splice(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_true(spliced > 0);
}

static void
bulk_arrives_unchanged_over_unix_sockets(void **state)
{
	(void)state;
	path_open(fake_pair_unix, NULL, CEILING);
	transfer(BULK, BULK);
}

static void
bulk_arrives_unchanged_to_a_slow_consumer(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, 77777);
	assert_true(spliced > 0);
}

static void
bulk_arrives_unchanged_below_a_low_ceiling(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, TG_BUF_SMALL_BYTES);
	transfer(BULK / 4, 50000);
	assert_int_equal(path.bufs.n_free[TG_BUF_LARGE], 0);
}

static void
bulk_arrives_unchanged_where_splice_is_refused(void **state)
{
	(void)state;
	splice_refused = EINVAL;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_int_equal(spliced, 0);
	assert_true(path.relay.no_splice);
}

static void
bulk_arrives_unchanged_without_pipes(void **state)
{
	(void)state;
	pipes_refused = true;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_int_equal(spliced, 0);
}

/* Bulk, then single bytes, then bulk: a relay goes over to splice and back. */
static void
bulk_and_talk_may_take_turns(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	for (int i = 0; i < 3; i++) {
		size_t end = path.written + (2u << 20);

		spliced = 0;
		while (path.read < end) {
			produce(end);
			assert_int_equal(run(), RELAY_PARKED);
			consume(BULK);
		}
		assert_true(spliced > 0);
		for (int k = 0; k < 5; k++) {
			spliced = 0;
			produce(path.written + 10);
			while (path.read < path.written) {
				assert_int_equal(run(), RELAY_PARKED);
				consume(BULK);
			}
		}
		/* The first small piece was the last that went through a pipe. */
		assert_int_equal(spliced, 0);
		assert_false(piped_is_open(&path.relay.piped));
		assert_int_equal(path.bufs.in_use, 0);
	}
	close_far(&path.producer);
	run_until(RELAY_ENDED);
}

/* Until the producer can write no more, the relay having been stepped to the last. */
static void
stuff(size_t most)
{
	size_t before;

	do {
		before = path.written;
		produce(most);
		assert_int_equal(run(), RELAY_PARKED);
	} while (path.written != before);
}

/* What the relay itself holds. */
static size_t
held(void)
{
	return path.relay.piped.n + (path.relay.buf != NULL ? buf_len(path.relay.buf) : 0);
}

static void
consumer_that_takes_nothing_stops_the_producer(void **state)
{
	static const uint32_t ceilings[] = {TG_BUF_SMALL_BYTES, TG_BUF_LARGE_BYTES, CEILING};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t stuck;

		path.written = path.read = 0;
		path_open(i % 2 == 0 ? fake_pair_tcp : fake_pair_unix, NULL, ceilings[i]);
		stuff(BULK * 10);
		stuck = path.written;
		assert_true(stuck < BULK * 10);
		assert_true(held() <= ceilings[i]);
		assert_true(path.bufs.in_use <= 1);
		/* Nothing more is taken in while nothing goes out. */
		for (int k = 0; k < 100; k++)
			assert_int_equal(step(), RELAY_PARKED);
		assert_int_equal(path.written, stuck);
		/* It goes on by the reports alone, and all of it comes. */
		transfer(stuck, BULK);
		relay_fini(&path.relay, &path.bufs, &path.pipes);
		conn_close(&path.src);
		conn_close(&path.dst);
		close_far(&path.consumer);
	}
}

/* A producer that is never at a loss must not hold the worker. */
static void
fast_transfer_yields(void **state)
{
	static const int much = 1 << 20;
	const size_t least = 17u * TG_BUF_SMALL_BYTES;

	(void)state;
	path_open(fake_pair_unix, NULL, TG_BUF_SMALL_BYTES);
	setsockopt(path.producer, SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
	setsockopt(path.dst.fd, SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
	produce(BULK);
	if (path.written < least) {
		print_message("# socket buffers of %zu bytes are needed: net.core.wmem_max\n",
			      least);
		skip();
	}
	assert_int_equal(step(), RELAY_AGAIN);
	assert_in_range(path.relay.bytes + held(), 15u * TG_BUF_SMALL_BYTES, least);
	run_until(RELAY_PARKED);
}

/* failures */

static void
reset_of_the_source_is_a_failure(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	run();
	fake_reset(path.producer);
	path.producer = -1;
	run_until(RELAY_SRC_FAILED);
	assert_int_equal(errno, ECONNRESET);
	assert_false(path.relay.ended);
	assert_int_equal(path.dst.flags & CONN_SHUT, 0);
}

/* While splicing, the kernel tells the reset to splice(2), and only once. */
static void
reset_of_the_source_while_splicing_is_not_an_end(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	/* Large pieces until splicing is how the relay reads. */
	while (spliced == 0 || path.read < path.written) {
		produce(path.written + 256u * 1024u);
		assert_int_equal(run(), RELAY_PARKED);
		consume(BULK);
	}
	fake_reset(path.producer);
	path.producer = -1;
	run_until(RELAY_SRC_FAILED);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(path.dst.flags & CONN_SHUT, 0);
	assert_int_not_equal(path.src.flags & CONN_FAILED, 0);
}

static void
reset_of_the_destination_is_a_failure(void **state)
{
	(void)state;
	for (int bulk = 0; bulk < 2; bulk++) {
		enum relay_result result = RELAY_PARKED;

		path.written = path.read = 0;
		path_open(fake_pair_tcp, NULL, CEILING);
		spliced = 0;
		while (bulk && (spliced == 0 || path.read < path.written)) {
			produce(path.written + 256u * 1024u);
			run();
			consume(BULK);
		}
		fake_reset(path.consumer);
		path.consumer = -1;
		while (result <= RELAY_AGAIN) {
			produce(path.written + (bulk ? 65536 : 1));
			result = run();
		}
		assert_int_equal(result, RELAY_DST_FAILED);
		assert_int_not_equal(path.dst.flags & CONN_BROKEN, 0);
		assert_int_equal(path.dst.flags & CONN_WRITABLE, 0);
		relay_fini(&path.relay, &path.bufs, &path.pipes);
		conn_close(&path.src);
		conn_close(&path.dst);
		close_far(&path.producer);
	}
}

static void
without_memory_nothing_is_read(void **state)
{
	char bytes[16];

	(void)state;
	path_open(fake_pair_unix, NULL, CEILING);
	fake_write(path.producer, "hello", 5);
	out_of_memory = true;
	assert_int_equal(step(), RELAY_NO_RESOURCE);
	out_of_memory = false;
	assert_int_equal(recv(path.src.fd, bytes, sizeof(bytes), MSG_PEEK), 5);
	run();
	assert_int_equal(recv(path.consumer, bytes, sizeof(bytes), 0), 5);
}

/* pipes */

static void
open_and_splice(void)
{
	path.written = path.read = 0;
	path_open(fake_pair_tcp, NULL, CEILING);
	stuff(BULK);
	assert_true(piped_is_open(&path.relay.piped));
}

static void
close_path(void)
{
	relay_fini(&path.relay, &path.bufs, &path.pipes);
	assert_false(piped_is_open(&path.relay.piped));
	conn_close(&path.src);
	conn_close(&path.dst);
	close_far(&path.producer);
	close_far(&path.consumer);
}

/* Bytes of one client must never come out at another. */
static void
pipe_that_still_holds_bytes_is_not_kept(void **state)
{
	(void)state;
	open_and_splice();
	assert_true(path.relay.piped.n > 0);
	close_path();
	assert_int_equal(path.pipes.n, 0);
	assert_int_equal(fake_count_fds(), path.fds + path.loop_fds);
}

static void
empty_pipe_is_kept_and_used_again(void **state)
{
	int kept;

	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	close_path();
	assert_int_equal(path.pipes.n, 1);
	kept = path.pipes.fds[0][0];
	open_and_splice();
	assert_int_equal(path.relay.piped.out, kept);
	assert_int_equal(path.pipes.n, 0);
}

/* Its owner may rest for hours. */
static void
what_rests_holds_no_pipe(void **state)
{
	(void)state;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_true(spliced > 0);
	assert_false(piped_is_open(&path.relay.piped));
	assert_int_equal(path.pipes.n, 1);
	assert_int_equal(path.pipes.n_open, 1);
}

static void
beyond_the_bound_bytes_are_copied(void **state)
{
	(void)state;
	path.pipes.max = 0;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_int_equal(spliced, 0);
	close_path();
	path.pipes.max = 1;
	path.written = path.read = 0;
	path_open(fake_pair_tcp, NULL, CEILING);
	transfer(BULK, BULK);
	assert_true(spliced > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_bytes_pass_and_leave_nothing_held),
		TEST(bytes_read_before_come_first),
		TEST(empty_first_buffer_is_given_back),
		TEST(end_is_passed_on_after_the_last_byte),
		TEST(bulk_arrives_unchanged_over_tcp_by_splice),
		TEST(bulk_arrives_unchanged_over_unix_sockets),
		TEST(bulk_arrives_unchanged_to_a_slow_consumer),
		TEST(bulk_arrives_unchanged_below_a_low_ceiling),
		TEST(bulk_arrives_unchanged_where_splice_is_refused),
		TEST(bulk_arrives_unchanged_without_pipes),
		TEST(bulk_and_talk_may_take_turns),
		TEST(consumer_that_takes_nothing_stops_the_producer),
		TEST(fast_transfer_yields),
		TEST(reset_of_the_source_is_a_failure),
		TEST(reset_of_the_source_while_splicing_is_not_an_end),
		TEST(reset_of_the_destination_is_a_failure),
		TEST(without_memory_nothing_is_read),
		TEST(pipe_that_still_holds_bytes_is_not_kept),
		TEST(empty_pipe_is_kept_and_used_again),
		TEST(what_rests_holds_no_pipe),
		TEST(beyond_the_bound_bytes_are_copied),
	};

	pattern_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
