/* A fleet that goes over to another provider, of the same type or of another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/fleet_world.h"

static void
another_provider_is_asked_what_the_one_before_was(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 1);
	turn(w, 2);
	assert_true(thing(w, "auto-2")->start != 0);
	thing(w, "auto-2")->start = 0; /* closed with the order open */
	fleet_set_source(w->fleet, 0);
	turn(w, 2);
	assert_int_equal(thing(w, "auto-2")->starts, 1); /* not before a list: it may be there */
	list(w);
	settle(w, 2);
	assert_int_equal(thing(w, "auto-2")->starts, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->failures, 0);
	assert_int_equal(w->n, 2);
}

static void
a_stop_is_asked_of_another_provider_at_once(void **state)
{
	struct world *w = *state;
	struct thing *t;

	list(w);
	settle(w, 1);
	t = thing(w, "auto-1");
	for (int i = 0; i < 10 && t->stop == 0; i++)
		turn(w, 0);
	assert_int_equal(t->stops, 1);
	t->stop = 0;
	fleet_set_source(w->fleet, 0);
	turn(w, 0);
	assert_int_equal(t->stops, 2);
	settle(w, 0);
	assert_int_equal(running(w), 0);
}

static void
those_of_another_source_serve_until_as_many_are_ready(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	thing(w, "auto-1")->in_flight = 1;
	fleet_set_source(w->fleet, 1);
	turn(w, 2); /* not listed yet: they stay, and nothing begins */
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->n, 2);
	list(w); /* what is of another source is not of this one, whatever it says */
	for (int i = 0; i < 10; i++) {
		turn(w, 2);
		assert_true(fleet_counts(w->fleet).ready >= 2);
	}
	assert_int_equal(thing(w, "auto-2")->stops, 1);
	assert_false(thing(w, "auto-2")->is_running);
	assert_int_equal(thing(w, "auto-1")->stops, 0); /* it is not done */
	assert_true(fleet_has_source(w->fleet, 0));
	thing(w, "auto-1")->in_flight = 0;
	settle(w, 2);
	assert_int_equal(thing(w, "auto-1")->stops, 1);
	assert_false(fleet_has_source(w->fleet, 0));
	assert_int_equal(running(w), 2);
	assert_int_equal(fleet_find(w->fleet, "auto-3")->source, 1);
	assert_int_equal(w->failures + w->cuts, 0);
}

static void
those_of_another_source_that_do_not_serve_go_at_once(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 1);
	thing(w, "auto-2")->is_ill = true;
	for (int i = 0; i < 4; i++)
		turn(w, 2);
	assert_int_equal(fleet_find(w->fleet, "auto-2")->state, TG_FLEET_CHECKING);
	turn(w, 3); /* auto-3 is asked for */
	assert_int_equal(fleet_find(w->fleet, "auto-3")->state, TG_FLEET_PENDING);
	fleet_set_source(w->fleet, 1);
	settle(w, 3);
	assert_false(thing(w, "auto-2")->is_running);
	assert_false(thing(w, "auto-3")->is_running);
	assert_true(thing(w, "auto-1")->is_running);
	/* None comes back, nor does it when more are wanted. */
	settle(w, 4);
	assert_int_equal(running(w), 1);
	list(w);
	settle(w, 4);
	assert_int_equal(running(w), 4);
	assert_false(thing(w, "auto-1")->is_running);
}

static void
a_source_that_comes_back_has_its_own_again(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	fleet_set_source(w->fleet, 1);
	turn(w, 2);
	fleet_set_source(w->fleet, 0);
	list(w);
	settle(w, 2);
	assert_int_equal(w->n, 2);
	assert_int_equal(running(w), 2);
	fleet_set_source(w->fleet, 1);
	fleet_take_over(w->fleet, 0);
	list(w);
	settle(w, 2);
	assert_int_equal(w->n, 2);
	assert_true(fleet_has_source(w->fleet, 1));
	assert_false(fleet_has_source(w->fleet, 0));
}

static bool
is_b(void *user, const char *node)
{
	(void)user;
	return strcmp(node, "b") == 0;
}

static void
put_on(struct world *w, const char *name, const char *node)
{
	snprintf(thing(w, name)->node, TG_NODE_NAME, "%s", node);
}

/* A reload took "b" out of the configuration. */
static void
leave_b(struct world *w)
{
	fleet_set_source(w->fleet, 0);
	fleet_leave_nodes(w->fleet, is_b, NULL);
	for (unsigned i = 0; i < w->n; i++)
		w->things[i].is_leaving = is_b(NULL, w->things[i].node);
}

