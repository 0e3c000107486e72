#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* The linker sends malloc() here: no memory when the test says so. */
static bool out_of_memory;
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *
__wrap_malloc(size_t n)
{
	return out_of_memory ? NULL : __real_malloc(n);
}

static const uint32_t bytes_of[TG_BUF_SIZE_COUNT] = {
	[TG_BUF_HEAD] = TG_BUF_HEAD_BYTES,
	[TG_BUF_SMALL] = TG_BUF_SMALL_BYTES,
	[TG_BUF_LARGE] = TG_BUF_LARGE_BYTES,
};

static int
setup(void **state)
{
	static struct buf_pool pool;

	buf_pool_init(&pool, NULL);
	*state = &pool;
	return 0;
}

static int
teardown(void **state)
{
	struct buf_pool *pool = *state;

	if (pool->in_use != 0)
		return -1;
	buf_pool_fini(pool);
	return 0;
}

/* Appends n bytes that count up from `first`. */
static void
fill(struct buf *b, uint32_t n, unsigned char first)
{
	for (uint32_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)(first + i);

		assert_true(buf_append(b, &c, 1));
	}
}

static void
assert_counts_up(struct buf *b, uint32_t n, unsigned char first)
{
	assert_int_equal(buf_len(b), n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(buf_data(b)[i], (unsigned char)(first + i));
}

static void
each_size_is_empty_and_usable_to_its_last_byte(void **state)
{
	for (int i = 0; i < TG_BUF_SIZE_COUNT; i++) {
		struct buf *b = buf_get(*state, (enum buf_size)i);

		assert_non_null(b);
		assert_int_equal(b->size, i);
		assert_int_equal(b->cap, bytes_of[i]);
		assert_int_equal(buf_len(b), 0);
		assert_int_equal(buf_room(b), bytes_of[i]);
		assert_int_equal(buf_is_large(b), i == TG_BUF_LARGE);
		memset(b->bytes, 0xa5, b->cap);
		buf_put(*state, &b);
		assert_null(b);
	}
}

static void
size_for_is_the_least_that_holds(void **state)
{
	static const struct {
		size_t n;
		enum buf_size size;
	} cases[] = {
		{0, TG_BUF_HEAD},
		{1, TG_BUF_HEAD},
		{TG_BUF_HEAD_BYTES, TG_BUF_HEAD},
		{TG_BUF_HEAD_BYTES + 1, TG_BUF_SMALL},
		{TG_BUF_SMALL_BYTES, TG_BUF_SMALL},
		{TG_BUF_SMALL_BYTES + 1, TG_BUF_LARGE},
		{TG_BUF_LARGE_BYTES, TG_BUF_LARGE},
		{TG_BUF_LARGE_BYTES + 1, TG_BUF_LARGE},
		{SIZE_MAX, TG_BUF_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(buf_size_for(cases[i].n), cases[i].size);
}

static void
put_takes_nothing(void **state)
{
	struct buf *none = NULL;

	buf_put(*state, &none);
	assert_null(none);
}

static void
hottest_comes_first_and_starts_over(void **state)
{
	struct buf *a = buf_get(*state, TG_BUF_SMALL);
	struct buf *b = buf_get(*state, TG_BUF_SMALL);
	struct buf *last = b;

	fill(b, 100, 0);
	buf_consume(b, 10);
	buf_put(*state, &a);
	buf_put(*state, &b);
	a = buf_get(*state, TG_BUF_SMALL);
	assert_ptr_equal(a, last);
	assert_int_equal(buf_len(a), 0);
	assert_int_equal(buf_room(a), TG_BUF_SMALL_BYTES);
	buf_put(*state, &a);
}

static void
sizes_do_not_mix(void **state)
{
	struct buf *small = buf_get(*state, TG_BUF_SMALL);
	struct buf *large;

	buf_put(*state, &small);
	large = buf_get(*state, TG_BUF_LARGE);
	assert_int_equal(large->cap, TG_BUF_LARGE_BYTES);
	buf_put(*state, &large);
	small = buf_get(*state, TG_BUF_SMALL);
	assert_int_equal(small->cap, TG_BUF_SMALL_BYTES);
	buf_put(*state, &small);
}

/* After a burst the pool holds a bounded number, not the burst. */
static void
free_ones_are_bounded(void **state)
{
	static struct buf *burst[20000];
	struct buf_pool *pool = *state;
	unsigned kept = 0;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 20000; i++) {
			burst[i] = buf_get(pool, TG_BUF_HEAD);
			assert_non_null(burst[i]);
		}
		assert_int_equal(pool->in_use, 20000);
		assert_int_equal(pool->n_free[TG_BUF_HEAD], 0);
		for (size_t i = 0; i < 20000; i++)
			buf_put(pool, &burst[i]);
		assert_int_equal(pool->in_use, 0);
		if (round == 0)
			kept = pool->n_free[TG_BUF_HEAD];
		assert_true(kept > 0 && kept < 20000);
		assert_int_equal(pool->n_free[TG_BUF_HEAD], kept);
	}
}

static void
consume_to_the_end_starts_over(void **state)
{
	struct buf *b = buf_get(*state, TG_BUF_HEAD);

	fill(b, 100, 7);
	buf_consume(b, 40);
	assert_counts_up(b, 60, 47);
	assert_int_equal(buf_room(b), TG_BUF_HEAD_BYTES - 100);
	buf_consume(b, 0);
	assert_counts_up(b, 60, 47);
	buf_consume(b, 60);
	assert_int_equal(buf_len(b), 0);
	assert_int_equal(buf_room(b), TG_BUF_HEAD_BYTES);
	buf_put(*state, &b);
}

static void
compact_keeps_the_bytes_and_gives_all_room(void **state)
{
	struct buf *b = buf_get(*state, TG_BUF_HEAD);

	fill(b, TG_BUF_HEAD_BYTES, 3);
	assert_int_equal(buf_room(b), 0);
	buf_compact(b);
	assert_counts_up(b, TG_BUF_HEAD_BYTES, 3);
	buf_consume(b, 1);
	buf_compact(b);
	assert_counts_up(b, TG_BUF_HEAD_BYTES - 1, 4);
	assert_int_equal(buf_room(b), 1);
	assert_int_equal(b->r, 0);
	buf_put(*state, &b);
}

static void
append_is_all_or_nothing(void **state)
{
	struct buf *b = buf_get(*state, TG_BUF_HEAD);
	static const unsigned char more[TG_BUF_HEAD_BYTES + 1];

	assert_false(buf_append(b, more, sizeof(more)));
	assert_int_equal(buf_len(b), 0);
	fill(b, 10, 0);
	assert_false(buf_append(b, more, TG_BUF_HEAD_BYTES - 9));
	assert_counts_up(b, 10, 0);
	assert_true(buf_append(b, more, TG_BUF_HEAD_BYTES - 10));
	assert_true(buf_append(b, more, 0));
	assert_false(buf_append(b, more, 1));
	assert_int_equal(buf_len(b), TG_BUF_HEAD_BYTES);
	buf_put(*state, &b);
}

static void
grow_carries_what_is_held(void **state)
{
	struct buf_pool *pool = *state;

	for (int size = TG_BUF_HEAD; size < TG_BUF_LARGE; size++) {
		struct buf *b = buf_get(pool, (enum buf_size)size);
		struct buf *same;

		fill(b, 200, 9);
		buf_consume(b, 50);
		assert_int_equal(buf_grow(pool, &b), 0);
		assert_true(buf_is_large(b));
		assert_counts_up(b, 150, 59);
		assert_int_equal(buf_room(b), TG_BUF_LARGE_BYTES - 150);
		assert_int_equal(pool->in_use, 1);
		same = b;
		assert_int_equal(buf_grow(pool, &b), 0);
		assert_ptr_equal(b, same);
		buf_put(pool, &b);
	}
}

static void
without_memory_nothing_is_lost(void **state)
{
	struct buf *small = buf_get(*state, TG_BUF_SMALL);
	struct buf *before = small;
	struct buf_pool *pool = *state;

	fill(small, 30, 1);
	out_of_memory = true;
	assert_null(buf_get(pool, TG_BUF_LARGE));
	assert_int_equal(buf_grow(pool, &small), -TG_ENOMEM);
	out_of_memory = false;
	assert_ptr_equal(small, before);
	assert_counts_up(small, 30, 1);
	assert_int_equal(pool->in_use, 1);
	buf_put(pool, &small);
}

static void
a_pool_tells_what_it_holds(void **state)
{
	static _Atomic uint64_t gauges[TG_BUF_GAUGE_COUNT];
	struct buf_pool pool;
	struct buf *b;

	(void)state;
	buf_pool_init(&pool, gauges);
	b = buf_get(&pool, TG_BUF_SMALL);
	assert_non_null(b);
	assert_int_equal(gauges[TG_BUF_GAUGE_USED + TG_BUF_SMALL], 1);
	assert_int_equal(gauges[TG_BUF_GAUGE_HELD + TG_BUF_SMALL], 1);
	assert_int_equal(buf_grow(&pool, &b), 0);
	assert_int_equal(gauges[TG_BUF_GAUGE_USED + TG_BUF_SMALL], 0);
	assert_int_equal(gauges[TG_BUF_GAUGE_HELD + TG_BUF_SMALL], 1);
	assert_int_equal(gauges[TG_BUF_GAUGE_USED + TG_BUF_LARGE], 1);
	buf_put(&pool, &b);
	assert_int_equal(gauges[TG_BUF_GAUGE_USED + TG_BUF_LARGE], 0);
	out_of_memory = true;
	assert_null(buf_get(&pool, TG_BUF_HEAD));
	out_of_memory = false;
	assert_int_equal(gauges[TG_BUF_GAUGE_FAILURES + TG_BUF_HEAD], 1);
	assert_int_equal(gauges[TG_BUF_GAUGE_HELD + TG_BUF_HEAD], 0);
	buf_pool_fini(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_size_is_empty_and_usable_to_its_last_byte,
						setup, teardown),
		cmocka_unit_test(size_for_is_the_least_that_holds),
		cmocka_unit_test_setup_teardown(put_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(hottest_comes_first_and_starts_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(sizes_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(free_ones_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(consume_to_the_end_starts_over, setup, teardown),
		cmocka_unit_test_setup_teardown(compact_keeps_the_bytes_and_gives_all_room, setup,
						teardown),
		cmocka_unit_test_setup_teardown(append_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(grow_carries_what_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_lost, setup, teardown),
		cmocka_unit_test(a_pool_tells_what_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
