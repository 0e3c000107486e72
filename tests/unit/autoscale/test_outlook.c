/* autoscale/outlook.c: what is learned of a service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "autoscale/outlook.h"

static int64_t
feed(struct outlook *o, int64_t from_ms, unsigned seconds, double rate)
{
	for (unsigned i = 0; i < seconds; i++) {
		from_ms += 1000;
		outlook_put(o, from_ms, rate, 0.1);
	}
	return from_ms;
}

static double
signal_of(const struct outlook *o, enum tg_signal signal)
{
	struct tg_outlook now;

	outlook_now(o, &now);
	return now.signals[signal];
}

static void
nothing_is_known_at_first(void **state)
{
	struct outlook *o = outlook_new();
	struct tg_outlook now;

	(void)state;
	outlook_put(o, 1000, 100, NAN);
	outlook_now(o, &now);
	for (unsigned i = 0; i < TG_SIGNAL_COUNT; i++)
		assert_true(isnan(now.signals[i]));
	assert_true(isnan(now.start_s.value) && now.start_s.n == 0);
	assert_true(isnan(now.service_s.value));
	assert_true(isnan(now.forecast.value));
	outlook_free(o);
}

static void
a_step_is_seen_at_once_and_chance_is_not(void **state)
{
	struct outlook *o = outlook_new();
	int64_t ms = feed(o, 1000, 100, 100);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		ms = feed(o, ms, 1, i % 2 == 0 ? 90 : 110);
	assert_true(fabs(signal_of(o, TG_SIGNAL_NOW) - 100) < 3);
	ms = feed(o, ms, 1, 300);
	assert_float_equal(signal_of(o, TG_SIGNAL_NOW), 300, 0.001);
	feed(o, ms, 1, 20);
	assert_true(signal_of(o, TG_SIGNAL_NOW) < 30);
	outlook_free(o);
}

static void
signals_look_back_as_long_as_they_say(void **state)
{
	struct outlook *o = outlook_new();
	int64_t ms = feed(o, 1000, 300, 100);

	(void)state;
	ms = feed(o, ms, 120, 400);
	ms = feed(o, ms, 100, 100);
	assert_float_equal(signal_of(o, TG_SIGNAL_NOW), 100, 1);
	assert_float_equal(signal_of(o, TG_SIGNAL_PEAK_1), 100, 1);
	assert_float_equal(signal_of(o, TG_SIGNAL_PEAK_3), 400, 1);
	assert_true(signal_of(o, TG_SIGNAL_MEAN_3) > 150 && signal_of(o, TG_SIGNAL_MEAN_3) < 350);
	assert_true(signal_of(o, TG_SIGNAL_MEAN_10) > 150 && signal_of(o, TG_SIGNAL_MEAN_10) < 250);
	feed(o, ms, 3600, 100);
	for (unsigned i = 0; i < TG_SIGNAL_COUNT; i++)
		assert_float_equal(signal_of(o, (enum tg_signal)i), 100, 1);
	outlook_free(o);
}

static double
sum(const double *shares)
{
	double all = 0;

	for (unsigned c = 0; c < TG_RATIOS; c++)
		all += shares[c];
	return all;
}

/* Of a load that is the same for minutes and then double or half. */
static void
what_followed_is_counted(void **state)
{
	struct outlook *o = outlook_new();
	int64_t ms = 1000;
	struct tg_history h;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		ms = feed(o, ms, 300, i % 2 == 0 ? 1000 : 2000);
	outlook_history(o, &h);
	for (unsigned k = 0; k < TG_SIGNAL_COUNT; k++) {
		assert_float_equal(sum(h.demand[k]), 1, 1e-9);
		assert_float_equal(sum(h.change[k]), 1, 1e-9);
	}
	assert_true(h.demand[TG_SIGNAL_NOW][outlook_class(1)] > 0.9);
	assert_true(h.demand[TG_SIGNAL_NOW][outlook_class(2)] > 0.001);
	/* Who looks back far enough has seen the higher one, and is above the load in the mean. */
	assert_true(h.demand[TG_SIGNAL_PEAK_10][outlook_class(2)] < 0.001);
	assert_float_equal(h.size_of[TG_SIGNAL_PEAK_10], 2000.0 / 1500, 0.05);
	assert_float_equal(h.size_of[TG_SIGNAL_NOW], 1, 0.05);
	outlook_free(o);
}

