/* A fleet that another instance of tidegate leads, and that comes to lead itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/fleet_world.h"

static struct store_member told[4];
static size_t n_told;

/* It runs, whoever started it. */
static void
tell(struct world *w, const char *name, const char *origin, bool is_draining)
{
	struct endpoint at;

	thing(w, name)->is_running = true;
	assert_int_equal(endpoint_parse("127.0.0.1:9", 0, &at, NULL), 0);
	snprintf(told[n_told].name, sizeof(told[0].name), "%s", name);
	snprintf(told[n_told].origin, sizeof(told[0].origin), "%s", origin);
	told[n_told].is_draining = is_draining;
	told[n_told++].addr = at.addr;
}

static void
follow(struct world *w, uint32_t desired)
{
	struct fleet_told all = {.members = told, .n = n_told, .self = "me"};

	for (int i = 0; i < 10; i++) {
		fleet_follow(w->fleet, &all, w->now);
		turn(w, desired);
	}
}

static void
it_has_what_the_leader_has_and_starts_nothing(void **state)
{
	struct world *w = *state;

	n_told = 0;
	tell(w, "auto-1", "other", false);
	tell(w, "auto-2", "other", false);
	fleet_begin_following(w->fleet, true, w->now);
	follow(w, 4); /* the number is the leader's to reach */
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_true(thing(w, "auto-1")->is_configured && thing(w, "auto-2")->is_configured);
	assert_int_equal(running(w), 2);
	/* What drains there drains here, and comes back. */
	thing(w, "auto-2")->in_flight = 1;
	told[1].is_draining = true;
	follow(w, 1);
	assert_true(thing(w, "auto-2")->is_draining);
	/* So that a next leader knows it too: its place is another's. */
	told[1].is_evicted = true;
	fleet_follow(w->fleet, &(struct fleet_told){told, n_told, "me"}, w->now);
	assert_true(fleet_find(w->fleet, "auto-2")->is_evicted);
	told[1].is_evicted = false;
	told[1].is_draining = false;
	follow(w, 2);
	assert_false(thing(w, "auto-2")->is_draining);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	/* What is not there any more goes when it has nothing to do; nobody is asked to stop it. */
	n_told = 1;
	follow(w, 1);
	assert_true(thing(w, "auto-2")->is_configured);
	thing(w, "auto-2")->in_flight = 0;
	follow(w, 1);
	assert_false(thing(w, "auto-2")->is_configured);
	assert_null(fleet_find(w->fleet, "auto-2"));
	assert_int_equal(thing(w, "auto-2")->stops, 0);
	assert_int_equal(w->failures, 0);
}

static void
what_all_can_stop_is_its_own_when_it_leads(void **state)
{
	struct world *w = *state;

	n_told = 0;
	tell(w, "auto-1", "other", false);
	tell(w, "auto-7", "other", false);
	fleet_begin_following(w->fleet, true, w->now);
	follow(w, 2);
	thing(w, "auto-7")->is_running = false; /* its provider does not have it any more */
	fleet_begin_leading(w->fleet, true);
	turn(w, 2);
	list(w);
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(thing(w, "auto-1")->starts, 0);
	assert_int_equal(thing(w, "auto-7")->starts, 0);
	assert_int_equal(thing(w, "auto-8")->starts, 1); /* no name is used twice */
	settle(w, 0);
	assert_int_equal(thing(w, "auto-1")->stops, 1);
	assert_int_equal(thing(w, "auto-7")->stops, 0);
}

static void
what_only_others_can_stop_serves_until_there_is_enough(void **state)
{
	struct world *w = *state;

	n_told = 0;
	tell(w, "auto-1", "other", false);
	fleet_begin_following(w->fleet, false, w->now);
	fleet_listed(w->fleet, NULL, 0, w->now, w->now);
	follow(w, 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	fleet_begin_leading(w->fleet, false);
	turn(w, 1);
	assert_true(thing(w, "auto-1")->is_configured && !thing(w, "auto-1")->is_draining);
	fleet_listed(w->fleet, NULL, 0, w->now, w->now);
	settle(w, 1);
	assert_false(thing(w, "auto-1")->is_configured);
	assert_int_equal(thing(w, "auto-1")->stops, 0);
	assert_int_equal(thing(w, "auto-2")->starts, 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
}

static void
one_that_leads_no_more_stops_what_nobody_else_can(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	n_told = 0;
	tell(w, "auto-9", "other", false);
	fleet_begin_following(w->fleet, false, w->now);
	thing(w, "auto-1")->in_flight = 1;
	follow(w, 1);
	assert_int_equal(thing(w, "auto-2")->stops, 1);
	assert_int_equal(thing(w, "auto-1")->stops, 0); /* it has something to do */
	thing(w, "auto-1")->in_flight = 0;
	follow(w, 1);
	assert_int_equal(thing(w, "auto-1")->stops, 1);
	assert_int_equal(running(w), 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_has_what_the_leader_has_and_starts_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_all_can_stop_is_its_own_when_it_leads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_only_others_can_stop_serves_until_there_is_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_leads_no_more_stops_what_nobody_else_can, set_up, tear_down),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
