#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proc/pulse.h"

static const struct msg_pong good = {.loop = TG_PONG_CONTROL};

static void
one_that_answers_is_good(void **state)
{
	struct pulse p = {.is_asked = false};
	uint32_t loop;

	(void)state;
	assert_true(pulse_is_good(&p));
	for (int i = 0; i < 5; i++) {
		assert_true(pulse_tick(&p, true));
		assert_false(pulse_is_good(&p));
		assert_true(pulse_answer(&p, &good));
		assert_true(pulse_is_good(&p));
		assert_int_equal(pulse_missed(&p, &loop), 0);
	}
}

static void
silence_is_counted_and_not_asked_twice(void **state)
{
	struct pulse p = {.is_asked = false};
	uint32_t loop;

	(void)state;
	assert_true(pulse_tick(&p, true));
	for (unsigned i = 1; i < 5; i++) {
		assert_false(pulse_tick(&p, true));
		assert_int_equal(pulse_missed(&p, &loop), i);
		assert_int_equal(loop, TG_PONG_CONTROL);
		assert_false(pulse_is_good(&p));
	}
	assert_true(pulse_answer(&p, &good));
	assert_true(pulse_is_good(&p));
	assert_int_equal(pulse_missed(&p, &loop), 0);
}

static void
one_without_room_for_a_question_is_silent(void **state)
{
	struct pulse p = {.is_asked = false};
	uint32_t loop;

	(void)state;
	for (unsigned i = 1; i < 5; i++) {
		assert_false(pulse_tick(&p, false));
		assert_int_equal(pulse_missed(&p, &loop), i);
		assert_false(pulse_is_good(&p));
	}
	assert_true(pulse_tick(&p, true));
	assert_int_equal(pulse_missed(&p, &loop), 0);
}

static void
what_control_tells_of_a_worker_counts_while_it_speaks(void **state)
{
	struct msg_pong late = {.n_late = 7, .loop = 3};
	struct pulse p = {.is_asked = false};
	uint32_t loop;

	(void)state;
	assert_true(pulse_tick(&p, true));
	assert_true(pulse_answer(&p, &late));
	assert_int_equal(pulse_missed(&p, &loop), 7);
	assert_int_equal(loop, 3);
	assert_false(pulse_is_good(&p));
	assert_true(pulse_tick(&p, true));
	assert_int_equal(pulse_missed(&p, &loop), 7);
	assert_false(pulse_tick(&p, true));
	assert_int_equal(pulse_missed(&p, &loop), 1);
	assert_int_equal(loop, TG_PONG_CONTROL);
}

static void
what_is_forgiven_does_not_count(void **state)
{
	struct msg_pong late = {.n_late = 7, .loop = 3};
	struct pulse p = {.is_asked = false};
	uint32_t loop;

	(void)state;
	assert_true(pulse_tick(&p, true));
	assert_true(pulse_answer(&p, &late));
	assert_true(pulse_tick(&p, true));
	assert_false(pulse_tick(&p, true));
	pulse_forgive(&p);
	assert_int_equal(pulse_missed(&p, &loop), 0);
	assert_false(pulse_tick(&p, true));
	assert_int_equal(pulse_missed(&p, &loop), 1);
	late.n_late = 9;
	assert_true(pulse_answer(&p, &late));
	assert_int_equal(pulse_missed(&p, &loop), 2);
	assert_false(pulse_is_good(&p));
	/* Another wait of the same worker, or of another. */
	late.n_late = 1;
	assert_true(pulse_tick(&p, true));
	assert_true(pulse_answer(&p, &late));
	assert_int_equal(pulse_missed(&p, &loop), 1);
}

static void
an_answer_that_nobody_asked_for_is_refused(void **state)
{
	struct pulse p = {.is_asked = false};

	(void)state;
	assert_false(pulse_answer(&p, &good));
	assert_true(pulse_tick(&p, true));
	assert_true(pulse_answer(&p, &good));
	assert_false(pulse_answer(&p, &good));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_answers_is_good),
		cmocka_unit_test(silence_is_counted_and_not_asked_twice),
		cmocka_unit_test(one_without_room_for_a_question_is_silent),
		cmocka_unit_test(what_control_tells_of_a_worker_counts_while_it_speaks),
		cmocka_unit_test(what_is_forgiven_does_not_count),
		cmocka_unit_test(an_answer_that_nobody_asked_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
