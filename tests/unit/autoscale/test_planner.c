/* autoscale/planner.c: the module; its plans are those of test_plan.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "autoscale/planning.h"
#include "autoscale/record.h"
#include "unit/autoscale/snapshots.h"

struct scene {
	struct world w;
	struct planning *planning;
	int64_t ms;
};

static void
scene_init(struct scene *sc, const struct conf_setting *settings, size_t n_settings, uint32_t n)
{
	world_init(&sc->w, &autoscale_planner, settings, n_settings, n);
	sc->w.in.snapshot.concurrency = 10;
	sc->planning = planning_new();
	sc->ms = sc->w.in.snapshot.now_ms;
	assert_non_null(sc->planning);
}

/* So many seconds of a load in arrivals per second, each of 0.1 s. */
static void
feed(struct scene *sc, unsigned seconds, double rate)
{
	for (unsigned i = 0; i < seconds; i++) {
		sc->ms += 1000;
		outlook_put(planning_outlook(sc->planning), sc->ms, rate, 0.1);
	}
	sc->w.in.snapshot.now_ms = sc->ms;
	world_set_all(&sc->w, TG_METRIC_ARRIVALS, rate);
	world_set_all(&sc->w, TG_METRIC_IN_FLIGHT, rate * 0.1);
	planning_fill(sc->planning, &autoscale_planner, &sc->w.in.snapshot);
}

static bool
wants(struct scene *sc)
{
	return planning_wants(sc->planning, &autoscale_planner, sc->w.values, &sc->w.in.snapshot);
}

static void
solve(struct scene *sc)
{
	assert_true(wants(sc));
	assert_int_equal(planning_solve(sc->planning, &autoscale_planner), 0);
	planning_fill(sc->planning, &autoscale_planner, &sc->w.in.snapshot);
	assert_non_null(sc->w.in.snapshot.plan);
}

static void
what_is_missing_makes_it_unsure(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	assert_true(world_propose(&sc.w).is_unsure);
	feed(&sc, 1, 100);
	assert_true(world_propose(&sc.w).is_unsure);
	assert_false(wants(&sc));
	feed(&sc, 5, 100);
	assert_false(world_propose(&sc.w).is_unsure);
	sc.w.in.snapshot.concurrency = 0;
	assert_true(world_propose(&sc.w).is_unsure);
	assert_non_null(strstr(world_propose(&sc.w).reason, "set concurrency or max_connections_per_backend"));
	planning_free(sc.planning);
}

/* Before there is a plan nothing is taken away, and what arrivals need is started. */
static void
without_a_plan_it_only_grows(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 10, 10);
	assert_int_equal(world_propose(&sc.w).desired, 3);
	assert_non_null(strstr(world_propose(&sc.w).reason, "no plan yet"));
	feed(&sc, 10, 1000);
	assert_true(world_propose(&sc.w).desired > 10);
	planning_free(sc.planning);
}

static void
load_is_answered_with_spare(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 600, 1000);
	solve(&sc);
	assert_true(world_propose(&sc.w).desired > 10 && world_propose(&sc.w).desired < 20);
	assert_float_equal(world_propose(&sc.w).load, 10.0 / 3, 0.01);
	sc.w.in.snapshot.pending = world_propose(&sc.w).desired - 3;
	sc.w.in.snapshot.desired = 3 + sc.w.in.snapshot.pending;
	assert_int_equal(world_propose(&sc.w).desired, sc.w.in.snapshot.desired);
	planning_free(sc.planning);
}

/* What was proposed a moment ago is not taken back for chance. */
static void
fewer_only_when_it_was_less_for_a_while(void **state)
{
	struct scene sc;
	uint32_t raw;

	(void)state;
	scene_init(&sc, NULL, 0, 60);
	feed(&sc, 600, 1000);
	solve(&sc);
	raw = world_propose(&sc.w).desired;
	assert_true(raw < 60);
	world_set_all(&sc.w, TG_METRIC_PROPOSED, 30);
	assert_int_equal(world_propose(&sc.w).desired, 30);
	assert_int_equal(world_propose(&sc.w).raw, raw);
	world_set_all(&sc.w, TG_METRIC_PROPOSED, 90);
	assert_int_equal(world_propose(&sc.w).desired, 60);
	planning_free(sc.planning);
}

