/* Buckets of times: every bound, and what readers sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/histogram.h"

#define LAST (TG_SEGMENT_BUCKETS - 1)

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

/* As the bounds say it. */
static unsigned
bucket_by_search(uint64_t us)
{
	unsigned i = 0;

	while (us > histogram_bounds_us[i])
		i++;
	return i;
}

static void
bounds_go_from_100_us_to_60_s(void **state)
{
	(void)state;
	assert_int_equal(histogram_bounds_us[0], 100);
	assert_int_equal(histogram_bounds_us[LAST - 1], 60000000);
	assert_true(histogram_bounds_us[LAST] == UINT64_MAX);
	for (unsigned i = 1; i < LAST; i++)
		assert_true(histogram_bounds_us[i] >= 2 * histogram_bounds_us[i - 1]);
}

static void
every_value_finds_its_bucket(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 300000; us++)
		assert_int_equal(histogram_bucket(us), bucket_by_search(us));
	for (unsigned i = 0; i < LAST; i++) {
		assert_int_equal(histogram_bucket(histogram_bounds_us[i] - 1), i);
		assert_int_equal(histogram_bucket(histogram_bounds_us[i]), i);
		assert_int_equal(histogram_bucket(histogram_bounds_us[i] + 1), i + 1);
	}
	for (unsigned i = 0; i < 64; i++) {
		uint64_t power = UINT64_C(1) << i;

		assert_int_equal(histogram_bucket(power), bucket_by_search(power));
		assert_int_equal(histogram_bucket(power - 1), bucket_by_search(power - 1));
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), LAST);
}

static void
readers_sum_workers_and_buckets(void **state)
{
	struct segment *seg = *state;
	struct histogram h;

	histogram_add(&segment_histograms(seg, 0, 2)->h[TG_HISTOGRAM_TOTAL], 90);
	histogram_add(&segment_histograms(seg, 1, 2)->h[TG_HISTOGRAM_TOTAL], 100);
	histogram_add(&segment_histograms(seg, 1, 2)->h[TG_HISTOGRAM_TOTAL], 2000);
	histogram_add(&segment_histograms(seg, 1, 2)->h[TG_HISTOGRAM_TOTAL], 61000000);
	h = histogram_sum(seg, 2, TG_HISTOGRAM_TOTAL);
	assert_int_equal(h.buckets[0], 2);
	assert_int_equal(h.buckets[3], 2);
	assert_int_equal(h.buckets[4], 3);
	assert_int_equal(h.buckets[LAST - 1], 3);
	assert_int_equal(h.buckets[LAST], 4);
	assert_int_equal(h.sum_us, 61002190);
	h = histogram_read(seg, 0, 2, TG_HISTOGRAM_TOTAL);
	assert_int_equal(h.buckets[LAST], 1);
	assert_int_equal(h.sum_us, 90);
	h = histogram_sum(seg, 2, TG_HISTOGRAM_QUEUE);
	assert_int_equal(h.buckets[LAST], 0);
	h = histogram_sum(seg, 1, TG_HISTOGRAM_TOTAL);
	assert_int_equal(h.buckets[LAST], 0);
}

static void
percentiles_are_linear_inside_their_bucket(void **state)
{
	static const uint64_t bounds[] = {10, 20, 40, UINT64_MAX};
	static const uint64_t none[] = {0, 0, 0, 0};
	static const uint64_t even[] = {100, 200, 200, 200};
	static const uint64_t slow[] = {0, 0, 98, 100};
	static const uint64_t torn[] = {5, 3, 10, 9}; /* read while they were written */

	(void)state;
	assert_int_equal(histogram_percentile_us(bounds, none, 4, 990), 0);
	assert_int_equal(histogram_percentile_us(bounds, even, 4, 0), 0);
	assert_int_equal(histogram_percentile_us(bounds, even, 4, 250), 5);
	assert_int_equal(histogram_percentile_us(bounds, even, 4, 500), 10);
	assert_int_equal(histogram_percentile_us(bounds, even, 4, 750), 15);
	assert_int_equal(histogram_percentile_us(bounds, even, 4, 1000), 20);
	assert_int_equal(histogram_percentile_us(bounds, slow, 4, 490), 30);
	assert_int_equal(histogram_percentile_us(bounds, slow, 4, 980), 40);
	assert_true(histogram_percentile_us(bounds, slow, 4, 990) == UINT64_MAX);
	for (unsigned i = 0; i <= 1000; i++)
		assert_true(histogram_percentile_us(bounds, torn, 4, i) <= 40);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_go_from_100_us_to_60_s),
		cmocka_unit_test(every_value_finds_its_bucket),
		cmocka_unit_test(percentiles_are_linear_inside_their_bucket),
		cmocka_unit_test_setup_teardown(readers_sum_workers_and_buckets, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
