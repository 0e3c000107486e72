/* autoscale/target.c: ratios, missing figures, windows, rates; as HPA v2 and Knative do them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/history.h"
#include "unit/autoscale/snapshots.h"

enum { STABLE = 0, PANIC, UP, DOWN, UP_RATE, DOWN_RATE };

#define N(s) (sizeof(s) / sizeof((s)[0]))

static const char *
why_wrong(const struct conf_setting *settings, size_t n)
{
	static struct err err;
	struct tg_value values[TG_OPTIONS_MAX];
	size_t bad;

	assert_int_equal(module_values(&autoscale_target, settings, n, values, &bad, &err),
			 -TG_EINVAL);
	return err.text;
}

static void
options_must_go_together(void **state)
{
	const struct conf_setting no_target[] = {TEXT("metric", "cpu")};
	const struct conf_setting no_metric[] = {NUMBER("target", 1)};
	const struct conf_setting both[] = {TEXT("metric", "cpu"), NUMBER("target", 1),
					    NUMBER("cpu", 0.5)};
	const struct conf_setting too_much[] = {TEXT("metric", "memory"), NUMBER("target", 70)};
	const struct conf_setting windows[] = {NUMBER("cpu", 0.5), TEXT("panic_window", "2m")};

	(void)state;
	assert_string_equal(why_wrong(no_target, N(no_target)),
			    "target is missing: metric and target go together");
	assert_string_equal(why_wrong(no_metric, N(no_metric)),
			    "metric is missing: metric and target go together");
	assert_string_equal(why_wrong(both, N(both)), "cpu has a target already, that of metric");
	assert_string_equal(why_wrong(too_much, N(too_much)),
			    "target: 70 of memory is more than there is; allowed: to 1");
	assert_string_equal(why_wrong(windows, N(windows)),
			    "panic_window is longer than stable_window");
}

static const struct conf_setting in_flight[] = {TEXT("metric", "in-flight"), NUMBER("target", 40)};
static const struct conf_setting cpu[] = {NUMBER("cpu", 0.5)};

static void
flight(struct world *w, double n)
{
	world_set_all(w, TG_METRIC_IN_FLIGHT, n);
	world_set_all(w, TG_METRIC_QUEUED, 0);
}

static uint32_t
desired(const struct world *w)
{
	return world_propose(w).desired;
}

static void
totals_are_divided_by_the_target(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 2);
	flight(&w, 200);
	assert_int_equal(desired(&w), 5);
	assert_true(fabs(world_propose(&w).load - 2.5) < 1e-9);
	flight(&w, 201);
	assert_int_equal(desired(&w), 6);
	/* What waits for a place is work too. */
	flight(&w, 80);
	world_set_all(&w, TG_METRIC_QUEUED, 121);
	assert_int_equal(desired(&w), 6);
	flight(&w, 0);
	assert_int_equal(desired(&w), 0);
}

static void
a_step_is_answered_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 4);
	flight(&w, 120);
	/* The long mean knows little of it yet. */
	world_set(&w, PANIC, TG_METRIC_IN_FLIGHT, 800);
	world_set(&w, STABLE, TG_METRIC_IN_FLIGHT, 130);
	assert_int_equal(desired(&w), 20);
	assert_non_null(strstr(world_propose(&w).reason, "panic"));
	/* Below the threshold the long one counts. */
	world_set(&w, PANIC, TG_METRIC_IN_FLIGHT, 200);
	world_set(&w, STABLE, TG_METRIC_IN_FLIGHT, 190);
	assert_int_equal(desired(&w), 5);
}

static void
zero_is_left_as_soon_as_there_is_work(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 0);
	flight(&w, 0);
	assert_int_equal(desired(&w), 0);
	/* All of it waits; the long mean has little of it. */
	world_set(&w, PANIC, TG_METRIC_QUEUED, 500);
	world_set(&w, STABLE, TG_METRIC_QUEUED, 10);
	assert_int_equal(desired(&w), 13);
	assert_false(world_propose(&w).is_unsure);
	/* Means have no way from zero: the host wakes it. */
	world_init(&w, &autoscale_target, cpu, 1, 0);
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 0);
}

