/* The backends of a service that a provider starts: orders, answers, and what gets lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/autoscale/fleet_world.h"

static void
goes_to_what_is_desired_and_back(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 3);
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
	assert_int_equal(w->readies, 3);
	assert_int_equal(running(w), 3);
	settle(w, 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_int_equal(fleet_counts(w->fleet).draining, 0);
	assert_int_equal(running(w), 1);
	settle(w, 0);
	assert_int_equal(running(w), 0);
	assert_int_equal(w->cuts, 0);
	assert_int_equal(w->failures, 0);
}

static void
starts_nothing_before_it_knows_what_there_is(void **state)
{
	struct world *w = *state;

	settle(w, 2);
	assert_int_equal(w->n, 0);
	thing(w, "auto-7")->is_running = true;
	list(w);
	settle(w, 2);
	assert_int_equal(running(w), 2);
	/* The one that was found, and one with a name nobody had. */
	assert_int_equal(fleet_find(w->fleet, "auto-7")->state, TG_FLEET_READY);
	assert_int_equal(fleet_find(w->fleet, "auto-8")->state, TG_FLEET_READY);
	assert_int_equal(thing(w, "auto-7")->starts, 0);
}

static void
one_that_is_gone_since_is_taken_out_without_a_failure(void **state)
{
	struct world *w = *state;
	struct addr addr = {.len = sizeof(struct sockaddr_in)};
	struct thing *t = thing(w, "auto-3");

	t->is_configured = true;
	assert_int_equal(fleet_found(w->fleet, "auto-3", &addr, t->slot, false, w->now), 0);
	list(w);
	settle(w, 0);
	assert_null(fleet_find(w->fleet, "auto-3"));
	assert_false(t->is_configured);
	assert_int_equal(fleet_failures(w->fleet).in_row, 0);
}

static void
names_of_others_are_left_out(void **state)
{
	struct world *w = *state;

	w->taken = "auto-2";
	list(w);
	settle(w, 3);
	assert_null(fleet_find(w->fleet, "auto-2"));
	assert_non_null(fleet_find(w->fleet, "auto-4"));
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
}

/* It was well for some seconds: that is no start that failed. */
static void
one_that_dies_later_is_replaced_at_once(void **state)
{
	struct world *w = *state;
	struct instance dead;

	list(w);
	settle(w, 1);
	dead = instance_of(thing(w, "auto-1"), TG_INSTANCE_ENDED);
	thing(w, "auto-1")->is_running = false;
	fleet_changed(w->fleet, &dead, w->now);
	assert_int_equal(fleet_failures(w->fleet).in_row, 0);
	turn(w, 1);
	assert_int_equal(thing(w, "auto-2")->starts, 1);
}

static void
stops_nothing_that_has_work(void **state)
{
	struct world *w = *state;
	struct thing *busy;

	list(w);
	settle(w, 2);
	busy = thing(w, "auto-1");
	busy->in_flight = 5;
	thing(w, "auto-2")->in_flight = 7;
	for (int i = 0; i < 15; i++)
		turn(w, 1);
	assert_true(busy->is_draining); /* the one with fewer */
	assert_true(busy->is_running && busy->is_configured);
	assert_false(thing(w, "auto-2")->is_draining);
	busy->in_flight = 0;
	settle(w, 1);
	assert_false(busy->is_running);
	assert_int_equal(w->cuts, 0);
}

static void
work_that_came_until_nobody_can_pick_it_ends_first(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 1);
	t = thing(w, "auto-1");
	turn(w, 0); /* drains */
	turn(w, 0); /* to be taken out */
	assert_true(t->is_removing);
	t->in_flight = 1; /* a worker had picked it */
	for (int i = 0; i < 5; i++)
		turn(w, 0);
	assert_int_equal(fleet_find(w->fleet, "auto-1")->state, TG_FLEET_RESTING);
	assert_true(t->is_running);
	t->in_flight = 0;
	settle(w, 0);
	assert_false(t->is_running);
	assert_int_equal(w->cuts, 0);
}

static void
what_does_not_end_is_cut(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 1);
	thing(w, "auto-1")->in_flight = 3;
	for (int i = 0; i < 25; i++)
		turn(w, 0);
	settle(w, 0);
	assert_int_equal(w->cuts, 1);
	assert_int_equal(running(w), 0);
}

static void
load_that_returns_undrains_first(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	thing(w, "auto-1")->in_flight = 1;
	thing(w, "auto-2")->in_flight = 1;
	turn(w, 1);
	assert_true(thing(w, "auto-2")->is_draining); /* of equals the newest */
	turn(w, 2);
	assert_false(thing(w, "auto-2")->is_draining);
	settle(w, 2);
	assert_int_equal(w->n, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
}

static void
what_is_on_its_way_is_given_up_first(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 1);
	turn(w, 3);
	turn(w, 1);
	settle(w, 1);
	assert_false(thing(w, "auto-1")->is_draining);
	assert_int_equal(running(w), 1);
	assert_int_equal(w->failures, 0);
}

