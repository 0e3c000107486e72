/* Small buckets of times: every bound, what readers sum, and how near a percentile comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "observe/spread.h"

#define LAST (TG_SEGMENT_SPREAD - 1)

static int
setup(void **state)
{
	struct segment *seg;
	int rc = segment_create(2, 4, TG_RING_SIZE_MIN, &seg, NULL);

	*state = seg;
	return rc;
}

static int
teardown(void **state)
{
	segment_close(*state);
	return 0;
}

static void
every_value_finds_its_bucket(void **state)
{
	uint64_t bound = 64;

	(void)state;
	assert_int_equal(spread_bucket(0), 0);
	assert_int_equal(spread_bucket(1), 0);
	for (unsigned i = 0; i < LAST; i++) {
		assert_int_equal(spread_bucket(bound - 1), i);
		assert_int_equal(spread_bucket(bound), i);
		assert_int_equal(spread_bucket(bound + 1), i + 1);
		bound = i % 2 == 0 ? bound + bound / 2 : bound + bound / 3;
	}
	assert_int_equal(spread_bucket(UINT64_C(536870912)), LAST - 1);
	assert_int_equal(spread_bucket(UINT64_MAX), LAST);
}

static void
readers_sum_workers_and_see_what_came_between(void **state)
{
	struct segment *seg = *state;
	struct spread before;
	struct spread now;

	before = spread_sum(seg, 2);
	assert_true(isnan(spread_percentile(&before, &before, 500)));
	for (unsigned i = 0; i < 50; i++) {
		spread_add(segment_spread(seg, 0, 2), 1000);
		spread_add(segment_spread(seg, 1, 2), 100000);
	}
	spread_add(segment_spread(seg, 1, 3), 1);
	now = spread_sum(seg, 2);
	assert_true(fabs(spread_percentile(&before, &now, 250) - 0.001) < 0.001 / 3);
	assert_true(fabs(spread_percentile(&before, &now, 990) - 0.1) < 0.1 / 3);
	/* What came before is none of it. */
	before = now;
	spread_add(segment_spread(seg, 1, 2), UINT64_C(7200000000));
	now = spread_sum(seg, 2);
	assert_true(spread_percentile(&before, &now, 500) == 536.870912);
}

static void
counts_go_round(void **state)
{
	struct segment *seg = *state;
	struct spread before;
	struct spread now;

	atomic_store(&segment_spread(seg, 0, 2)->n[8], UINT32_MAX);
	before = spread_sum(seg, 2);
	spread_add(segment_spread(seg, 0, 2), 1000);
	now = spread_sum(seg, 2);
	assert_int_equal(now.n[8], 0);
	assert_true(fabs(spread_percentile(&before, &now, 990) - 0.001) < 0.001 / 3);
}

/* Any one value is known to a third of itself. */
static void
percentiles_are_near(void **state)
{
	struct segment *seg = *state;

	for (uint64_t us = 65; us < UINT64_C(500000000); us += us / 7 + 1) {
		struct spread before = spread_sum(seg, 2);
		struct spread now;
		double p50;

		spread_add(segment_spread(seg, 0, 2), us);
		now = spread_sum(seg, 2);
		p50 = spread_percentile(&before, &now, 500) * 1e6;
		assert_true(fabs(p50 - (double)us) <= (double)us / 3);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(every_value_finds_its_bucket),
		CASE(readers_sum_workers_and_see_what_came_between),
		CASE(counts_go_round),
		CASE(percentiles_are_near),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
