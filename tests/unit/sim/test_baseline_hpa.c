/* sim/baseline_hpa.c: the examples of Kubernetes' own documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/baselines.h"
#include "unit/autoscale/snapshots.h"

static void
start(struct world *w, double target, uint32_t n, double cpu)
{
	const struct conf_setting settings[] = {NUMBER("target", target)};

	world_init(w, &baseline_hpa, settings, 1, n);
	for (uint32_t i = 0; i < n; i++)
		w->backends[i].cpu = cpu;
}

/* What was recommended in the last 300 s. */
static void
recommend(struct world *w, double least, double most)
{
	world_set(w, 0, TG_METRIC_PROPOSED, most);
	w->windows[0].metrics[TG_METRIC_PROPOSED].min = least;
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

static uint32_t
recommended(const struct world *w)
{
	return world_propose(w).raw;
}

static void
make_new(struct world *w, uint32_t i, uint32_t state)
{
	w->backends[i].state = state;
	w->backends[i].cpu = NAN;
	w->backends[i].since_ms = w->in.snapshot.now_ms - 5000;
}

/* "Horizontal Pod Autoscaling", algorithm details: 200m where 100m is wanted doubles, 50m halves. */
static void
the_ratio_of_the_documentation(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.1, 3, 0.2);
	assert_int_equal(desired(&w), 6);
	start(&w, 0.1, 4, 0.05);
	assert_int_equal(desired(&w), 2);
	/* kubernetes.io/blog, 2025-04-28: 50 replicas at 90 % of a target of 75 %. */
	start(&w, 0.75, 50, 0.9);
	assert_int_equal(desired(&w), 60);
}

/* "if the ratio is sufficiently close to 1.0 (within a tolerance, 0.1 by default)" */
static void
a_tenth_is_no_change(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.5, 10, 0.55);
	assert_int_equal(desired(&w), 10);
	start(&w, 0.5, 10, 0.56);
	assert_int_equal(desired(&w), 12);
	start(&w, 0.5, 10, 0.45);
	assert_int_equal(desired(&w), 10);
	start(&w, 0.5, 10, 0.44);
	assert_int_equal(desired(&w), 9);
}

/* replica_calculator_test.go, TestReplicaCalcScaleUp: 300, 500 and 700 of 1000 at a target of 30 %. */
static void
the_mean_counts(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.3, 3, 0);
	w.backends[0].cpu = 0.3;
	w.backends[1].cpu = 0.5;
	w.backends[2].cpu = 0.7;
	assert_int_equal(desired(&w), 5);
	/* TestReplicaCalcScaleDown: 100, 300, 500, 250 and 250 of 1000 at 50 %. */
	start(&w, 0.5, 5, 0.25);
	w.backends[0].cpu = 0.1;
	w.backends[1].cpu = 0.3;
	w.backends[2].cpu = 0.5;
	assert_int_equal(desired(&w), 3);
}

/* TestReplicaCalcScaleUpUnreadyLessScale: of three pods at 30 % the first is not ready; with it as nothing. */
static void
pods_that_are_not_ready_use_nothing(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.3, 3, 0);
	make_new(&w, 0, TG_BACKEND_STARTING);
	w.backends[1].cpu = 0.5;
	w.backends[2].cpu = 0.7;
	w.in.snapshot.ready = 2;
	w.in.snapshot.pending = 1;
	assert_int_equal(desired(&w), 4);
	/* TestReplicaCalcScaleUpUnreadyNoScale: two of three are not; the other at 1000 of 1000 of 80 %... */
	start(&w, 0.8, 3, 1);
	make_new(&w, 0, TG_BACKEND_STARTING);
	make_new(&w, 1, TG_BACKEND_READY);
	assert_int_equal(desired(&w), 3);
	/* Where it would shrink, they do not count: the one that is known halves. */
	start(&w, 0.5, 2, 0.2);
	make_new(&w, 1, TG_BACKEND_STARTING);
	assert_int_equal(recommended(&w), 1);
}

/* "missing metrics: 100 % where it would scale down, 0 % where it would scale up" */
static void
missing_metrics_hold_back(void **state)
{
	struct world w;

	(void)state;
	/* TestReplicaCalcMissingMetricsNoChangeLte: 1000 and none at 100 %... */
	start(&w, 1, 2, 1);
	w.backends[0].cpu = NAN;
	assert_int_equal(desired(&w), 2);
	/* ...ScaleUp: 2000 and none at 50 %: grows less. */
	start(&w, 0.5, 2, 0);
	w.backends[0].cpu = 1;
	w.backends[1].cpu = NAN;
	assert_int_equal(desired(&w), 2);
	/* Down: four at 10 % of 50 %, one without: (4 * 0.1 + 1) / 5 = 0.28, so 3 and not 1. */
	start(&w, 0.5, 5, 0.1);
	w.backends[4].cpu = NAN;
	assert_int_equal(recommended(&w), 3);
	/* None at all: nothing is decided. */
	start(&w, 0.5, 2, NAN);
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 2);
}

/* "stabilizationWindowSeconds: 300": the greatest recommendation of the window. */
static void
it_shrinks_to_the_most_of_five_minutes(void **state)
{
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	start(&w, 0.5, 10, 0.1);
	recommend(&w, 2, 8);
	assert_int_equal(desired(&w), 8);
	assert_int_equal(recommended(&w), 2);
	recommend(&w, 2, 2);
	assert_int_equal(desired(&w), 2);
	/* Never more than there are for it. */
	recommend(&w, 2, 50);
	assert_int_equal(desired(&w), 10);
	/* With the present one, made every 15 s, 300 s in all. */
	assert_int_equal(module_windows(&baseline_hpa, w.values, spans), 1);
	assert_int_equal(spans[0], 285000);
}

/* Defaults of behavior.scaleUp: the greater of 4 pods and 100 % in 15 s, and no stabilization. */
static void
it_grows_by_four_or_doubles(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.1, 2, 1);
	recommend(&w, 1, 2);
	assert_int_equal(desired(&w), 6);
	start(&w, 0.1, 20, 1);
	assert_int_equal(desired(&w), 40);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ratio_of_the_documentation),
		cmocka_unit_test(a_tenth_is_no_change),
		cmocka_unit_test(the_mean_counts),
		cmocka_unit_test(pods_that_are_not_ready_use_nothing),
		cmocka_unit_test(missing_metrics_hold_back),
		cmocka_unit_test(it_shrinks_to_the_most_of_five_minutes),
		cmocka_unit_test(it_grows_by_four_or_doubles),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
