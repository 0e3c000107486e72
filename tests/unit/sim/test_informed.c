/* sim/informed.c: dearer than who knows all, cheaper than who knows less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/informed.h"
#include "sim/optimum.h"
#include "sim/rng.h"
#include "unit/sanitized.h"
#include "unit/sim/scenes.h"

#define STEPS SIZES(160u, 124u)

static const struct informed_setup at_once = {.penalty = 100, .has_clock = true};
static const struct informed_setup without_clock = {.penalty = 100};
static const struct informed_setup late = {.penalty = 100, .late_us = 8000000};

/* One of two rates in each step, by chance. */
static void
make_scene(struct scene *s, double low, double high)
{
	double rates[STEPS];
	struct rng rng;

	rng_init(&rng, 3, 1);
	for (size_t i = 0; i < STEPS; i++)
		rates[i] = rng_below(&rng, 2) ? high : low;
	scene_make(s, rates, STEPS);
	s->world.service_us = 400000;
	s->world.objective_us = 2000000;
	s->max = SIZES(8, 5);
}

static struct figures
run(const struct scene *s, const struct informed_setup *setup)
{
	struct informed *f;
	struct figures figures;
	struct err err;

	if (informed_new(s, setup, &f, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(informed_run(f, NULL, &figures, &err), 0);
	informed_free(f);
	return figures;
}

static double
optimum_cost(const struct scene *s)
{
	struct figures figures;
	struct optimum *o;
	struct err err;

	assert_int_equal(optimum_new(s, s->penalty, &o, &err), 0);
	assert_int_equal(optimum_run(o, NULL, &figures, &err), 0);
	optimum_free(o);
	return figures.cost;
}

static uint64_t
ask_interval(void *user)
{
	(void)user;
	return 1000000;
}

static int
ask_same(void *user, struct world *w, uint32_t *ret_desired, struct err *err)
{
	(void)w;
	(void)err;
	*ret_desired = *(uint32_t *)user;
	return 0;
}

static double
least_fixed_cost(const struct scene *s)
{
	static const struct run_ops same = {.interval_us = ask_interval, .decide = ask_same};
	double best = INFINITY;

	for (uint32_t n = 1; n <= s->max; n++) {
		struct figures figures;
		struct err err;

		assert_int_equal(run_scene(s, &same, &n, n, NULL, &figures, &err), 0);
		best = figures.cost < best ? figures.cost : best;
	}
	return best;
}

static void
who_knows_more_pays_less(void **state)
{
	struct scene s;
	double all;
	double step;
	double clockless;
	double later;

	(void)state;
	make_scene(&s, 15, 82);
	all = optimum_cost(&s);
	step = run(&s, &at_once).cost;
	clockless = run(&s, &without_clock).cost;
	later = run(&s, &late).cost;
	assert_true(all < step && step < clockless && clockless <= later * 1.001);
	assert_true(later <= least_fixed_cost(&s) * 1.001);
	scene_fini(&s);
}

/* Spare for a start delay before a step, and none in the middle of one. */
static void
a_clock_is_used(void **state)
{
	struct informed_choice choice;
	struct informed *f;
	struct scene s;
	struct err err;
	size_t step = 50;

	(void)state;
	make_scene(&s, 15, 82);
	while (s.load.rates[step] > 25)
		step++;
	assert_int_equal(informed_new(&s, &at_once, &f, &err), 0);
	choice = informed_choose(f, step, 2);
	assert_int_equal(choice.during, 1);
	assert_true(choice.behind >= 4);
	informed_free(f);
	assert_int_equal(informed_new(&s, &without_clock, &f, &err), 0);
	choice = informed_choose(f, step, 2);
	assert_true(choice.during == choice.behind);
	informed_free(f);
	informed_free(NULL);
	scene_fini(&s);
}

static void
what_stays_the_same_is_left_alone(void **state)
{
	struct figures figures;
	struct scene s;

	(void)state;
	make_scene(&s, 50, 50);
	figures = run(&s, &at_once);
	assert_int_equal(figures.changes, 0);
	assert_true(figures.cost < optimum_cost(&s) * 1.001);
	scene_fini(&s);
}

/* Where the next rate has nothing to do with the last one the level is a long mean; else it is the last one. */
static void
levels_are_what_forecasts_best(void **state)
{
	double rates[STEPS];
	struct informed *f;
	struct scene s;
	struct err err;

	(void)state;
	make_scene(&s, 15, 82);
	assert_int_equal(informed_new(&s, &at_once, &f, &err), 0);
	assert_true(informed_share(f) < 0.2);
	assert_true(informed_level(f, STEPS - 1) > 30 && informed_level(f, STEPS - 1) < 68);
	informed_free(f);
	scene_fini(&s);
	for (size_t i = 0; i < STEPS; i++)
		rates[i] = i / 40 % 2 ? 390 : 90;
	scene_make(&s, rates, STEPS);
	assert_int_equal(informed_new(&s, &at_once, &f, &err), 0);
	assert_true(informed_share(f) == 1);
	assert_true(informed_level(f, 41) == 390);
	informed_free(f);
	scene_fini(&s);
}

static void
what_is_too_short_is_refused(void **state)
{
	const double few[] = {10, 20, 30};
	struct informed *f;
	struct scene s;
	struct err err;

	(void)state;
	make_scene(&s, 15, 82);
	s.world.start_us = 28000000;
	assert_int_equal(informed_new(&s, &late, &f, &err), -TG_EINVAL);
	assert_string_equal(err.text, "informed: a step of the load, 60 s, is shorter than two start delays and "
				      "--notice; allowed: less, or a trace by minutes");
	s.world.start_us = 15000000;
	s.max = 1024;
	s.load.rates[7] = 90000;
	assert_int_equal(informed_new(&s, &at_once, &f, &err), -TG_ELIMIT);
	assert_non_null(strstr(err.text, "--scale"));
	scene_fini(&s);
	scene_make(&s, few, 3);
	assert_int_equal(informed_new(&s, &at_once, &f, &err), -TG_EINVAL);
	assert_string_equal(err.text, "informed: 2 steps to learn from; allowed: 120 or more");
	scene_fini(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_more_pays_less),
		cmocka_unit_test(a_clock_is_used),
		cmocka_unit_test(what_stays_the_same_is_left_alone),
		cmocka_unit_test(levels_are_what_forecasts_best),
		cmocka_unit_test(what_is_too_short_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
