/* What becomes of a backend, and how many of a service there are of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "admin/tally.h"
#include "fake/control.h"

struct fixture {
	struct control control;
	struct admin_source source;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	return source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			   f->control.steer, mono_read());
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	source_fini(&f->source);
	control_fini(&f->control);
	free(f);
	return 0;
}

static void
each_backend_is_in_one_state(void **state)
{
	struct fixture *f = *state;
	struct tally tally = tally_service(&f->source, 0);

	assert_int_equal(tally.conditions[TG_CONDITION_CHECKING], 2);
	assert_int_equal(tally.usable, 0);
	health_set_no_addr(f->control.health, 0, 0, "no such name");
	tally = tally_service(&f->source, 0);
	assert_int_equal(tally.conditions[TG_CONDITION_CHECKING], 1);
	assert_int_equal(tally.conditions[TG_CONDITION_DOWN], 1);
	assert_int_equal(backend_condition(&f->source, 0, 0), TG_CONDITION_DOWN);
}

static void
one_that_is_up_makes_a_service_usable(void **state)
{
	struct fixture *f = *state;
	struct addr addr = f->control.conf->services[1].backends[0].endpoint.addr;
	struct tally tally;

	assert_false(tally_is_usable(&f->source, 1));
	health_set_addr(f->control.health, 1, 0, &addr);
	assert_true(tally_is_usable(&f->source, 1));
	tally = tally_service(&f->source, 1);
	assert_int_equal(tally.conditions[TG_CONDITION_UP], 1);
	assert_int_equal(tally.usable, 1);
}

/* The last one is used in spite of it. */
static void
an_ejected_one_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct addr addr = f->control.conf->services[1].backends[0].endpoint.addr;
	uint32_t slot = source_backend_slot(&f->source, 1, 0);
	struct segment_shared *shared = segment_shared(f->control.segment, slot);
	struct tally tally;

	health_set_addr(f->control.health, 1, 0, &addr);
	atomic_store(&shared->ejected, 1);
	atomic_store(&shared->ejections, 4);
	atomic_store(&segment_load(f->control.segment, slot)->in_flight, 3);
	tally = tally_service(&f->source, 1);
	assert_int_equal(tally.conditions[TG_CONDITION_EJECTED], 1);
	assert_int_equal(tally.conditions[TG_CONDITION_UP], 0);
	assert_int_equal(tally.usable, 1);
	assert_int_equal(tally.ejections, 4);
	assert_int_equal(tally.in_flight, 3);
	assert_true(tally_is_usable(&f->source, 1));
}

static void
words_are_known(void **state)
{
	(void)state;
	assert_string_equal(backend_condition_str(TG_CONDITION_UP), "up");
	assert_string_equal(backend_condition_str(TG_CONDITION_VACANT), "vacant");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_backend_is_in_one_state, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_up_makes_a_service_usable, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_ejected_one_is_told_apart, setup, teardown),
		cmocka_unit_test(words_are_known),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