static void
within_the_tolerance_nothing_changes(void **state)
{
	const struct conf_setting none[] = {NUMBER("in_flight", 40), NUMBER("tolerance", 0)};
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 10);
	flight(&w, 440);
	assert_int_equal(desired(&w), 10);
	flight(&w, 441);
	assert_int_equal(desired(&w), 12);
	flight(&w, 360);
	assert_int_equal(desired(&w), 10);
	flight(&w, 359);
	assert_int_equal(desired(&w), 9);
	world_init(&w, &autoscale_target, none, 2, 10);
	flight(&w, 401);
	assert_int_equal(desired(&w), 11);
	world_init(&w, &autoscale_target, cpu, 1, 10);
	world_set_all(&w, TG_METRIC_CPU, 0.55);
	assert_int_equal(desired(&w), 10);
	world_set_all(&w, TG_METRIC_CPU, 0.56);
	assert_int_equal(desired(&w), 12);
}

static void
means_scale_what_is_there(void **state)
{
	const struct conf_setting memory[] = {TEXT("metric", "memory"), NUMBER("target", 0.5)};
	const struct conf_setting latency[] = {TEXT("latency", "100ms")};
	const struct conf_setting queue[] = {TEXT("queue_time", "10ms")};
	const struct conf_setting requests[] = {NUMBER("requests", 100)};
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, cpu, 1, 4);
	world_set_all(&w, TG_METRIC_CPU, 0.9);
	assert_int_equal(desired(&w), 8);
	world_set_all(&w, TG_METRIC_CPU, 0.2);
	assert_int_equal(desired(&w), 2);
	world_init(&w, &autoscale_target, memory, 2, 4);
	world_set_all(&w, TG_METRIC_MEMORY, 0.75);
	assert_int_equal(desired(&w), 6);
	world_init(&w, &autoscale_target, latency, 1, 4);
	world_set_all(&w, TG_METRIC_SERVICE_P95, 0.2);
	assert_int_equal(desired(&w), 8);
	world_init(&w, &autoscale_target, queue, 1, 4);
	world_set_all(&w, TG_METRIC_QUEUE_TIME, 0.015);
	assert_int_equal(desired(&w), 6);
	world_init(&w, &autoscale_target, requests, 1, 4);
	world_set_all(&w, TG_METRIC_ARRIVALS, 1234);
	assert_int_equal(desired(&w), 13);
}

static void
the_greatest_of_several_wins(void **state)
{
	const struct conf_setting all[] = {NUMBER("in_flight", 40), NUMBER("cpu", 0.5),
					   NUMBER("requests", 100)};
	struct world w;
	struct tg_proposal p;

	(void)state;
	world_init(&w, &autoscale_target, all, 3, 4);
	flight(&w, 160);
	world_set_all(&w, TG_METRIC_CPU, 0.8);
	world_set_all(&w, TG_METRIC_ARRIVALS, 500);
	p = world_propose(&w);
	assert_int_equal(p.desired, 7);
	assert_true(fabs(p.load - 1.6) < 1e-9);
	assert_non_null(strstr(p.reason, "cpu 0.8, target 0.5"));
	world_set_all(&w, TG_METRIC_CPU, 0.1);
	assert_int_equal(desired(&w), 5);
	/* What one lacks keeps none from growing, and all from shrinking. */
	for (unsigned i = 0; i < w.in.snapshot.n_windows; i++)
		w.windows[i].metrics[TG_METRIC_CPU].n = 0;
	p = world_propose(&w);
	assert_int_equal(p.desired, 5);
	assert_true(p.is_unsure);
	flight(&w, 20);
	world_set_all(&w, TG_METRIC_ARRIVALS, 10);
	assert_true(world_propose(&w).is_unsure);
}

/* Those without a reading: at the target where it would shrink, idle where it would grow. */
static void
missing_readings_are_taken_carefully(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, cpu, 1, 4);
	world_set_all(&w, TG_METRIC_CPU, 0.8);
	assert_int_equal(desired(&w), 7);
	w.backends[3].cpu = NAN;
	/* 3 * 0.8 / 4 = 0.6 */
	assert_int_equal(desired(&w), 5);
	w.backends[2].cpu = NAN;
	/* 2 * 0.8 / 4 is below the target: no more, and no fewer. */
	assert_int_equal(desired(&w), 4);
	w.backends[2].cpu = 0.5;
	world_set_all(&w, TG_METRIC_CPU, 0.1);
	/* 3 * 0.1 + 0.5 = 0.8: 2, where without it would be 1. */
	assert_int_equal(desired(&w), 2);
}

static void
pending_backends_count_where_it_grows(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, cpu, 1, 4);
	world_set_all(&w, TG_METRIC_CPU, 0.9);
	w.in.snapshot.desired = 8;
	w.in.snapshot.pending = 4;
	/* 4 * 0.9 / 8 = 0.45: what is on its way is enough. */
	assert_int_equal(desired(&w), 8);
	w.in.snapshot.desired = 5;
	w.in.snapshot.pending = 1;
	assert_int_equal(desired(&w), 8);
	/* Totals ask for a number, whoever is there. */
	world_init(&w, &autoscale_target, in_flight, 2, 4);
	w.in.snapshot.desired = 8;
	w.in.snapshot.pending = 4;
	flight(&w, 320);
	assert_int_equal(desired(&w), 8);
}