static void
those_of_a_node_that_leaves_serve_until_as_many_are_ready_elsewhere(void **state)
{
	struct world *w = *state;

	put_on(w, "auto-1", "a");
	put_on(w, "auto-2", "b");
	put_on(w, "auto-3", "b");
	list(w);
	settle(w, 3);
	thing(w, "auto-3")->in_flight = 1;
	leave_b(w);
	turn(w, 3);
	assert_int_equal(w->n, 3); /* nothing before the list: they may be found on another node */
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
	list(w);
	for (int i = 0; i < 12; i++) {
		turn(w, 3);
		assert_true(fleet_counts(w->fleet).ready >= 3);
	}
	assert_int_equal(thing(w, "auto-1")->stops, 0);
	assert_int_equal(thing(w, "auto-2")->stops, 1);
	assert_int_equal(thing(w, "auto-3")->stops, 0); /* it is not done */
	thing(w, "auto-3")->in_flight = 0;
	settle(w, 3);
	assert_int_equal(thing(w, "auto-3")->stops, 1);
	assert_int_equal(running(w), 3);
	assert_int_equal(w->failures + w->cuts, 0);
}

static void
those_of_a_node_that_leaves_and_do_not_serve_go_and_none_comes_back(void **state)
{
	struct world *w = *state;

	put_on(w, "auto-1", "b");
	put_on(w, "auto-2", "b");
	thing(w, "auto-2")->is_ill = true;
	list(w);
	settle(w, 1);
	thing(w, "auto-1")->in_flight = 1;
	for (int i = 0; i < 4; i++)
		turn(w, 2);
	turn(w, 1); /* auto-2, which is not up, goes */
	leave_b(w);
	list(w);
	settle(w, 2);
	assert_false(thing(w, "auto-2")->is_running);
	assert_int_equal(fleet_find(w->fleet, "auto-1")->state, TG_FLEET_DRAINING);
	assert_int_equal(running(w), 3); /* two, and the one that drains */
	settle(w, 3);
	assert_int_equal(fleet_find(w->fleet, "auto-1")->state, TG_FLEET_DRAINING);
}

static void
those_found_on_a_node_that_stays_are_as_before(void **state)
{
	struct world *w = *state;

	put_on(w, "auto-1", "b");
	list(w);
	settle(w, 1);
	leave_b(w);
	turn(w, 1);
	thing(w, "auto-1")->is_leaving = false; /* another name of the same daemon has it */
	list(w);
	settle(w, 1);
	assert_int_equal(w->n, 1);
	assert_int_equal(fleet_find(w->fleet, "auto-1")->state, TG_FLEET_READY);
}

static void
what_is_left_of_another_source_goes(void **state)
{
	struct world *w = *state;
	struct instance left[2];
	struct addr addr = {.len = sizeof(struct sockaddr_in)};
	struct thing *known = thing(w, "auto-1");
	struct thing *other = thing(w, "auto-5");

	fleet_set_source(w->fleet, 2);
	known->is_running = other->is_running = true;
	known->is_configured = true;
	assert_int_equal(fleet_found(w->fleet, "auto-1", &addr, known->slot, false, w->now), 0);
	left[0] = instance_of(known, TG_INSTANCE_RUNNING);
	left[1] = instance_of(other, TG_INSTANCE_RUNNING);
	fleet_left(w->fleet, 1, left, 2, w->now);
	turn(w, 1);
	assert_int_equal(other->stops, 1); /* nobody uses it */
	assert_int_equal(known->stops, 0);
	/* Nobody of the present source is there yet. */
	fleet_listed(w->fleet, NULL, 0, w->now, w->now);
	assert_int_equal(fleet_find(w->fleet, "auto-1")->source, 1);
	settle(w, 1);
	assert_int_equal(known->stops, 1);
	assert_false(fleet_has_source(w->fleet, 1));
	assert_int_equal(running(w), 1);
	assert_non_null(fleet_find(w->fleet, "auto-6")); /* a name nobody had */
	assert_int_equal(w->failures + w->cuts, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			another_provider_is_asked_what_the_one_before_was, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_stop_is_asked_of_another_provider_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			those_of_another_source_serve_until_as_many_are_ready, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			those_of_another_source_that_do_not_serve_go_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_source_that_comes_back_has_its_own_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			those_of_a_node_that_leaves_serve_until_as_many_are_ready_elsewhere, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			those_of_a_node_that_leaves_and_do_not_serve_go_and_none_comes_back, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			those_found_on_a_node_that_stays_are_as_before, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_left_of_another_source_goes, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
