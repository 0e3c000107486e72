/* autoscale/schedule.c: when a schedule holds, daylight saving included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "autoscale/schedule.h"
#include "base/zone.h"

#define BERLIN "Europe/Berlin"

static struct schedule *
make(const char *start, const char *end, const char *zone)
{
	const struct conf_schedule conf = {.start = (char *)(uintptr_t)start,
					   .end = (char *)(uintptr_t)end,
					   .timezone = (char *)(uintptr_t)zone,
					   .min = 3};
	struct schedule *s;
	struct err err;

	if (schedule_new(&conf, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void
expect(const struct schedule *s, int64_t at, bool holds)
{
	if (schedule_holds(s, (struct wall){.us = (uint64_t)at * 1000000}) != holds)
		fail_msg("at %lld", (long long)at);
}

static int64_t
utc(int32_t year, unsigned month, unsigned day, unsigned hour, unsigned minute)
{
	return zone_days(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void
working_days_hold(void **state)
{
	struct schedule *s = make("0 8 * * mon-fri", "0 18 * * mon-fri", "UTC");

	(void)state;
	/* 2026-11-26 is a Thursday. */
	expect(s, utc(2026, 11, 26, 7, 59) + 59, false);
	expect(s, utc(2026, 11, 26, 8, 0), true);
	expect(s, utc(2026, 11, 26, 17, 59) + 59, true);
	expect(s, utc(2026, 11, 26, 18, 0), false);
	expect(s, utc(2026, 11, 28, 12, 0), false);
	expect(s, utc(2026, 11, 30, 8, 0), true);
	assert_int_equal(schedule_min(s), 3);
	schedule_free(s);
}

static void
what_ends_another_day_holds_over_night(void **state)
{
	struct schedule *s = make("0 22 * * fri", "30 6 * * mon", "UTC");

	(void)state;
	expect(s, utc(2026, 11, 27, 21, 59), false);
	expect(s, utc(2026, 11, 27, 22, 0), true);
	expect(s, utc(2026, 11, 29, 12, 0), true);
	expect(s, utc(2026, 11, 30, 6, 29), true);
	expect(s, utc(2026, 11, 30, 6, 30), false);
	schedule_free(s);
}

static void
leap_days_come(void **state)
{
	struct schedule *s = make("0 0 29 2 *", "0 0 1 3 *", "UTC");

	(void)state;
	expect(s, utc(2028, 2, 29, 0, 0), true);
	expect(s, utc(2028, 3, 1, 0, 0), false);
	expect(s, utc(2096, 12, 1, 0, 0), false);
	/* 2100 has none: the next one is eight years away. */
	expect(s, utc(2097, 2, 28, 12, 0), false);
	expect(s, utc(2104, 2, 29, 12, 0), true);
	schedule_free(s);
	/* Eight years back it began, and nothing ended it. */
	s = make("0 0 29 2 *", "0 0 28 2 *", "UTC");
	expect(s, utc(2097, 2, 27, 0, 0), true);
	expect(s, utc(2097, 3, 1, 0, 0), false);
	schedule_free(s);
}

/* Whichever of the two comes more often. */
static void
what_came_last_counts(void **state)
{
	struct schedule *s = make("0 8 * * *", "0 18 * * fri", "UTC");

	(void)state;
	expect(s, utc(2026, 11, 27, 17, 0), true);
	expect(s, utc(2026, 11, 27, 18, 0), false);
	expect(s, utc(2026, 11, 28, 7, 59), false);
	expect(s, utc(2026, 11, 28, 8, 0), true);
	schedule_free(s);
	s = make("0 8 * * *", "0 8 * * *", "UTC");
	expect(s, utc(2026, 11, 28, 8, 0), false);
	schedule_free(s);
}

