/* autoscale/forecast.c: a level, a trend, and the time of day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "autoscale/forecast.h"

#define PART_S (TG_FORECAST_PART_MS / 1000)

/* Low at night, high by day, as two lines. */
static double
day(int64_t ms)
{
	double at = (double)(ms % 86400000) / 86400000;

	return at < 0.5 ? 100 + 800 * at : 900 - 800 * at;
}

static int64_t
feed(struct forecast *f, int64_t from_ms, int64_t parts, double (*rate)(int64_t ms))
{
	int64_t ms = from_ms;

	for (int64_t i = 0; i < parts * 10; i++) {
		ms += TG_FORECAST_PART_MS / 10;
		forecast_put(f, ms, rate(ms), (double)PART_S / 10);
	}
	return ms;
}

static double
flat(int64_t ms)
{
	(void)ms;
	return 50;
}

static double
rising(int64_t ms)
{
	return (double)ms / TG_FORECAST_PART_MS;
}

static double
wild(int64_t ms)
{
	return ms / TG_FORECAST_PART_MS % 2 == 0 ? 10 : 100;
}

static void
nothing_is_known_at_first(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 8, flat);

	(void)state;
	assert_true(isnan(forecast_at(&f, ms)));
	assert_true(isnan(forecast_error(&f)));
}

static void
what_stays_is_expected_to_stay(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 40, flat);

	(void)state;
	assert_float_equal(forecast_at(&f, ms + 60000), 50, 0.001);
	assert_float_equal(forecast_error(&f), 0, 0.001);
	assert_false(forecast_has_season(&f));
}

static void
a_trend_goes_on(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 200, rising);

	(void)state;
	assert_true(forecast_at(&f, ms + TG_FORECAST_PART_MS) > 197);
	assert_true(forecast_at(&f, ms + 2 * TG_FORECAST_PART_MS) > forecast_at(&f, ms + TG_FORECAST_PART_MS));
}

static void
the_time_of_day_is_learned_in_two_days(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 5 * TG_FORECAST_PARTS, day);

	(void)state;
	assert_true(forecast_has_season(&f));
	assert_true(forecast_error(&f) < 0.03);
	for (int64_t ahead = 1; ahead < 12; ahead++) {
		int64_t at = ms + ahead * TG_FORECAST_PART_MS;

		assert_true(fabs(forecast_at(&f, at) - day(at)) < 0.05 * day(at));
	}
}

static void
a_bad_forecast_says_so(void **state)
{
	struct forecast f = {.n = 0};

	(void)state;
	feed(&f, 0, 100, wild);
	assert_true(forecast_error(&f) > 0.3);
}

/* What is missing is not zero: without a day it begins anew, with one it keeps that. */
static void
a_gap_is_no_load(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 40, flat);

	(void)state;
	ms = feed(&f, ms + 3600000, 2, flat);
	assert_true(isnan(forecast_at(&f, ms)));
	ms = feed(&f, ms, 5 * TG_FORECAST_PARTS, day);
	ms = feed(&f, ms + 3600000, 2, day);
	assert_true(forecast_has_season(&f));
	assert_true(fabs(forecast_at(&f, ms) - day(ms)) < 0.2 * day(ms));
}

static void
rates_that_are_not_known_are_left_out(void **state)
{
	struct forecast f = {.n = 0};
	int64_t ms = feed(&f, 0, 40, flat);

	(void)state;
	forecast_put(&f, ms + 1000, NAN, 1);
	forecast_put(&f, ms + 2000, 1e6, 0);
	assert_float_equal(forecast_at(&f, ms + 3000), 50, 0.001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first),
		cmocka_unit_test(what_stays_is_expected_to_stay),
		cmocka_unit_test(a_trend_goes_on),
		cmocka_unit_test(the_time_of_day_is_learned_in_two_days),
		cmocka_unit_test(a_bad_forecast_says_so),
		cmocka_unit_test(a_gap_is_no_load),
		cmocka_unit_test(rates_that_are_not_known_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
