/* sim/trace.c: lines of minutes, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/workload.h"

static struct workload load;
static struct err err;

static int
parse(const char *text)
{
	workload_fini(&load);
	err.text[0] = '\0';
	return workload_parse(text, strlen(text), "dir/day.csv", &load, &err);
}

static int
teardown(void **state)
{
	(void)state;
	workload_fini(&load);
	return 0;
}

static void
lines_are_minutes(void **state)
{
	(void)state;
	assert_int_equal(parse("# a comment\n0,60\n1,120\r\n\n2,30.5\n3,0\n5,6"), 0);
	assert_int_equal(load.n, 6);
	assert_true(load.step_us == 60000000);
	assert_true(load.rates[0] == 1 && load.rates[1] == 2 && load.rates[2] == 30.5 / 60);
	assert_true(load.rates[3] == 0 && load.rates[4] == 0 && load.rates[5] == 0.1);
	assert_string_equal(load.name, "day.csv");
	assert_true(workload_peak(&load) == 2 && workload_us(&load) == 360000000);
	/* The first one may have any number. */
	assert_int_equal(parse("1000,6\n1001,6\n"), 0);
	assert_int_equal(load.n, 2);
}

static void
times_may_be_dates(void **state)
{
	(void)state;
	assert_int_equal(parse("1998-06-30T23:59,6\n1998-07-01T00:00,12\n1998-07-01 00:02:00Z,18\n"), 0);
	assert_int_equal(load.n, 4);
	assert_true(load.rates[2] == 0);
	/* Over the end of a February, with and without a day that leaps. */
	assert_int_equal(parse("2000-02-28T23:59,1\n2000-02-29T00:00,1\n2000-03-01T00:00,1"), 0);
	assert_int_equal(load.n, 1442);
	assert_int_equal(parse("1900-01-01T00:00,1"), -TG_EINVAL);
	assert_int_equal(parse("2100-02-29T00:00,1"), -TG_EINVAL);
	assert_int_equal(parse("2099-12-31T23:59,1\n2100-01-01T00:00,1"), 0);
	assert_int_equal(load.n, 2);
}

static void
dates_may_have_a_zone(void **state)
{
	(void)state;
	assert_int_equal(parse("1998-07-01T00:59+02:00,6\n1998-07-01T01:00:00+0200,12\n1998-06-30T23:01Z,18\n"
			       "1998-06-30T17:32-05:30,24\n1998-06-30T22:03-01,30\n"),
			 0);
	assert_int_equal(load.n, 5);
	assert_int_equal(load.missing, 0);
	/* The night in which the clocks of Berlin went back. */
	assert_int_equal(parse("1998-10-25T02:59+02:00,6\n1998-10-25T02:00+01:00,12\n"), 0);
	assert_int_equal(load.n, 2);
}

static void
a_mark_and_a_header_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(parse("\xef\xbb\xbf" "0,60\n1,120\n"), 0);
	assert_int_equal(load.n, 2);
	assert_int_equal(parse("time,requests\n0,60\n1,120\n"), 0);
	assert_int_equal(load.n, 2);
	assert_int_equal(parse("\xef\xbb\xbf# a comment\nminute_start_utc,requests\r\n1998-06-30T23:59,6\r\n"), 0);
	assert_int_equal(load.n, 1);
	assert_int_equal(parse("time,requests\n"), -TG_EINVAL);
	assert_string_equal(err.text, "dir/day.csv: no line; allowed: lines of time,requests");
}

static void
what_is_left_out_is_counted(void **state)
{
	(void)state;
	assert_int_equal(parse("0,60\n1,60\n3,60\n10,60\n12,60\n"), 0);
	assert_int_equal(load.missing, 8);
	assert_int_equal(load.gap, 6);
	assert_int_equal(load.gap_line, 4);
	assert_int_equal(parse("0,60\n10081,60\n"), 0);
	assert_int_equal(load.gap, TG_TRACE_GAP_MAX);
}

#define TIMES "the number of a minute, or a minute as 1998-05-09T00:00, with Z, +02:00 or no zone"

