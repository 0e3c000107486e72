#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "health/verdict.h"

#define RISE 2u
#define FALL 3u

static struct mono
at(uint64_t seconds)
{
	return (struct mono){.us = seconds * 1000000u};
}

static bool
step(struct verdict *v, bool passed, uint64_t seconds)
{
	return verdict_step(v, RISE, FALL, passed, at(seconds));
}

static void
first_pass_is_enough_to_go_up(void **state)
{
	struct verdict v = {0};

	(void)state;
	verdict_restart(&v, at(1));
	assert_int_equal(v.state, TG_HEALTH_CHECKING);
	assert_true(step(&v, true, 2));
	assert_int_equal(v.state, TG_HEALTH_UP);
	assert_int_equal(v.since.us, at(2).us);
}

static void
first_failure_is_enough_to_stay_out(void **state)
{
	struct verdict v = {0};

	(void)state;
	assert_true(step(&v, false, 2));
	assert_int_equal(v.state, TG_HEALTH_DOWN);
	assert_int_equal(v.downs, 0);
}

static void
up_needs_rise_passes_in_a_row(void **state)
{
	struct verdict v = {0};

	(void)state;
	step(&v, false, 1);
	assert_false(step(&v, true, 2));
	assert_false(step(&v, false, 3));
	assert_false(step(&v, true, 4));
	assert_int_equal(v.state, TG_HEALTH_DOWN);
	assert_true(step(&v, true, 5));
	assert_int_equal(v.state, TG_HEALTH_UP);
}

static void
down_needs_fall_failures_in_a_row(void **state)
{
	struct verdict v = {0};

	(void)state;
	step(&v, true, 1);
	assert_false(step(&v, false, 2));
	assert_false(step(&v, false, 3));
	assert_false(step(&v, true, 4));
	assert_false(step(&v, false, 5));
	assert_false(step(&v, false, 6));
	assert_int_equal(v.state, TG_HEALTH_UP);
	assert_true(step(&v, false, 7));
	assert_int_equal(v.state, TG_HEALTH_DOWN);
	assert_int_equal(v.downs, 1);
}

static void
one_of_each_when_rise_and_fall_are_one(void **state)
{
	struct verdict v = {0};

	(void)state;
	for (uint64_t i = 1; i < 20; i++)
		assert_true(verdict_step(&v, 1, 1, i % 2 == 0, at(i)));
}

static void
time_down_adds_up(void **state)
{
	struct verdict v = {0};

	(void)state;
	step(&v, false, 10);
	assert_int_equal(verdict_down_us(&v, at(12)), 2000000);
	step(&v, true, 13);
	step(&v, true, 14);
	assert_int_equal(verdict_down_us(&v, at(20)), 4000000);
	step(&v, false, 21);
	step(&v, false, 22);
	step(&v, false, 23);
	assert_int_equal(verdict_down_us(&v, at(24)), 5000000);
}

static void
restart_asks_anew_and_keeps_the_history(void **state)
{
	struct verdict v = {0};

	(void)state;
	step(&v, true, 1);
	for (uint64_t i = 2; i < 5; i++)
		step(&v, false, i);
	assert_int_equal(v.downs, 1);
	step(&v, true, 5);
	verdict_restart(&v, at(6));
	assert_int_equal(v.state, TG_HEALTH_CHECKING);
	assert_int_equal(v.downs, 1);
	assert_int_equal(verdict_down_us(&v, at(9)), 2000000);
	assert_true(step(&v, true, 7));
}

static void
force_needs_no_check(void **state)
{
	struct verdict v = {0};

	(void)state;
	verdict_force(&v, TG_HEALTH_UP, at(1));
	assert_int_equal(v.state, TG_HEALTH_UP);
	verdict_force(&v, TG_HEALTH_UP, at(2));
	assert_int_equal(v.since.us, at(1).us);
}

static void
states_have_words(void **state)
{
	(void)state;
	assert_string_equal(backend_health_str(TG_HEALTH_CHECKING), "checking");
	assert_string_equal(backend_health_str(TG_HEALTH_UP), "up");
	assert_string_equal(backend_health_str(TG_HEALTH_DOWN), "down");
	assert_string_equal(backend_health_str(TG_BACKEND_HEALTH_COUNT), "?");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_pass_is_enough_to_go_up),
		cmocka_unit_test(first_failure_is_enough_to_stay_out),
		cmocka_unit_test(up_needs_rise_passes_in_a_row),
		cmocka_unit_test(down_needs_fall_failures_in_a_row),
		cmocka_unit_test(one_of_each_when_rise_and_fall_are_one),
		cmocka_unit_test(time_down_adds_up),
		cmocka_unit_test(restart_asks_anew_and_keeps_the_history),
		cmocka_unit_test(force_needs_no_check),
		cmocka_unit_test(states_have_words),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
