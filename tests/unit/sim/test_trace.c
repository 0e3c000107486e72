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
		{"time,requests\n",
		 "dir/day.csv:1: time \"time\"; allowed: the number of a minute, or a minute as 1998-05-09T00:00"},
		{"1998-02-30T00:00,1\n", "dir/day.csv:1: time \"1998-02-30T00:00\"; allowed: the number of a "
					 "minute, or a minute as 1998-05-09T00:00"},
		{"1998-02-03T00:00:30,1\n", "dir/day.csv:1: time \"1998-02-03T00:00:30\"; allowed: the number of "
					    "a minute, or a minute as 1998-05-09T00:00"},
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
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_load_is_scaled_by_its_peak_and_cut),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, teardown);
}
