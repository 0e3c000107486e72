/* sim/optimum.c: against the search of all there is, over backends running, pending and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "sim/optimum.h"
#include "sim/rng.h"
#include "unit/sim/scenes.h"

#define STEPS 6u
#define MOST  4u

/* All of it, as told: in a step `running` ones cost, and those that were asked for in it, which run in the next one;
 * any number of each may be asked for and taken away. */
struct search {
	const struct scene *s;
	double tails[STEPS][MOST + 1];
};

static double
least_cost(const struct search *search, size_t step, uint32_t running)
{
	const struct scene *s = search->s;
	double minute = 60;
	double now = running * minute +
		     s->load.rates[step] * minute * search->tails[step][running] * scene_penalty_s(s);
	double best = INFINITY;

	if (step + 1 == s->load.n)
		return now;
	for (uint32_t pending = 0; running + pending <= MOST; pending++) {
		for (uint32_t stops = 0; stops + s->min <= running + pending; stops++) {
			double cost = pending * (minute + s->per_switch) +
				      stops * ((double)s->world.service_us / 1e6 + s->per_switch) +
				      least_cost(search, step + 1, running + pending - stops);

			best = cost < best ? cost : best;
		}
	}
	return now + best;
}

static double
searched(const struct scene *s)
{
	struct search search = {.s = s};
	double best = INFINITY;

	for (size_t i = 0; i < s->load.n; i++)
		scene_tails(s, s->load.rates[i], MOST, search.tails[i]);
	for (uint32_t first = s->min; first <= MOST; first++)
		best = fmin(best, least_cost(&search, 0, first));
	return best;
}

static void
plan_costs_as_little_as_any(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 5, 1);
	for (unsigned round = 0; round < 40; round++) {
		double rates[STEPS];
		struct optimum *o;
		struct scene s;
		struct err err;

		for (unsigned i = 0; i < STEPS; i++)
			rates[i] = (double)rng_below(&rng, 350);
		scene_make(&s, rates, STEPS);
		s.max = MOST;
		s.world.start_us = 60000000;
		s.per_switch = round % 2 ? 7 : 0;
		s.penalty = round % 3 ? 5 : 100;
		assert_int_equal(optimum_new(&s, s.penalty, &o, &err), 0);
		assert_true(fabs(optimum_planned_s(o) - searched(&s)) < 1e-6);
		optimum_free(o);
		scene_fini(&s);
	}
}

/* A fall of a minute is not worth a start of fifteen seconds; one of an hour is. */
static void
short_falls_are_not_followed(void **state)
{
	double rates[200];
	const uint16_t *plan;
	struct optimum *o;
	struct scene s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < 200; i++)
		rates[i] = i == 20 || (i >= 60 && i < 120) ? 50 : 250;
	scene_make(&s, rates, 200);
	s.world.start_us = 300000000;
	assert_int_equal(optimum_new(&s, 100, &o, &err), 0);
	plan = optimum_plan(o);
	assert_true(plan[19] == plan[20] && plan[19] == 3);
	assert_int_equal(plan[90], 1);
	optimum_free(o);
	scene_fini(&s);
}

/* At each rise all is ready by then: next to nobody waits. */
static void
what_will_be_wanted_is_ready_by_then(void **state)
{
	const double rates[] = {50, 50, 450, 450, 50, 50, 450, 450};
	struct figures f;
	struct optimum *o;
	struct scene s;
	struct err err;

	(void)state;
	scene_make(&s, rates, 8);
	assert_int_equal(optimum_new(&s, 100, &o, &err), 0);
	assert_int_equal(optimum_run(o, NULL, &f, &err), 0);
	assert_true(f.requests > 110000 && f.beyond_percent < 0.3);
	assert_true(f.elasticity.tau_u < 1);
	assert_true(f.reversals > 0 && f.changes > 0);
	optimum_free(o);
	optimum_free(NULL);
	scene_fini(&s);
}

static void
too_much_is_refused(void **state)
{
	const double rates[] = {90000};
	struct optimum *o;
	struct scene s;
	struct err err;

	(void)state;
	scene_make(&s, rates, 1);
	s.max = 1024;
	s.load.n = TG_WORKLOAD_STEPS_MAX;
	s.load.step_us = 60000000;
	s.load.rates = realloc(s.load.rates, s.load.n * sizeof(double));
	assert_non_null(s.load.rates);
	for (size_t i = 0; i < s.load.n; i++)
		s.load.rates[i] = 90000;
	assert_int_equal(optimum_new(&s, 100, &o, &err), -TG_ELIMIT);
	assert_non_null(strstr(err.text, "--span"));
	scene_fini(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_costs_as_little_as_any),
		cmocka_unit_test(short_falls_are_not_followed),
		cmocka_unit_test(what_will_be_wanted_is_ready_by_then),
		cmocka_unit_test(too_much_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