static void
starts_that_fail_wait_longer_each_time(void **state)
{
	struct world *w = *state;
	int64_t began = w->now;
	struct fleet_failures failures;

	assert_string_equal(fleet_failures(w->fleet).name, "");
	list(w);
	while (w->now < began + 120000) {
		w->now += 100;
		for (unsigned i = 0; i < w->n; i++) {
			uint64_t token = w->things[i].start;

			w->things[i].start = 0;
			fleet_answered(w->fleet, token, -TG_EIO, "no such program", w->now);
		}
		fleet_tick(w->fleet, 2, w->now);
	}
	assert_true(w->failures >= 8 && w->failures <= 14);
	assert_int_equal(fleet_failures(w->fleet).in_row, w->failures);
	failures = fleet_failures(w->fleet);
	assert_true(failures.retry_ms > w->now && failures.at_ms <= w->now);
	assert_string_equal(failures.why, "no such program");
	fleet_retry(w->fleet);
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(fleet_failures(w->fleet).in_row, 0);
	/* Which it was stays known. */
	assert_int_equal(fleet_failures(w->fleet).at_ms, failures.at_ms);
	assert_memory_equal(fleet_failures(w->fleet).name, "auto-", 5);
}

static void
one_that_ends_as_soon_as_it_is_up_has_failed(void **state)
{
	struct world *w = *state;
	int64_t began = w->now;
	unsigned starts;

	list(w);
	while (w->now < began + 120000) {
		for (unsigned i = 0; i < w->n; i++) {
			struct thing *t = &w->things[i];
			struct instance dead = instance_of(t, TG_INSTANCE_ENDED);

			if (!t->is_up)
				continue;
			t->is_running = false;
			t->is_up = false;
			fleet_changed(w->fleet, &dead, w->now);
		}
		turn(w, 1);
	}
	starts = w->n;
	/* Being up takes the count back: one each some seconds, not one each turn. */
	assert_true(starts >= 5 && starts <= 40);
}

static void
never_up_is_given_up(void **state)
{
	struct world *w = *state;

	list(w);
	thing(w, "auto-1")->is_ill = true;
	for (int i = 0; i < 36; i++)
		turn(w, 1);
	assert_int_equal(w->failures, 1);
	assert_false(thing(w, "auto-1")->is_configured);
	assert_true(w->n >= 2); /* another is tried */
}

static void
one_that_is_down_for_long_is_replaced(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 1);
	t = thing(w, "auto-1");
	t->is_ill = true;
	for (int i = 0; i < 40; i++)
		turn(w, 1);
	assert_false(t->is_running);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_int_equal(running(w), 1);
}

static void
one_that_dies_is_taken_out_and_replaced(void **state)
{
	struct world *w = *state;
	struct instance dead;

	list(w);
	settle(w, 2);
	for (int i = 0; i < 15; i++)
		turn(w, 2);
	dead = instance_of(thing(w, "auto-1"), TG_INSTANCE_ENDED);
	thing(w, "auto-1")->is_running = false;
	fleet_changed(w->fleet, &dead, w->now);
	settle(w, 2);
	assert_null(fleet_find(w->fleet, "auto-1"));
	assert_false(thing(w, "auto-1")->is_configured);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->failures, 0);
}

static void
orders_that_fail_at_once_are_given_again(void **state)
{
	struct world *w = *state;

	list(w);
	w->refuses = true;
	settle(w, 2);
	assert_int_equal(running(w), 0);
	w->refuses = false;
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	w->refuses = true;
	settle(w, 0);
	w->refuses = false;
	settle(w, 0);
	assert_int_equal(running(w), 0);
}

static bool
by_chance(unsigned percent)
{
	return (unsigned)rand() % 100 < percent;
}

/* Answers come late or never, processes die, work comes and goes. */
static void
disturb(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct thing *t = &w->things[i];

		if (by_chance(10) && t->start != 0) { /* it was started, and nobody heard */
			t->is_running = true;
			t->start = 0;
		}
		if (by_chance(10) && t->stop != 0) {
			t->is_running = false;
			t->stop = 0;
		}
		if (by_chance(70))
			answer_provider(w, t);
		if (by_chance(70))
			answer_configuration(w, t);
		if (by_chance(2))
			t->is_running = false;
		t->is_up = t->is_running && t->is_configured && by_chance(95);
		if (t->is_configured && t->is_running && !t->is_draining)
			t->in_flight = rand() % 3;
		else if (by_chance(30) || !t->is_running)
			t->in_flight = 0;
	}
}

static void
whatever_is_lost_it_gets_there(void **state)
{
	struct world *w = *state;

	srand(7);
	for (unsigned round = 0; round < 60; round++) {
		uint32_t desired = (uint32_t)rand() % 8;

		for (int i = 0; i < 20 && w->n < MAX - 40; i++) {
			w->now += 1000;
			disturb(w);
			if (by_chance(20))
				list(w);
			observe(w);
			fleet_tick(w->fleet, desired, w->now);
		}
	}
	w->cuts = 0;
	for (unsigned i = 0; i < w->n; i++)
		w->things[i].in_flight = 0;
	for (int i = 0; i < 150; i++) {
		if (i % 10 == 0)
			list(w);
		turn(w, 4);
	}
	assert_int_equal(fleet_counts(w->fleet).ready, 4);
	assert_int_equal(fleet_counts(w->fleet).draining, 0);
	assert_int_equal(running(w), 4);
	for (unsigned i = 0; i < w->n; i++)
		assert_int_equal(w->things[i].is_configured, w->things[i].is_running);
}

