/* sim/baseline_nomad.c: the examples of the Nomad Autoscaler's own documents and tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/baselines.h"
#include "unit/autoscale/snapshots.h"

enum { METRIC = 0, COOLDOWN };

static void
start_target(struct world *w, double target, uint32_t n, double cpu)
{
	const struct conf_setting settings[] = {NUMBER("target", target)};

	world_init(w, &baseline_nomad_target, settings, 1, n);
	world_set(w, METRIC, TG_METRIC_CPU, cpu);
	world_set(w, COOLDOWN, TG_METRIC_DESIRED, n);
}

static void
start_threshold(struct world *w, uint32_t n, double least, double most, uint32_t points)
{
	world_init(w, &baseline_nomad_threshold, NULL, 0, n);
	w->windows[METRIC].metrics[TG_METRIC_CPU] = (struct tg_figure){
		.n = points, .first = least, .last = most, .mean = (least + most) / 2, .min = least, .max = most};
	world_set(w, COOLDOWN, TG_METRIC_DESIRED, n);
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

/* "Target Value Strategy Plugin": 10 instances at 80 % of a target of 70 % become 12. */
static void
the_factor_of_the_documentation(void **state)
{
	struct world w;

	(void)state;
	start_target(&w, 0.7, 10, 0.8);
	assert_int_equal(desired(&w), 12);
	/* plugin_test.go of target-value: 2 at 13 of 10 become 3; at 2 of 10 they become 1. */
	start_target(&w, 0.1, 2, 0.13);
	assert_int_equal(desired(&w), 3);
	start_target(&w, 0.1, 2, 0.02);
	assert_int_equal(desired(&w), 1);
	/* "threshold (float: 0.01)" */
	start_target(&w, 0.5, 10, 0.504);
	assert_int_equal(desired(&w), 10);
	start_target(&w, 0.5, 10, 0.506);
	assert_int_equal(desired(&w), 11);
	start_target(&w, 0.5, 10, NAN);
	w.windows[METRIC].metrics[TG_METRIC_CPU].n = 0;
	assert_true(world_propose(&w).is_unsure);
}

/* "cooldown": no action for five minutes after one. */
static void
nothing_happens_in_a_cooldown(void **state)
{
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	start_target(&w, 0.7, 10, 0.95);
	w.windows[COOLDOWN].metrics[TG_METRIC_DESIRED].min = 9;
	assert_int_equal(desired(&w), 10);
	start_target(&w, 0.7, 10, 0.2);
	w.windows[COOLDOWN].metrics[TG_METRIC_DESIRED].max = 12;
	assert_int_equal(desired(&w), 10);
	assert_int_equal(module_windows(&baseline_nomad_target, w.values, spans), 2);
	assert_int_equal(spans[METRIC], 60000);
	assert_int_equal(spans[COOLDOWN], 300000);
}

/* "Threshold Strategy Plugin": delta 1 at or above a bound, -1 below another; five points must be there. */
static void
five_points_within_bounds(void **state)
{
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	start_threshold(&w, 4, 0.7, 0.9, 5);
	assert_int_equal(desired(&w), 5);
	/* lower_bound is inclusive, upper_bound is exclusive. */
	start_threshold(&w, 4, 0.69, 0.9, 5);
	assert_int_equal(desired(&w), 4);
	start_threshold(&w, 4, 0.1, 0.34, 5);
	assert_int_equal(desired(&w), 3);
	start_threshold(&w, 4, 0.1, 0.35, 5);
	assert_int_equal(desired(&w), 4);
	start_threshold(&w, 4, 0.7, 0.9, 4);
	assert_true(world_propose(&w).is_unsure);
	/* Five points, ten seconds apart: four such spans, and not five. */
	assert_int_equal(module_windows(&baseline_nomad_threshold, w.values, spans), 2);
	assert_int_equal(spans[METRIC], 45000);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_factor_of_the_documentation),
		cmocka_unit_test(nothing_happens_in_a_cooldown),
		cmocka_unit_test(five_points_within_bounds),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
