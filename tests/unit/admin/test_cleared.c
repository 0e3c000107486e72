/* Counters since they were cleared, and highest values that begin anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "admin/cleared.h"
#include "fake/control.h"
#include "observe/counters.h"
#include "fake/count.h"

struct fixture {
	struct control control;
	struct admin_source source;
	uint32_t slot; /* of db/d1 */
	struct segment_load *load;
	struct segment_shared *shared;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_init(&f->control, "");
	if (source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			f->control.steer, mono_read()) != 0)
		return -1;
	f->slot = source_backend_slot(&f->source, 1, 0);
	f->load = segment_load(f->control.segment, f->slot);
	f->shared = segment_shared(f->control.segment, f->slot);
	return 0;
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
add(struct fixture *f, unsigned worker, uint64_t n)
{
	count_in(f->control.segment, worker, f->slot, TG_B_STREAMS, n);
}

static void
sums_begin_anew_and_the_counters_go_on(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 5);
	add(f, 1, 7);
	atomic_store(&f->shared->ejections, 3);
	assert_int_equal(cleared_sum(&f->source, f->slot, TG_B_STREAMS), 12);
	assert_int_equal(cleared_ejections(&f->source, f->slot), 3);
	cleared_set_sums(&f->source);
	assert_int_equal(cleared_sum(&f->source, f->slot, TG_B_STREAMS), 0);
	assert_int_equal(cleared_ejections(&f->source, f->slot), 0);
	assert_int_equal(segment_sum(f->control.segment, f->slot, TG_B_STREAMS), 12);
	add(f, 1, 2);
	assert_int_equal(cleared_sum(&f->source, f->slot, TG_B_STREAMS), 2);
	cleared_set_sums(&f->source);
	assert_int_equal(cleared_sum(&f->source, f->slot, TG_B_STREAMS), 0);
}

static void
what_is_cleared_outlasts_the_keeper(void **state)
{
	struct fixture *f = *state;
	struct admin_source next;

	add(f, 0, 5);
	cleared_set_sums(&f->source);
	assert_int_equal(source_init(&next, f->control.conf, f->control.segment, f->control.health,
				     f->control.steer, mono_read()),
			 0);
	assert_int_equal(cleared_sum(&next, f->slot, TG_B_STREAMS), 0);
	source_fini(&next);
}

static void
a_segment_that_lies_shows_no_huge_number(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 5);
	cleared_set_sums(&f->source);
	count_as(f->control.segment, 0, f->slot, TG_B_STREAMS, 1);
	assert_int_equal(cleared_sum(&f->source, f->slot, TG_B_STREAMS), 0);
}

static void
maxima_begin_with_what_is_now(void **state)
{
	struct fixture *f = *state;

	atomic_store(&f->load->in_flight, 4);
	atomic_store(&f->load->in_flight_max, 9);
	atomic_store(&f->shared->queued_max, 2);
	f->source.rates[f->slot].gauge_max = 8;
	f->source.rates[f->slot].max_per_s[TG_RATE_STREAMS] = 100;
	cleared_set_maxima(&f->source);
	assert_int_equal(source_in_flight_max(&f->source, f->slot), 4);
	assert_int_equal(atomic_load(&f->shared->queued_max), 0);
	assert_int_equal(f->source.rates[f->slot].max_per_s[TG_RATE_STREAMS], 0);
	segment_note_in_flight(f->load, 6);
	assert_int_equal(source_in_flight_max(&f->source, f->slot), 6);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(sums_begin_anew_and_the_counters_go_on),
		CASE(what_is_cleared_outlasts_the_keeper),
		CASE(a_segment_that_lies_shows_no_huge_number),
		CASE(maxima_begin_with_what_is_now),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