static enum fleet_state
state_of(const struct world *w, const char *name)
{
	const struct fleet_member *m = fleet_find(w->fleet, name);

	return m != NULL ? m->state : TG_FLEET_STATE_COUNT;
}

static void
one_that_an_operator_keeps_work_from_is_left_alone(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 2);
	t = thing(w, "auto-1");
	t->is_held = true;
	turn(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_int_equal(fleet_counts(w->fleet).down, 1);
	/* Down meanwhile, for longer than a start may take, as who is in maintenance may be. */
	t->is_ill = true;
	for (int i = 0; i < 100; i++)
		turn(w, 2);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DOWN);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_int_equal(t->stops, 0);
	assert_int_equal(w->n, 2);
	/* Made ready, it has the time of a start. */
	t->is_held = false;
	for (int i = 0; i < 20; i++)
		turn(w, 2);
	t->is_ill = false;
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->n, 2);
}

static void
one_that_an_operator_keeps_work_from_goes_first_and_does_not_come_back(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 2);
	t = thing(w, "auto-1");
	t->is_held = true;
	t->in_flight = 3;
	turn(w, 2);
	turn(w, 1);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DRAINING);
	assert_int_equal(state_of(w, "auto-2"), TG_FLEET_READY);
	/* Needed again: another one is started, the operator's order stays. */
	settle(w, 2);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DRAINING);
	assert_int_equal(state_of(w, "auto-3"), TG_FLEET_READY);
	t->in_flight = 0;
	settle(w, 2);
	assert_int_equal(t->stops, 1);
	assert_int_equal(w->cuts, 0);
}

static void
one_that_drains_and_is_made_ready_by_an_operator_is_not_cut(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 1);
	t = thing(w, "auto-1");
	t->in_flight = 5;
	turn(w, 0);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_DRAINING);
	t->is_draining = false; /* as what is said last counts */
	turn(w, 1);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_READY);
	for (int i = 0; i < 100; i++)
		turn(w, 1);
	assert_int_equal(w->cuts, 0);
	assert_int_equal(w->n, 1);
}

static void
one_that_is_being_added_when_its_service_goes_is_stopped(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	turn(w, 1);
	turn(w, 1); /* it runs, and is to be added */
	t = thing(w, "auto-1");
	assert_true(t->is_adding);
	fleet_unconfigured(w->fleet, w->now);
	t->is_adding = false; /* nobody answers */
	settle(w, 0);
	assert_int_equal(running(w), 0);
	assert_int_equal(fleet_counts(w->fleet).pending + fleet_counts(w->fleet).draining, 0);
}

static bool
is_configured(void *user, const char *name)
{
	return thing(user, name)->is_configured;
}

static void
one_that_an_operator_deletes_is_stopped_and_replaced(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 2);
	t = thing(w, "auto-1");
	t->in_flight = 1;
	t->is_configured = false;
	fleet_look(w->fleet, is_configured, w, w->now);
	settle(w, 2);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_RESTING); /* what it had goes on */
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	t->in_flight = 0;
	settle(w, 2);
	assert_int_equal(t->stops, 1);
	assert_int_equal(running(w), 2);
	assert_int_equal(w->cuts, 0);
}

static void
a_name_with_the_highest_number_leaves_others(void **state)
{
	struct world *w = *state;

	thing(w, "auto-18446744073709551615")->is_running = true;
	list(w);
	settle(w, 3);
	assert_int_equal(running(w), 3);
	assert_int_equal(state_of(w, "auto-1"), TG_FLEET_READY);
	assert_int_equal(state_of(w, "auto-2"), TG_FLEET_READY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_to_what_is_desired_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(starts_nothing_before_it_knows_what_there_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_gone_since_is_taken_out_without_a_failure,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_of_others_are_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_dies_later_is_replaced_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(stops_nothing_that_has_work, set_up, tear_down),
		cmocka_unit_test_setup_teardown(work_that_came_until_nobody_can_pick_it_ends_first,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_end_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(load_that_returns_undrains_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_on_its_way_is_given_up_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(starts_that_fail_wait_longer_each_time, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_ends_as_soon_as_it_is_up_has_failed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(never_up_is_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_down_for_long_is_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_dies_is_taken_out_and_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(orders_that_fail_at_once_are_given_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_an_operator_keeps_work_from_is_left_alone,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_an_operator_keeps_work_from_goes_first_and_does_not_come_back, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_drains_and_is_made_ready_by_an_operator_is_not_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_is_being_added_when_its_service_goes_is_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_an_operator_deletes_is_stopped_and_replaced,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_with_the_highest_number_leaves_others, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(whatever_is_lost_it_gets_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