static void
a_forecast_may_only_raise_and_only_a_good_one(void **state)
{
	struct tg_outlook o;
	struct scene sc;
	uint32_t plain;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 600, 1000);
	solve(&sc);
	plain = world_propose(&sc.w).desired;
	o = *sc.w.in.snapshot.outlook;
	sc.w.in.snapshot.outlook = &o;
	o.forecast = (struct tg_estimate){.value = 1500, .error = 0.05, .n = 600};
	assert_true(world_propose(&sc.w).desired > plain);
	assert_non_null(strstr(world_propose(&sc.w).reason, "forecast"));
	o.forecast.value = 500;
	assert_int_equal(world_propose(&sc.w).desired, plain);
	o.forecast = (struct tg_estimate){.value = 1500, .error = 0.2, .n = 600};
	assert_int_equal(world_propose(&sc.w).desired, plain);
	o.forecast.error = NAN;
	assert_int_equal(world_propose(&sc.w).desired, plain);
	planning_free(sc.planning);
}

/* Where service times grow, arrivals tell too little. */
static void
what_is_in_flight_counts_where_it_is_more(void **state)
{
	struct scene sc;
	uint32_t plain;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 600, 1000);
	solve(&sc);
	plain = world_propose(&sc.w).desired;
	world_set_all(&sc.w, TG_METRIC_IN_FLIGHT, 110);
	assert_int_equal(world_propose(&sc.w).desired, plain);
	world_set_all(&sc.w, TG_METRIC_IN_FLIGHT, 200);
	assert_true(world_propose(&sc.w).desired >= 20 && plain < 20);
	planning_free(sc.planning);
}

static void
a_plan_holds_until_something_changes(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 1200, 1000);
	solve(&sc);
	feed(&sc, 60, 1000);
	assert_false(wants(&sc));
	for (unsigned i = 0; i < 20; i++)
		outlook_started(planning_outlook(sc.planning), 60);
	feed(&sc, 60, 1000);
	solve(&sc);
	feed(&sc, 5, 3000);
	assert_false(wants(&sc)); /* asked a moment ago */
	feed(&sc, 60, 3000);
	assert_true(wants(&sc));
	assert_false(wants(&sc)); /* one is under way */
	planning_free(sc.planning);
}

/* Guesses of what may come are of little weight and much price: as they fade, the plan follows. */
static void
a_plan_follows_what_is_rare_and_dear(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 900, 1000);
	solve(&sc);
	feed(&sc, 10, 1000);
	assert_false(wants(&sc));
	feed(&sc, 2700, 1000);
	assert_true(wants(&sc));
	planning_free(sc.planning);
}

/* Loads below the least grid there is, and beyond the greatest: no other plan would fit better. */
static void
a_plan_holds_at_the_ends_of_what_plans_reach(void **state)
{
	static const double rates[] = {0.8, 5, 80000};
	struct scene sc;

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		scene_init(&sc, NULL, 0, 3);
		feed(&sc, 1200, rates[i]);
		solve(&sc);
		feed(&sc, 60, rates[i]);
		assert_false(wants(&sc));
		planning_free(sc.planning);
	}
}

/* A grid that is much too large for what comes is left. */
static void
a_plan_is_made_anew_for_much_less(void **state)
{
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 1200, 2000);
	solve(&sc);
	feed(&sc, 1860, 200);
	assert_true(wants(&sc));
	planning_free(sc.planning);
}

/* Loads that jump ask for a signal that remembers, or for more spare: not for the same as a steady one. */
static void
variability_means_more(void **state)
{
	struct scene steady;
	struct scene jumpy;

	(void)state;
	scene_init(&steady, NULL, 0, 3);
	scene_init(&jumpy, NULL, 0, 3);
	feed(&steady, 7200, 1000);
	for (unsigned i = 0; i < 120; i++)
		feed(&jumpy, 60, i % 2 == 0 ? 1000 : 1400);
	feed(&jumpy, 60, 1000);
	solve(&steady);
	solve(&jumpy);
	assert_true(world_propose(&jumpy.w).desired > world_propose(&steady.w).desired);
	planning_free(steady.planning);
	planning_free(jumpy.planning);
}

/*** Records ***/

static struct record *
read_back(const struct scene *sc, struct decision *ret)
{
	struct record *r = NULL;
	struct err err;
	char *text;

	decide(&sc->w.in, ret);
	text = record_text(&sc->w.in, ret, 1, (struct wall){.us = 1});
	assert_non_null(text);
	if (record_read(text, strlen(text), &r, &err) < 0)
		fail_msg("%s", err.text);
	free(text);
	return r;
}