static void
what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"", "dir/day.csv: no line; allowed: lines of time,requests"},
		{"# only\n", "dir/day.csv: no line; allowed: lines of time,requests"},
		{"0,1\nabc\n", "dir/day.csv:2: line \"abc\"; allowed: time,requests; comments begin with #"},
		{"0,1\n1,x\n", "dir/day.csv:2: requests \"x\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"0,-1\n", "dir/day.csv:1: requests \"-1\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"0,1e3\n", "dir/day.csv:1: requests \"1e3\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"0,1.\n", "dir/day.csv:1: requests \"1.\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"0,1000000001\n",
		 "dir/day.csv:1: requests \"1000000001\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"0,1,2\n", "dir/day.csv:1: requests \"1,2\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
		{"time,1\n", "dir/day.csv:1: time \"time\"; allowed: " TIMES},
		{"time,requests\ntime,requests\n", "dir/day.csv:2: time \"time\"; allowed: " TIMES},
		{"0,1\ntime,requests\n", "dir/day.csv:2: time \"time\"; allowed: " TIMES},
		{"1998-02-30T00:00,1\n", "dir/day.csv:1: time \"1998-02-30T00:00\"; allowed: " TIMES},
		{"1998-02-03T00:00+2,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+2\"; allowed: " TIMES},
		{"1998-02-03T00:00+24:00,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+24:00\"; allowed: " TIMES},
		{"1998-02-03T00:00+02:60,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+02:60\"; allowed: " TIMES},
		{"1998-02-03T00:00+02:,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+02:\"; allowed: " TIMES},
		{"1998-02-03T00:00+02000,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+02000\"; allowed: " TIMES},
		{"1998-02-03T00:00+02:0,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+02:0\"; allowed: " TIMES},
		{"1998-02-03T00:00+,1\n", "dir/day.csv:1: time \"1998-02-03T00:00+\"; allowed: " TIMES},
		{"1998-02-03T00:00:0,1\n", "dir/day.csv:1: time \"1998-02-03T00:00:0\"; allowed: " TIMES},
		{"1998-02-03T00:00:30,1\n", "dir/day.csv:1: time \"1998-02-03T00:00:30\"; allowed: whole minutes, as a "
					    "line is a minute: seconds of 00 or none"},
		{"1998-02-03T00:00:30+02:00,1\n", "dir/day.csv:1: time \"1998-02-03T00:00:30+02:00\"; allowed: whole "
						  "minutes, as a line is a minute: seconds of 00 or none"},
		{"0,60\n10082,60\n", "dir/day.csv:2: time \"10082\"; allowed: at most a week (10080 minutes) left out before "
				     "it; minutes in which nothing came are lines too"},
		{"5,1\n5,1\n", "dir/day.csv:2: time \"5\"; allowed: later than that of the line before"},
		{"5,1\n4,1\n", "dir/day.csv:2: time \"4\"; allowed: later than that of the line before"},
		{"5,1\n1998-02-03T00:00,1\n", "dir/day.csv:2: time \"1998-02-03T00:00\"; allowed: of one kind in "
					      "all lines, numbers or dates"},
		{"0,1\n4194304,1\n",
		 "dir/day.csv:2: time \"4194304\"; allowed: 4194303 minutes behind the first line at most"},
		{"0,\x01\x80\n", "dir/day.csv:1: requests \"??\"; allowed: a number from 0 to 1e9, as 42 or 0.5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i].text), -TG_EINVAL);
		assert_string_equal(err.text, rows[i].error);
		assert_null(load.rates);
	}
	assert_int_equal(workload_read("/nowhere/trace.csv", &load, &err), -TG_ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/trace.csv"));
}

static void
a_load_is_scaled_by_its_peak_and_cut(void **state)
{
	(void)state;
	assert_int_equal(parse("0,60\n1,120\n2,30\n"), 0);
	workload_scale(&load, 100);
	assert_true(load.rates[0] == 50 && load.rates[1] == 100 && load.rates[2] == 25);
	workload_cut(&load, 120);
	assert_int_equal(load.n, 2);
	workload_cut(&load, 3600);
	assert_int_equal(load.n, 2);
	workload_cut(&load, 1);
	assert_int_equal(load.n, 1);
	assert_int_equal(parse("0,0\n"), 0);
	workload_scale(&load, 100);
	assert_true(load.rates[0] == 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_minutes),
		cmocka_unit_test(times_may_be_dates),
		cmocka_unit_test(dates_may_have_a_zone),
		cmocka_unit_test(a_mark_and_a_header_are_passed_over),
		cmocka_unit_test(what_is_left_out_is_counted),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_load_is_scaled_by_its_peak_and_cut),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, teardown);
}
