/* sim/baseline_kpa.c: the examples of Knative's own documents and tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/baselines.h"
#include "unit/autoscale/snapshots.h"

enum { STABLE = 0, PANIC, STABLE_BEFORE };

#define IN_PANIC 1000000.0

/* Target `concurrency` for each pod, of which `utilization` is aimed at. */
static void
start(struct world *w, double concurrency, double utilization, uint32_t ready)
{
	const struct conf_setting settings[] = {NUMBER("concurrency", concurrency),
						NUMBER("utilization", utilization)};

	world_init(w, &baseline_kpa, settings, 2, ready);
	w->in.snapshot.max = 10000;
}

static void
observe(struct world *w, double stable, double panic)
{
	world_set(w, STABLE, TG_METRIC_IN_FLIGHT, stable);
	world_set(w, PANIC, TG_METRIC_IN_FLIGHT, panic);
}

/* The last look over the threshold is less than a stable window ago. */
static void
be_in_panic(struct world *w, double n)
{
	world_set(w, STABLE, TG_METRIC_PROPOSED, IN_PANIC + n);
	world_set(w, STABLE_BEFORE, TG_METRIC_PROPOSED, IN_PANIC + n);
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

/* "containerConcurrency 10, target utilization 70 %": 100 concurrent requests need 100 / 7 = 15 pods. */
static void
a_pod_has_seven_of_ten(void **state)
{
	struct world w;

	(void)state;
	start(&w, 10, 0.7, 10);
	observe(&w, 100, 100);
	assert_int_equal(desired(&w), 15);
	assert_false(world_propose(&w).is_unsure);
	/* Preset: 70 %, of what a backend gets at a time. */
	world_init(&w, &baseline_kpa, NULL, 0, 10);
	w.in.snapshot.concurrency = 10;
	observe(&w, 100, 100);
	assert_int_equal(desired(&w), 15);
}

/* autoscaler_test.go, TestAutoscalerStableModeIncrease and -Decrease: target 10. */
static void
stable_follows_the_target(void **state)
{
	struct world w;

	(void)state;
	start(&w, 10, 1, 8);
	observe(&w, 100, 100);
	assert_int_equal(desired(&w), 10);
	observe(&w, 50, 50);
	assert_int_equal(desired(&w), 5);
	/* In a stable window the panic window does not count below the threshold. */
	observe(&w, 50, 120);
	assert_int_equal(desired(&w), 5);
}

/* TestAutoscalerPanicModeExponentialTrackAndStablize: target 1; 6, 36, 216, 1296. */
static void
panic_follows_at_once(void **state)
{
	static const uint32_t ready[] = {1, 6, 36, 216};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(ready) / sizeof(ready[0]); i++) {
		start(&w, 1, 1, ready[i]);
		if (i > 0)
			be_in_panic(&w, ready[i]);
		observe(&w, ready[i] * 6, ready[i] * 6);
		assert_int_equal(desired(&w), ready[i] * 6);
		assert_int_equal(world_propose(&w).raw, (uint32_t)IN_PANIC + ready[i] * 6);
	}
	/* Twice is enough, less is not. */
	start(&w, 10, 1, 10);
	observe(&w, 100, 200);
	assert_int_equal(desired(&w), 20);
	observe(&w, 100, 190);
	assert_int_equal(desired(&w), 10);
}

/* TestAutoscalerPanicThenUnPanicScaleDown: 100 pods; the load is gone; a minute later it shrinks. */
static void
nothing_shrinks_in_a_panic(void **state)
{
	struct world w;

	(void)state;
	start(&w, 10, 1, 100);
	observe(&w, 1, 1);
	be_in_panic(&w, 100);
	assert_int_equal(desired(&w), 100);
	/* Over: at most half goes at once ("max-scale-down-rate: 2.0"). */
	world_set(&w, STABLE, TG_METRIC_PROPOSED, 100);
	world_set(&w, STABLE_BEFORE, TG_METRIC_PROPOSED, 100);
	assert_int_equal(desired(&w), 50);
	/* Its last look over the threshold slides out of the window first of one, then of the other. */
	world_set(&w, STABLE, TG_METRIC_PROPOSED, IN_PANIC + 100);
	assert_int_equal(desired(&w), 50);
}

/* The greatest number of a panic stays, and more is taken. */
static void
a_panic_only_grows(void **state)
{
	struct world w;

	(void)state;
	start(&w, 10, 1, 20);
	be_in_panic(&w, 30);
	w.in.snapshot.desired = 30;
	observe(&w, 100, 250);
	assert_int_equal(desired(&w), 30);
	observe(&w, 100, 400);
	assert_int_equal(desired(&w), 40);
	/* "max-scale-up-rate: 1000" */
	start(&w, 1, 1, 1);
	observe(&w, 5000, 5000);
	assert_int_equal(desired(&w), 1000);
}

static void
windows_are_a_minute_and_a_tenth_of_it(void **state)
{
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	start(&w, 10, 0.7, 1);
	assert_int_equal(module_windows(&baseline_kpa, w.values, spans), 3);
	assert_int_equal(spans[STABLE], 60000);
	assert_int_equal(spans[PANIC], 6000);
	assert_int_equal(spans[STABLE_BEFORE], 58000);
	/* A new one shrinks nothing before it has seen a window. */
	start(&w, 10, 1, 8);
	observe(&w, 10, 10);
	w.windows[STABLE].covered_ms = 10000;
	assert_int_equal(desired(&w), 8);
	/* "No data to scale on yet" */
	start(&w, 10, 1, 8);
	assert_true(world_propose(&w).is_unsure);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_has_seven_of_ten),
		cmocka_unit_test(stable_follows_the_target),
		cmocka_unit_test(panic_follows_at_once),
		cmocka_unit_test(nothing_shrinks_in_a_panic),
		cmocka_unit_test(a_panic_only_grows),
		cmocka_unit_test(windows_are_a_minute_and_a_tenth_of_it),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
