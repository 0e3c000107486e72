#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ring.h"
#include "unit/sanitized.h"

#define SIZE TG_RING_SIZE_MIN

struct sides {
	struct ring_shared *shared;
	struct ring writer;
	struct ring reader;
};

static int
setup(void **state)
{
	static struct sides s;

	s.shared = aligned_alloc(64, ring_shared_bytes(SIZE));
	if (s.shared == NULL)
		return -1;
	memset(s.shared, 0, ring_shared_bytes(SIZE));
	*state = &s;
	return ring_attach(&s.writer, s.shared, SIZE) || ring_attach(&s.reader, s.shared, SIZE);
}

static int
teardown(void **state)
{
	struct sides *s = *state;

	ring_detach(&s->writer);
	ring_detach(&s->reader);
	free(s->shared);
	return 0;
}

static void
put(struct sides *s, const char *text)
{
	char *at = ring_reserve(&s->writer, 100);

	assert_non_null(at);
	assert_int_equal((uintptr_t)at % 8, 0);
	memcpy(at, text, strlen(text));
	ring_commit(&s->writer, (uint32_t)strlen(text));
}

static void
assert_next(struct sides *s, const char *text)
{
	uint32_t n = 0;
	const char *at = ring_peek(&s->reader, &n);

	assert_non_null(at);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(at, text, n);
	ring_next(&s->reader);
}

static void
records_come_out_in_order(void **state)
{
	struct sides *s = *state;
	uint32_t n;

	assert_null(ring_peek(&s->reader, &n));
	put(s, "first");
	put(s, "");
	put(s, "third record");
	assert_next(s, "first");
	assert_next(s, "");
	assert_next(s, "third record");
	assert_null(ring_peek(&s->reader, &n));
	ring_next(&s->reader); /* shows none: no effect */
	put(s, "fourth");
	assert_next(s, "fourth");
}

static void
unpublished_record_is_not_seen(void **state)
{
	struct sides *s = *state;
	uint32_t n;

	assert_non_null(ring_reserve(&s->writer, 8));
	assert_null(ring_peek(&s->reader, &n));
	put(s, "instead");
	assert_next(s, "instead");
}

static void
full_ring_drops_and_counts(void **state)
{
	struct sides *s = *state;
	unsigned put_in = 0;
	uint32_t n;

	while (ring_reserve(&s->writer, 1000) != NULL) {
		ring_commit(&s->writer, 1000);
		put_in++;
	}
	assert_in_range(put_in, SIZE / 1008 - 1, SIZE / 1008);
	assert_int_equal(ring_dropped(&s->reader), 1);
	assert_null(ring_reserve(&s->writer, TG_RING_RECORD_MAX + 1));
	assert_int_equal(ring_dropped(&s->reader), 2);
	for (unsigned i = 0; i < put_in; i++) {
		assert_non_null(ring_peek(&s->reader, &n));
		assert_int_equal(n, 1000);
		ring_next(&s->reader);
	}
	put(s, "room again");
	assert_next(s, "room again");
}

static void
record_of_every_size_survives_the_wrap(void **state)
{
	struct sides *s = *state;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t n = i * 7 % (TG_RING_RECORD_MAX + 1);
		uint32_t got;
		unsigned char *at = ring_reserve(&s->writer, n);
		const unsigned char *seen;

		assert_non_null(at);
		memset(at, (int)(i & 0xff), n);
		ring_commit(&s->writer, n);
		seen = ring_peek(&s->reader, &got);
		assert_non_null(seen);
		assert_int_equal(got, n);
		if (n > 0) {
			assert_int_equal(seen[0], i & 0xff);
			assert_int_equal(seen[n - 1], i & 0xff);
		}
		ring_next(&s->reader);
	}
	assert_int_equal(ring_dropped(&s->reader), 0);
}

static void
either_side_can_be_replaced(void **state)
{
	struct sides *s = *state;

	put(s, "one");
	put(s, "two");
	assert_next(s, "one");
	ring_detach(&s->reader);
	assert_int_equal(ring_attach(&s->reader, s->shared, SIZE), 0);
	assert_non_null(ring_reserve(&s->writer, 50)); /* dies before the commit */
	ring_detach(&s->writer);
	assert_int_equal(ring_attach(&s->writer, s->shared, SIZE), 0);
	put(s, "three");
	assert_next(s, "two");
	assert_next(s, "three");
}

static void
peeked_record_is_a_private_copy(void **state)
{
	struct sides *s = *state;
	uint32_t n;
	const char *seen;

	put(s, "record");
	seen = ring_peek(&s->reader, &n);
	assert_non_null(seen);
	memset(s->shared->bytes, 'x', 64);
	assert_memory_equal(seen, "record", 6);
}

static void
nonsense_empties_the_ring(void **state)
{
	static const uint64_t lengths[] = {
		TG_RING_RECORD_MAX + 1, UINT32_MAX, UINT64_MAX, 200, (uint64_t)1 << 40,
	};
	static const uint64_t heads[] = {UINT64_MAX, SIZE + 8, 3, (uint64_t)1 << 63};
	struct sides *s = *state;
	uint32_t n;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t at = s->writer.head % SIZE;

		put(s, "victim");
		memcpy(s->shared->bytes + at, &lengths[i], sizeof(lengths[i]));
		assert_null(ring_peek(&s->reader, &n));
		put(s, "after");
		assert_next(s, "after");
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		atomic_store(&s->shared->head, heads[i] + s->reader.tail);
		assert_null(ring_peek(&s->reader, &n));
		ring_detach(&s->writer);
		assert_int_equal(ring_attach(&s->writer, s->shared, SIZE), 0);
		put(s, "after");
		assert_next(s, "after");
	}
}

static void
nonsense_tail_makes_the_writer_drop(void **state)
{
	struct sides *s = *state;

	for (uint32_t i = 0; i < SIZE / 4096; i++) {
		if (ring_reserve(&s->writer, 4000) != NULL)
			ring_commit(&s->writer, 4000);
	}
	atomic_store(&s->shared->tail, s->writer.head + 8);
	assert_null(ring_reserve(&s->writer, 8000));
	assert_true(ring_dropped(&s->writer) > 0);
}

#define THREAD_RECORDS TURNS(200000u)

static void *
write_many(void *arg)
{
	struct sides *s = arg;

	for (uint32_t i = 0; i < THREAD_RECORDS;) {
		uint32_t n = 4 + i % 300;
		unsigned char *at = ring_reserve(&s->writer, n);

		if (at == NULL) {
			sched_yield();
			continue;
		}
		memset(at, (int)(i & 0xff), n);
		memcpy(at, &i, sizeof(i));
		ring_commit(&s->writer, n);
		i++;
	}
	return NULL;
}

static void
two_threads_agree(void **state)
{
	struct sides *s = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_many, s), 0);
	for (uint32_t i = 0; i < THREAD_RECORDS;) {
		uint32_t n;
		uint32_t number;
		const unsigned char *at = ring_peek(&s->reader, &n);

		if (at == NULL) {
			sched_yield();
			continue;
		}
		memcpy(&number, at, sizeof(number));
		assert_int_equal(number, i);
		assert_int_equal(n, 4 + i % 300);
		ring_next(&s->reader);
		i++;
	}
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_come_out_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(unpublished_record_is_not_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ring_drops_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(record_of_every_size_survives_the_wrap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(either_side_can_be_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(peeked_record_is_a_private_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_empties_the_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_tail_makes_the_writer_drop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(two_threads_agree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