/* The last Sunday of March: at 2:00 it is 3:00. */
static void
a_clock_that_jumps_skips_nothing(void **state)
{
	struct schedule *s;

	(void)state;
	if (access(TG_ZONE_FOLDER "/" BERLIN, R_OK) < 0)
		skip(); /* tzdata is missing */
	s = make("30 2 * * *", "0 12 * * *", BERLIN);
	expect(s, utc(2026, 3, 28, 1, 29), false);
	expect(s, utc(2026, 3, 28, 1, 30), true);
	/* 2:30 is not there: 3:00 summer time, which is 1:00 UTC, is next. */
	expect(s, utc(2026, 3, 29, 0, 59) + 59, false);
	expect(s, utc(2026, 3, 29, 1, 0), true);
	expect(s, utc(2026, 3, 29, 9, 59), true);
	expect(s, utc(2026, 3, 29, 10, 0), false);
	expect(s, utc(2026, 3, 30, 0, 29), false);
	expect(s, utc(2026, 3, 30, 0, 30), true);
	schedule_free(s);
}

/* The last Sunday of October: 3:00 is 2:00 again. */
static void
a_time_that_comes_twice_counts_once(void **state)
{
	struct schedule *s;

	(void)state;
	if (access(TG_ZONE_FOLDER "/" BERLIN, R_OK) < 0)
		skip(); /* tzdata is missing */
	s = make("0 2 * * *", "30 2 * * *", BERLIN);
	expect(s, utc(2026, 10, 24, 23, 59), false);
	expect(s, utc(2026, 10, 25, 0, 0), true);
	expect(s, utc(2026, 10, 25, 0, 30), false);
	expect(s, utc(2026, 10, 25, 1, 0), false);
	expect(s, utc(2026, 10, 25, 1, 15), false);
	expect(s, utc(2026, 10, 26, 1, 15), true);
	schedule_free(s);
	/* Winter time is an hour later by the sun. */
	s = make("0 8 * * *", "0 9 * * *", BERLIN);
	expect(s, utc(2026, 10, 24, 6, 30), true);
	expect(s, utc(2026, 10, 25, 6, 30), false);
	expect(s, utc(2026, 10, 25, 7, 30), true);
	schedule_free(s);
}

static void
the_greatest_of_all_counts(void **state)
{
	struct conf_schedule list[] = {
		{.start = (char *)(uintptr_t)"0 8 * * *", .end = (char *)(uintptr_t)"0 18 * * *",
		 .timezone = (char *)(uintptr_t)"UTC", .min = 4},
		{.start = (char *)(uintptr_t)"0 12 * * *", .end = (char *)(uintptr_t)"0 13 * * *",
		 .timezone = (char *)(uintptr_t)"UTC", .min = 9},
	};
	const struct conf_autoscale conf = {.schedules = list, .n_schedules = 2};
	struct schedules *all;
	struct err err;

	(void)state;
	assert_int_equal(schedules_new(&conf, &all, &err), 0);
	assert_int_equal(schedules_min(all, 1, (struct wall){.us = (uint64_t)utc(2026, 1, 1, 7, 0) * 1000000}), 1);
	assert_int_equal(schedules_min(all, 1, (struct wall){.us = (uint64_t)utc(2026, 1, 1, 9, 0) * 1000000}), 4);
	assert_int_equal(schedules_min(all, 6, (struct wall){.us = (uint64_t)utc(2026, 1, 1, 9, 0) * 1000000}), 6);
	assert_int_equal(schedules_min(all, 1, (struct wall){.us = (uint64_t)utc(2026, 1, 1, 12, 0) * 1000000}), 9);
	schedules_free(all);
	list[1].timezone = (char *)(uintptr_t)"Nowhere";
	assert_int_equal(schedules_new(&conf, &all, &err), -TG_ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(working_days_hold),
		cmocka_unit_test(what_ends_another_day_holds_over_night),
		cmocka_unit_test(leap_days_come),
		cmocka_unit_test(what_came_last_counts),
		cmocka_unit_test(a_clock_that_jumps_skips_nothing),
		cmocka_unit_test(a_time_that_comes_twice_counts_once),
		cmocka_unit_test(the_greatest_of_all_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
