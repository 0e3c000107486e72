/* sim/baseline_aws.c: target tracking as its documents have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/baselines.h"
#include "unit/autoscale/snapshots.h"

enum { OUT = 0, IN };

static void
set_minutes(struct world *w, uint32_t window, uint32_t n, double least, double most, double last)
{
	w->windows[window].metrics[TG_METRIC_CPU] = (struct tg_figure){
		.n = n, .first = most, .last = last, .mean = last, .min = least, .max = most};
}

/* The last three minutes, and the last fifteen. */
static void
start(struct world *w, double target, uint32_t n)
{
	const struct conf_setting settings[] = {NUMBER("target", target)};

	world_init(w, &baseline_aws, settings, 1, n);
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

/* Three periods of a minute above the target: in proportion, rounded up so that there is enough. */
static void
three_minutes_scale_out(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.5, 10);
	set_minutes(&w, OUT, 3, 0.55, 0.62, 0.62);
	set_minutes(&w, IN, 15, 0.2, 0.62, 0.62);
	assert_int_equal(desired(&w), 13);
	/* One of them is not. */
	set_minutes(&w, OUT, 3, 0.5, 0.62, 0.62);
	assert_int_equal(desired(&w), 10);
	/* There are only two yet. */
	set_minutes(&w, OUT, 2, 0.6, 0.62, 0.62);
	assert_int_equal(desired(&w), 10);
}

/* Fifteen below nine tenths of it. */
static void
fifteen_minutes_scale_in(void **state)
{
	struct world w;

	(void)state;
	start(&w, 0.5, 10);
	set_minutes(&w, OUT, 3, 0.3, 0.32, 0.31);
	set_minutes(&w, IN, 15, 0.3, 0.44, 0.31);
	assert_int_equal(desired(&w), 7);
	set_minutes(&w, IN, 15, 0.3, 0.45, 0.31);
	assert_int_equal(desired(&w), 10);
	set_minutes(&w, IN, 14, 0.3, 0.44, 0.31);
	assert_int_equal(desired(&w), 10);
}

/* "does not perform scaling when the specified metric has insufficient data" */
static void
no_data_scales_nothing(void **state)
{
	uint32_t spans[TG_WINDOWS_MAX];
	struct world w;

	(void)state;
	start(&w, 0.5, 10);
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 10);
	/* What was asked for and is not there yet is not given up. */
	set_minutes(&w, OUT, 3, 0.6, 0.62, 0.62);
	w.in.snapshot.ready = 5;
	w.in.snapshot.pending = 5;
	assert_int_equal(desired(&w), 10);
	/* Three points, a minute apart: two such spans, and not three. */
	assert_int_equal(module_windows(&baseline_aws, w.values, spans), 2);
	assert_int_equal(spans[OUT], 150000);
	assert_int_equal(spans[IN], 870000);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_minutes_scale_out),
		cmocka_unit_test(fifteen_minutes_scale_in),
		cmocka_unit_test(no_data_scales_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
