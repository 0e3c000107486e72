/* autoscale/fleet.c: what a provider says of backends that run and do not work, and of places it cannot see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/autoscale/fleet_world.h"

/* As its provider says, which has not told that it ended. */
static void
tell_ill(struct world *w, struct thing *t, bool is_ill)
{
	struct instance i = instance_of(t, TG_INSTANCE_RUNNING);

	i.is_ill = is_ill;
	fleet_changed(w->fleet, &i, w->now);
}

static void
one_that_does_not_work_goes_when_another_is_there(void **state)
{
	struct world *w = *state;
	const struct fleet_member *m;

	list(w);
	settle(w, 2);
	tell_ill(w, &w->things[0], true);
	turn(w, 2);
	m = fleet_find(w->fleet, w->things[0].name);
	assert_true(m->is_condemned);
	assert_int_equal(m->state, TG_FLEET_READY); /* it serves until then */
	settle(w, 2);
	assert_null(fleet_find(w->fleet, w->things[0].name));
	assert_int_equal(w->n, 3);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
}

/* What all depend on may be what does not work. */
static void
those_that_do_not_work_go_one_at_a_time(void **state)
{
	struct world *w = *state;
	unsigned condemned = 0;

	list(w);
	settle(w, 3);
	for (unsigned i = 0; i < 3; i++)
		tell_ill(w, &w->things[i], true);
	turn(w, 3);
	for (unsigned i = 0; i < 3; i++)
		condemned += fleet_find(w->fleet, w->things[i].name)->is_condemned;
	assert_int_equal(condemned, 1);
	assert_true(running(w) <= 4);
	settle(w, 3);
	settle(w, 3);
	settle(w, 3);
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_null(fleet_find(w->fleet, w->things[i].name));
}

static void
one_that_works_again_stays(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 1);
	tell_ill(w, &w->things[0], true);
	fleet_tick(w->fleet, 1, w->now);
	assert_true(fleet_find(w->fleet, w->things[0].name)->is_condemned);
	tell_ill(w, &w->things[0], false);
	settle(w, 1);
	assert_false(fleet_find(w->fleet, w->things[0].name)->is_condemned);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	assert_int_equal(w->things[0].stops, 0);
}

/* Of a node that is down nothing is known. */
static void
what_a_part_of_a_list_has_not_may_be_there(void **state)
{
	struct world *w = *state;
	struct instance i;

	fleet_listed_part(w->fleet, NULL, 0, w->now);
	assert_true(fleet_is_listed(w->fleet));
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	w->now += 60000;
	i = instance_of(&w->things[0], TG_INSTANCE_RUNNING);
	fleet_listed_part(w->fleet, &i, 1, w->now);
	settle(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->n, 2);
	fleet_listed(w->fleet, &i, 1, w->now, w->now);
	settle(w, 2);
	assert_int_equal(w->n, 3);
}

static void
cut_off(struct thing *t, bool is_on)
{
	t->is_cut_off = is_on;
	t->is_ill = is_on;
}

/* Long before its time to come back is over. */
static void
one_whose_node_is_silent_too_is_replaced_at_once(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	cut_off(&w->things[0], true);
	turn(w, 2);
	assert_int_equal(w->lost, 1);
	assert_int_equal(w->things[2].starts, 1);
	turn(w, 2);
	turn(w, 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(fleet_counts(w->fleet).down, 1);
	for (int i = 0; i < 3; i++)
		settle(w, 2);
	assert_int_equal(w->n, 3);
	assert_int_equal(w->things[0].stops, 1); /* as any that is down for too long */
	assert_int_equal(w->lost, 1);
	assert_int_equal(w->back, 0);
	assert_int_equal(w->failures, 0);
}

static void
one_that_is_back_makes_one_too_many(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	cut_off(&w->things[0], true);
	settle(w, 2);
	assert_int_equal(running(w), 3);
	cut_off(&w->things[0], false);
	settle(w, 2);
	assert_int_equal(w->back, 1);
	assert_int_equal(running(w), 2);
	assert_int_equal(fleet_counts(w->fleet).ready, 2);
	assert_int_equal(w->n, 3);
}

/* All are cut off, which means ourselves: what had no place yet is not wanted any more. */
static void
all_that_are_back_before_others_began_stay(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 3);
	w->refuses = true; /* nothing can be started */
	for (unsigned i = 0; i < 3; i++)
		cut_off(&w->things[i], true);
	settle(w, 3);
	assert_int_equal(w->lost, 3);
	assert_int_equal(fleet_counts(w->fleet).pending, 3);
	for (unsigned i = 0; i < 3; i++)
		cut_off(&w->things[i], false);
	w->refuses = false;
	settle(w, 3);
	for (unsigned i = 3; i < w->n; i++)
		assert_int_equal(w->things[i].starts, 0);
	assert_int_equal(running(w), 3);
	assert_int_equal(fleet_counts(w->fleet).ready, 3);
}

/* They need not come back to go. */
static void
those_that_are_lost_go_when_fewer_are_wanted(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 3);
	cut_off(&w->things[0], true);
	cut_off(&w->things[1], true);
	turn(w, 3);
	assert_int_equal(w->lost, 2);
	for (int i = 0; i < 8; i++)
		turn(w, 1);
	assert_int_equal(fleet_counts(w->fleet).down, 1);
	assert_int_equal(fleet_counts(w->fleet).ready, 1);
	for (int i = 0; i < 8; i++)
		turn(w, 0);
	assert_int_equal(fleet_counts(w->fleet).down, 0);
	assert_int_equal(running(w), 0);
}

/* A daemon that is away while its containers work; and one that an operator has. */
static void
one_that_is_up_or_held_is_not_lost(void **state)
{
	struct world *w = *state;

	list(w);
	settle(w, 2);
	w->things[0].is_cut_off = true;
	w->things[1].is_held = true;
	cut_off(&w->things[1], true);
	settle(w, 2);
	assert_int_equal(w->lost, 0);
	assert_int_equal(w->n, 2);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_that_does_not_work_goes_when_another_is_there,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(those_that_do_not_work_go_one_at_a_time, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_works_again_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_part_of_a_list_has_not_may_be_there, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_whose_node_is_silent_too_is_replaced_at_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_back_makes_one_too_many, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(all_that_are_back_before_others_began_stay, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_up_or_held_is_not_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(those_that_are_lost_go_when_fewer_are_wanted, set_up,
						tear_down),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