/* From -3 to 3 in standard deviations, near enough to a normal one. */
static double
draw_chance(uint32_t *state)
{
	double sum = 0;

	for (unsigned i = 0; i < 12; i++) {
		*state = *state * 1664525u + 1013904223u;
		sum += (double)(*state >> 8) / (1u << 24) - 0.5;
	}
	return sum;
}

/* Of a load that is steady: that its counts differ from second to second by as much as chance has it is none. */
static void
chance_is_no_change_of_the_load(void **state)
{
	struct outlook *o = outlook_new();
	uint32_t random = 1;
	int64_t ms = 1000;
	struct tg_history h;
	double more = 0;

	(void)state;
	for (unsigned i = 0; i < 5400; i++)
		ms = feed(o, ms, 1, 30 + sqrt(30) * draw_chance(&random));
	outlook_history(o, &h);
	for (unsigned c = outlook_class(1) + 1; c < TG_RATIOS; c++)
		more += h.demand[TG_SIGNAL_NOW][c];
	assert_true(more < 0.03);
	/* And as it is steady, minutes tell of it. */
	assert_true(fabs(signal_of(o, TG_SIGNAL_NOW) - 30) < 0.7);
	outlook_free(o);
}

static void
a_guess_stands_for_what_is_not_known(void **state)
{
	struct outlook *o = outlook_new();
	struct tg_history h;

	(void)state;
	feed(o, 1000, 5, 100);
	outlook_history(o, &h);
	assert_float_equal(sum(h.demand[TG_SIGNAL_NOW]), 1, 1e-9);
	assert_true(h.demand[TG_SIGNAL_NOW][outlook_class(2)] > 0);
	assert_true(h.n == 0);
	outlook_free(o);
}

static void
starts_are_measured_with_their_spread(void **state)
{
	static const double took[] = {14, 16, 15, 15, 14, 16, 15, 15};
	struct outlook *o = outlook_new();
	struct tg_outlook now;
	struct tg_history h;

	(void)state;
	outlook_started(o, 15);
	outlook_now(o, &now);
	assert_float_equal(now.start_s.value, 15, 0.001);
	assert_true(isnan(now.start_s.error));
	for (size_t i = 0; i < sizeof(took) / sizeof(took[0]); i++)
		outlook_started(o, took[i]);
	outlook_interval(o, 2);
	outlook_now(o, &now);
	outlook_history(o, &h);
	assert_float_equal(now.start_s.value, 15, 0.2);
	assert_true(now.start_s.error > 0.1 && now.start_s.error < 0.5);
	assert_float_equal(now.start_s.n, 9, 0.001);
	assert_float_equal(h.horizon_s, now.start_s.value + 3, 0.001);
	outlook_free(o);
}

static void
time_that_stands_still_counts_once(void **state)
{
	struct outlook *o = outlook_new();
	int64_t ms = feed(o, 1000, 60, 100);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		outlook_put(o, ms, 1e9, 0.1);
	outlook_put(o, ms - 5000, 1e9, 0.1);
	assert_float_equal(signal_of(o, TG_SIGNAL_NOW), 100, 1);
	/* A time of which nothing is known is none without load. */
	outlook_put(o, ms + 1000, NAN, NAN);
	assert_float_equal(signal_of(o, TG_SIGNAL_NOW), 100, 1);
	outlook_free(o);
}

static void
classes_cover_all_ratios(void **state)
{
	(void)state;
	assert_int_equal(outlook_class(0), 0);
	assert_int_equal(outlook_class(1e9), TG_RATIOS - 1);
	for (unsigned c = 0; c < TG_RATIOS; c++)
		assert_int_equal(outlook_class(outlook_ratio(c)), c);
	assert_string_equal(tg_signal_str(TG_SIGNAL_NOW), "now");
	assert_string_equal(tg_signal_str(TG_SIGNAL_COUNT), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first),
		cmocka_unit_test(a_step_is_seen_at_once_and_chance_is_not),
		cmocka_unit_test(signals_look_back_as_long_as_they_say),
		cmocka_unit_test(what_followed_is_counted),
		cmocka_unit_test(chance_is_no_change_of_the_load),
		cmocka_unit_test(a_guess_stands_for_what_is_not_known),
		cmocka_unit_test(starts_are_measured_with_their_spread),
		cmocka_unit_test(time_that_stands_still_counts_once),
		cmocka_unit_test(classes_cover_all_ratios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