static void
what_is_not_known_makes_it_unsure(void **state)
{
	const struct conf_setting latency[] = {TEXT("latency", "100ms")};
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 4);
	assert_true(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 4);
	assert_true(isnan(world_propose(&w).load));
	/* No memory at all is no reading. */
	world_init(&w, &autoscale_target,
		   (const struct conf_setting[]){NUMBER("memory", 0.5)}, 1, 4);
	world_set_all(&w, TG_METRIC_MEMORY, 0);
	assert_true(world_propose(&w).is_unsure);
	/* Nobody came: then nobody waited, and that is known. */
	world_init(&w, &autoscale_target, latency, 1, 4);
	assert_true(world_propose(&w).is_unsure);
	flight(&w, 0);
	world_set_all(&w, TG_METRIC_ARRIVALS, 0);
	assert_false(world_propose(&w).is_unsure);
	assert_int_equal(desired(&w), 0);
	world_set_all(&w, TG_METRIC_IN_FLIGHT, 1);
	assert_true(world_propose(&w).is_unsure);
}

/*** What earlier proposals make of it ***/

static void
shrinking_waits_for_the_greatest_of_the_window(void **state)
{
	struct world w;
	struct tg_proposal p;

	(void)state;
	world_init(&w, &autoscale_target, in_flight, 2, 10);
	flight(&w, 80);
	world_set(&w, DOWN, TG_METRIC_PROPOSED, 3);
	w.windows[DOWN].metrics[TG_METRIC_PROPOSED].max = 7;
	p = world_propose(&w);
	assert_int_equal(p.desired, 7);
	assert_true(p.has_raw);
	assert_int_equal(p.raw, 2);
	w.windows[DOWN].metrics[TG_METRIC_PROPOSED].max = 12;
	assert_int_equal(desired(&w), 10);
	/* More waits for nothing. */
	flight(&w, 480);
	assert_int_equal(desired(&w), 12);
}

static void
growing_waits_for_the_least_of_the_window(void **state)
{
	const struct conf_setting s[] = {NUMBER("in_flight", 40), TEXT("up_stabilization", "30s")};
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, s, 2, 4);
	flight(&w, 800);
	world_set(&w, UP, TG_METRIC_PROPOSED, 20);
	assert_int_equal(desired(&w), 20);
	w.windows[UP].metrics[TG_METRIC_PROPOSED].min = 6;
	assert_int_equal(desired(&w), 6);
	w.windows[UP].metrics[TG_METRIC_PROPOSED].min = 2;
	assert_int_equal(desired(&w), 4);
}

static const struct tg_figure desired_before = {.n = 1, .first = 10, .last = 10, .mean = 10, .min = 10, .max = 10};

static uint32_t
grown(const struct conf_setting *extra, size_t n, uint32_t first, uint32_t have)
{
	struct conf_setting s[5] = {NUMBER("in_flight", 40)};
	struct world w;

	for (size_t i = 0; i < n; i++)
		s[i + 1] = extra[i];
	world_init(&w, &autoscale_target, s, n + 1, have);
	w.windows[UP_RATE].metrics[TG_METRIC_DESIRED] = desired_before;
	w.windows[UP_RATE].metrics[TG_METRIC_DESIRED].first = first;
	flight(&w, 40 * 90);
	return desired(&w);
}

static void
rates_bound_growing(void **state)
{
	const struct conf_setting count[] = {NUMBER("up_count", 4)};
	const struct conf_setting percent[] = {NUMBER("up_percent", 50)};
	const struct conf_setting both[] = {NUMBER("up_count", 4), NUMBER("up_percent", 50)};
	const struct conf_setting least[] = {NUMBER("up_count", 4), NUMBER("up_percent", 50),
					     TEXT("up_select", "min")};
	const struct conf_setting off[] = {TEXT("up_select", "off")};

	(void)state;
	assert_int_equal(grown(NULL, 0, 10, 10), 90);
	assert_int_equal(grown(count, 1, 10, 10), 14);
	/* What was added in the period is counted. */
	assert_int_equal(grown(count, 1, 10, 13), 14);
	assert_int_equal(grown(count, 1, 10, 15), 15);
	assert_int_equal(grown(percent, 1, 10, 10), 15);
	assert_int_equal(grown(percent, 1, 1, 1), 2);
	assert_int_equal(grown(percent, 1, 0, 0), 1);
	assert_int_equal(grown(both, 2, 10, 10), 15);
	assert_int_equal(grown(both, 2, 4, 4), 8);
	assert_int_equal(grown(least, 3, 10, 10), 14);
	assert_int_equal(grown(off, 1, 10, 10), 10);
}