static void
a_record_makes_the_same_decision(void **state)
{
	struct record_plan kept = {.n = 0};
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 600, 1000);
	solve(&sc);
	for (unsigned i = 0; i < 50; i++) {
		struct decide_input in;
		struct decision first;
		struct decision again;
		struct record *r;
		struct err err;

		feed(&sc, 7, 100 + 97.3 * i);
		sc.w.in.snapshot.ready = 1 + i % 30;
		sc.w.in.snapshot.desired = sc.w.in.snapshot.ready + i % 5;
		sc.w.in.snapshot.pending = i % 5;
		world_set_all(&sc.w, TG_METRIC_QUEUED, i % 3 * 40);
		r = read_back(&sc, &first);
		assert_int_equal(record_plan(r, &kept, &err), 0);
		in = record_input(r);
		decide(&in, &again);
		assert_int_equal(again.desired, first.desired);
		assert_string_equal(again.proposal.reason, first.proposal.reason);
		record_free(r);
	}
	record_plan_fini(&kept);
	planning_free(sc.planning);
}

static void
numbers_that_make_no_plan_are_refused(void **state)
{
	static const double bad[] = {1, 2, 3};
	const struct tg_plan plan = {.size = sizeof(plan), .n = 3, .numbers = bad};
	struct record_plan kept = {.n = 0};
	struct decision d;
	struct scene sc;
	struct record *r;
	struct err err;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	feed(&sc, 60, 1000);
	sc.w.in.snapshot.plan = &plan;
	r = read_back(&sc, &d);
	assert_int_equal(record_plan(r, &kept, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "planner"));
	record_free(r);
	record_plan_fini(&kept);
	planning_free(sc.planning);
}

/*** For people ***/

struct lines {
	unsigned n;
	unsigned bands;
	char all[16384];
	size_t used;
};

static void
take_line(void *user, const char *text)
{
	struct lines *l = user;

	l->n++;
	l->bands += strstr(text, "+=") != NULL;
	for (const char *c = text; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
	l->used += (size_t)snprintf(l->all + l->used, sizeof(l->all) - l->used, "%s\n", text);
	assert_true(l->used < sizeof(l->all));
}

static void
a_plan_is_shown(void **state)
{
	const struct tg_autoscaler *ops = autoscale_planner.ops;
	struct lines *l = calloc(1, sizeof(*l));
	struct scene sc;

	(void)state;
	scene_init(&sc, NULL, 0, 3);
	ops->plan_show(sc.w.values, &sc.w.in.snapshot, take_line, l);
	assert_int_equal(l->n, 0);
	outlook_started(planning_outlook(sc.planning), 15);
	feed(&sc, 600, 1000);
	solve(&sc);
	ops->plan_show(sc.w.values, &sc.w.in.snapshot, take_line, l);
	assert_non_null(strstr(l->all, "start delay: 15 s, measured once"));
	assert_non_null(strstr(l->all, "service time: 0.1 s +-"));
	assert_non_null(strstr(l->all, "requests a backend serves: 100 per second"));
	assert_non_null(strstr(l->all, "running \\ load"));
	assert_non_null(strstr(l->all, "now: load 10, 3 running, 0 pending"));
	assert_true(l->bands > 10);
	free(l);
	planning_free(sc.planning);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_makes_it_unsure),
		cmocka_unit_test(without_a_plan_it_only_grows),
		cmocka_unit_test(load_is_answered_with_spare),
		cmocka_unit_test(fewer_only_when_it_was_less_for_a_while),
		cmocka_unit_test(a_forecast_may_only_raise_and_only_a_good_one),
		cmocka_unit_test(what_is_in_flight_counts_where_it_is_more),
		cmocka_unit_test(a_plan_holds_until_something_changes),
		cmocka_unit_test(a_plan_follows_what_is_rare_and_dear),
		cmocka_unit_test(a_plan_holds_at_the_ends_of_what_plans_reach),
		cmocka_unit_test(a_plan_is_made_anew_for_much_less),
		cmocka_unit_test(variability_means_more),
		cmocka_unit_test(a_record_makes_the_same_decision),
		cmocka_unit_test(numbers_that_make_no_plan_are_refused),
		cmocka_unit_test(a_plan_is_shown),
	};

	modules_add_builtin(autoscale_builtin);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
