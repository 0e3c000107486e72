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

enum { METRIC = 0, COOLDOWN, BEFORE };

#define POINTS 6 /* of a minute, one each 10 s */

static void
start_target(struct world *w, double target, uint32_t n, double cpu)
{
	const struct conf_setting settings[] = {NUMBER("target", target)};

	world_init(w, &baseline_nomad_target, settings, 1, n);
	world_set(w, METRIC, TG_METRIC_CPU, cpu);
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

/* The looks of a minute, one after the other; what the last one proposes. What was proposed before is in a window, as
 * the history has it: of more than it reaches over, the oldest counts for nothing. */
static uint32_t
look_at(struct world *w, const struct conf_setting *settings, size_t n_settings, uint32_t n, const double *points)
{
	struct tg_proposal p = {.desired = 0};
	double sum = 0;

	for (unsigned i = 0; i < POINTS; i++) {
		world_init(w, &baseline_nomad_threshold, settings, n_settings, n);
		world_set(w, METRIC, TG_METRIC_CPU, points[i]);
		world_set(w, COOLDOWN, TG_METRIC_DESIRED, n);
		if (isnan(points[i]))
			w->windows[METRIC].metrics[TG_METRIC_CPU].n = 0;
		w->windows[BEFORE].metrics[TG_METRIC_PROPOSED] = (struct tg_figure){.n = i, .mean = i > 0 ? sum / i : NAN};
		p = world_propose(w);
		assert_true(p.has_raw);
		sum += p.raw;
	}
	return p.desired;
}

#define LOOK_AT(w, settings, n, ...)                                                               \
	look_at(w, settings, sizeof(settings) / sizeof((settings)[0]), n, (const double[POINTS]){__VA_ARGS__})

/* plugin_test.go of threshold, with its tens as tenths: within 5 and 20, by 1 up and down. */
static void
points_are_counted_in_the_window(void **state)
{
	const struct conf_setting above[] = {NUMBER("upper", 0.5), NUMBER("lower", 0)};
	const struct conf_setting below[] = {NUMBER("upper", 1), NUMBER("lower", 0.2)};
	const struct conf_setting one[] = {NUMBER("upper", 0.5), NUMBER("lower", 0), NUMBER("within_bounds_trigger", 1)};
	struct world w;

	(void)state;
	/* "delta scale up", "delta scale down" */
	assert_int_equal(LOOK_AT(&w, above, 1, 1, 1, 1, 1, 1, 1), 2);
	assert_int_equal(LOOK_AT(&w, below, 1, .1, .1, .1, .1, .1, .1), 0);
	/* "not enough metrics within bounds", "custom trigger value" */
	assert_int_equal(LOOK_AT(&w, above, 1, 1, 0, 0, 0, 0, 0), 1);
	assert_int_equal(LOOK_AT(&w, one, 1, 1, 0, 0, 0, 0, 0), 2);
	/* withinBounds() counts: five of the six, wherever the sixth is, the last one too. */
	assert_int_equal(LOOK_AT(&w, above, 4, 1, 1, 0, 1, 1, 1), 5);
	assert_int_equal(LOOK_AT(&w, above, 4, 1, 1, 1, 1, 1, 0), 5);
	assert_int_equal(LOOK_AT(&w, above, 4, 1, 1, 0, 1, 1, 0), 4);
	assert_int_equal(LOOK_AT(&w, below, 4, .1, .9, .1, .1, .1, .1), 3);
	/* A minute without a point of each look. */
	assert_int_equal(LOOK_AT(&w, above, 4, NAN, 1, 1, 1, 1, 1), 5);
	assert_int_equal(LOOK_AT(&w, above, 4, NAN, NAN, 1, 1, 1, 1), 4);
}

/* "This value is always inclusive" of lower_bound, "always exclusive" of upper_bound. */
static void
bounds_are_as_documented(void **state)
{
	const struct conf_setting none[] = {NUMBER("upper", 0.7)};
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	assert_int_equal(LOOK_AT(&w, none, 4, .7, .7, .7, .7, .7, .5), 5);
	assert_int_equal(LOOK_AT(&w, none, 4, .69, .7, .7, .7, .7, .5), 4);
	assert_int_equal(LOOK_AT(&w, none, 4, .34, .34, .34, .34, .34, .5), 3);
	assert_int_equal(LOOK_AT(&w, none, 4, .35, .34, .34, .34, .34, .5), 4);
	/* The point of now, the cooldown, the five before it. */
	assert_int_equal(module_windows(&baseline_nomad_threshold, w.values, spans), 3);
	assert_int_equal(spans[METRIC], 5000);
	assert_int_equal(spans[COOLDOWN], 300000);
	assert_int_equal(spans[BEFORE], 50000);
	/* Of a full history the one at the begin of the window has no weight. */
	w.windows[BEFORE].metrics[TG_METRIC_PROPOSED] = (struct tg_figure){.n = POINTS, .mean = 0.8};
	world_set(&w, METRIC, TG_METRIC_CPU, 0.7);
	assert_int_equal(desired(&w), 5);
	world_set(&w, METRIC, TG_METRIC_CPU, 0.5);
	assert_int_equal(desired(&w), 4);
	/* What was counted in a cooldown counts behind it. */
	world_set(&w, METRIC, TG_METRIC_CPU, 0.7);
	w.windows[COOLDOWN].metrics[TG_METRIC_DESIRED].min = 3;
	assert_int_equal(desired(&w), 4);
	assert_int_equal(world_propose(&w).raw, 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_factor_of_the_documentation),
		cmocka_unit_test(nothing_happens_in_a_cooldown),
		cmocka_unit_test(points_are_counted_in_the_window),
		cmocka_unit_test(bounds_are_as_documented),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