static uint32_t
shrunk(const struct conf_setting *extra, size_t n, uint32_t first, uint32_t have)
{
	struct conf_setting s[5] = {NUMBER("in_flight", 40)};
	struct world w;

	for (size_t i = 0; i < n; i++)
		s[i + 1] = extra[i];
	world_init(&w, &autoscale_target, s, n + 1, have);
	w.windows[DOWN_RATE].metrics[TG_METRIC_DESIRED] = desired_before;
	w.windows[DOWN_RATE].metrics[TG_METRIC_DESIRED].first = first;
	flight(&w, 40);
	return desired(&w);
}

static void
rates_bound_shrinking(void **state)
{
	const struct conf_setting count[] = {NUMBER("down_count", 4)};
	const struct conf_setting percent[] = {NUMBER("down_percent", 50)};
	const struct conf_setting least[] = {NUMBER("down_count", 4), NUMBER("down_percent", 50),
					     TEXT("down_select", "min")};
	const struct conf_setting off[] = {TEXT("down_select", "off")};

	(void)state;
	assert_int_equal(shrunk(NULL, 0, 10, 10), 1);
	assert_int_equal(shrunk(count, 1, 10, 10), 6);
	assert_int_equal(shrunk(count, 1, 10, 7), 6);
	assert_int_equal(shrunk(count, 1, 10, 5), 5);
	assert_int_equal(shrunk(percent, 1, 10, 10), 5);
	assert_int_equal(shrunk(least, 3, 20, 20), 16);
	assert_int_equal(shrunk(off, 1, 10, 10), 10);
}

static void
a_panic_lasts_for_a_stable_window(void **state)
{
	const struct conf_setting s[] = {NUMBER("in_flight", 40), TEXT("down_stabilization", "0")};
	struct world w;

	(void)state;
	world_init(&w, &autoscale_target, s, 2, 10);
	flight(&w, 40);
	assert_int_equal(desired(&w), 1);
	/* Within the window there was a proposal far above what was ready. */
	world_set(&w, STABLE, TG_METRIC_PROPOSED, 1);
	world_set(&w, STABLE, TG_METRIC_READY, 2);
	w.windows[STABLE].metrics[TG_METRIC_PROPOSED].max = 10;
	assert_int_equal(desired(&w), 10);
	w.windows[STABLE].metrics[TG_METRIC_PROPOSED].max = 2;
	assert_int_equal(desired(&w), 1);
}

/*** A model of a service: each tick the window is what was before ***/

struct model {
	double load;
	uint32_t n;
	double proposed[400];
	double loads[400];
	unsigned ticks;
};

static void
span(const double *all, unsigned ticks, unsigned length, struct tg_figure *ret)
{
	unsigned from = ticks > length ? ticks - length : 0;
	double sum = 0;

	if (ticks == 0)
		return;
	*ret = (struct tg_figure){.n = ticks - from, .first = all[from], .last = all[ticks - 1],
				  .min = all[from], .max = all[from]};
	for (unsigned i = from; i < ticks; i++) {
		sum += all[i];
		ret->min = fmin(ret->min, all[i]);
		ret->max = fmax(ret->max, all[i]);
	}
	ret->mean = sum / ret->n;
}

static uint32_t
tick(struct model *m)
{
	const struct conf_setting s[] = {NUMBER("in_flight", 40), TEXT("stable_window", "10s"),
					 TEXT("down_stabilization", "30s")};
	struct decision d;
	struct world w;

	world_init(&w, &autoscale_target, s, 3, m->n);
	m->loads[m->ticks] = m->load;
	span(m->loads, m->ticks + 1, 10, &w.windows[STABLE].metrics[TG_METRIC_IN_FLIGHT]);
	span(m->loads, m->ticks + 1, 1, &w.windows[PANIC].metrics[TG_METRIC_IN_FLIGHT]);
	span(m->proposed, m->ticks, 10, &w.windows[STABLE].metrics[TG_METRIC_PROPOSED]);
	span(m->proposed, m->ticks, 30, &w.windows[DOWN].metrics[TG_METRIC_PROPOSED]);
	decide(&w.in, &d);
	m->proposed[m->ticks++] = d.proposal.raw;
	m->n = d.desired;
	return d.desired;
}

