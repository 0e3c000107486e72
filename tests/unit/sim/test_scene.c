/* sim/scene.c: how many are needed, and how many wait too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "autoscale/erlang.h"
#include "unit/sim/scenes.h"

static void
tails_are_those_of_a_queue(void **state)
{
	const double rates[] = {80};
	double tails[8];
	struct scene s;

	(void)state;
	scene_make(&s, rates, 1);
	s.world.objective_us = 100000;
	scene_tails(&s, 80, 7, tails);
	assert_true(tails[0] == 1);
	assert_true(fabs(tails[1] - erlang_c(10, 8) * exp(-2)) < 1e-12);
	assert_true(fabs(tails[2] - erlang_c(20, 8) * exp(-12)) < 1e-12);
	scene_tails(&s, 100, 2, tails);
	assert_true(tails[1] == 1 && tails[2] < 1);
	scene_tails(&s, 0, 2, tails);
	assert_true(tails[0] == 0 && tails[1] == 0);
	/* Of any length: e to the minus a thousand is nothing. */
	s.world.objective_us = 100000000;
	scene_tails(&s, 80, 2, tails);
	assert_true(tails[1] == 0);
	scene_fini(&s);
}

static void
need_holds_the_objective_and_no_more(void **state)
{
	const double rates[] = {0, 10, 95, 99.5, 100, 500, 500, 950};
	struct scene s;

	(void)state;
	scene_make(&s, rates, 8);
	assert_int_equal(s.need[0], 1);
	assert_int_equal(s.need[1], 1);
	for (size_t i = 1; i < 8; i++) {
		double tails[20];

		scene_tails(&s, rates[i], 15, tails);
		assert_true(tails[s.need[i]] <= s.share);
		assert_true(s.need[i] == 1 || tails[s.need[i] - 1] > s.share);
	}
	assert_int_equal(s.need[4], 2);
	assert_int_equal(s.most, s.need[7]);
	scene_fini(&s);
}

static void
limits_hold(void **state)
{
	const double rates[] = {5000};
	struct scene s;
	struct err err;

	(void)state;
	scene_make(&s, rates, 1);
	free(s.need);
	s.max = 7;
	assert_int_equal(scene_init(&s, &err), 0);
	assert_int_equal(s.need[0], 7);
	assert_true(scene_penalty_s(&s) == 1);
	scene_fini(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails_are_those_of_a_queue),
		cmocka_unit_test(need_holds_the_objective_and_no_more),
		cmocka_unit_test(limits_hold),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