static void
a_service_follows_its_load(void **state)
{
	struct model m = {.load = 70, .n = 2};

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(tick(&m), 2);
	m.load = 350;
	assert_int_equal(tick(&m), 9);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(tick(&m), 9);
	m.load = 70;
	/* It is held for the window, and then it goes; what was proposed is not held by itself. */
	for (unsigned i = 0; i < 30; i++)
		assert_true(tick(&m) >= 2);
	for (unsigned i = 0; i < 45; i++)
		tick(&m);
	assert_int_equal(m.n, 2);
}

/*** The same with windows as a store makes them, and backends that take their time ***/

struct stepping {
	struct history *history;
	struct mono now;
	uint32_t interval_ms;
	uint32_t ready;
	uint32_t desired;
	double proposed;
};

static void
stepping_init(struct stepping *st, uint32_t interval_ms)
{
	*st = (struct stepping){.history = history_new(),
				.now = {.us = 1000000000},
				.interval_ms = interval_ms,
				.ready = 2,
				.desired = 2,
				.proposed = NAN};
	assert_non_null(st->history);
	assert_int_equal(history_keep(st->history, "s", 300000, interval_ms), 0);
}

/* Everything as it is by default; true: more backends were decided. */
static bool
stepping_tick(struct stepping *st, double load)
{
	struct store_point point = {.at = st->now};
	uint32_t before = st->desired;
	struct decision d;
	struct world w;

	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		point.values[i] = NAN;
	point.values[TG_METRIC_IN_FLIGHT] = load * 0.8;
	point.values[TG_METRIC_QUEUED] = load * 0.2;
	point.values[TG_METRIC_READY] = st->ready;
	point.values[TG_METRIC_DESIRED] = st->desired;
	point.values[TG_METRIC_PROPOSED] = st->proposed;
	assert_int_equal(history_put(st->history, "s", &point), 0);
	world_init(&w, &autoscale_target, in_flight, 2, st->desired);
	w.in.snapshot.ready = st->ready;
	w.in.snapshot.pending = st->desired - st->ready;
	for (uint32_t i = 0; i < w.in.snapshot.n_windows; i++)
		history_window(st->history, "s", w.windows[i].span_ms, st->now, &w.windows[i]);
	decide(&w.in, &d);
	st->proposed = d.proposal.raw;
	st->desired = d.desired;
	st->now = mono_add_ms(st->now, st->interval_ms);
	return st->desired > before;
}

static unsigned
ups_of_a_step(uint32_t interval_ms, unsigned ticks_to_start)
{
	struct stepping st;
	unsigned ups = 0;

	stepping_init(&st, interval_ms);
	for (unsigned i = 0; i < 120; i++)
		assert_false(stepping_tick(&st, 80));
	for (unsigned i = 0; i < 120; i++) {
		if (i == ticks_to_start)
			st.ready = st.desired;
		ups += stepping_tick(&st, 400);
		assert_int_equal(st.desired, 10);
	}
	history_free(st.history);
	return ups;
}

static void
a_step_of_five_is_one_decision(void **state)
{
	static const uint32_t intervals_ms[] = {100, 250, 1000, 5000};

	(void)state;
	for (size_t i = 0; i < N(intervals_ms); i++) {
		assert_int_equal(ups_of_a_step(intervals_ms[i], 1), 1);
		assert_int_equal(ups_of_a_step(intervals_ms[i], 30), 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_must_go_together),
		cmocka_unit_test(totals_are_divided_by_the_target),
		cmocka_unit_test(a_step_is_answered_at_once),
		cmocka_unit_test(zero_is_left_as_soon_as_there_is_work),
		cmocka_unit_test(within_the_tolerance_nothing_changes),
		cmocka_unit_test(means_scale_what_is_there),
		cmocka_unit_test(the_greatest_of_several_wins),
		cmocka_unit_test(missing_readings_are_taken_carefully),
		cmocka_unit_test(pending_backends_count_where_it_grows),
		cmocka_unit_test(what_is_not_known_makes_it_unsure),
		cmocka_unit_test(shrinking_waits_for_the_greatest_of_the_window),
		cmocka_unit_test(growing_waits_for_the_least_of_the_window),
		cmocka_unit_test(rates_bound_growing),
		cmocka_unit_test(rates_bound_shrinking),
		cmocka_unit_test(a_panic_lasts_for_a_stable_window),
		cmocka_unit_test(a_service_follows_its_load),
		cmocka_unit_test(a_step_of_five_is_one_decision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
