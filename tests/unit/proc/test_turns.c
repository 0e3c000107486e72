#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proc/turns.h"

#define WORKERS 3u

static struct loop *control;
static struct worker_thread threads[WORKERS];
static struct turns turns;

static int
setup(void **state)
{
	(void)state;
	memset(threads, 0, sizeof(threads));
	control = loop_new();
	for (unsigned i = 0; i < WORKERS; i++)
		threads[i].worker.loop = loop_new();
	return turns_init(&turns, control, threads, WORKERS);
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		loop_free(threads[i].worker.loop);
	loop_free(control);
	turns_fini(&turns);
	return 0;
}

/* A worker turns, then control hears of it. */
static void
turn(unsigned worker)
{
	loop_serve_calls(threads[worker].worker.loop);
	loop_serve_calls(control);
}

static void
asked(unsigned n_late, uint32_t loop)
{
	struct msg_pong m;

	turns_ask(&turns, &m);
	assert_int_equal(m.n_late, n_late);
	assert_int_equal(m.loop, loop);
}

static void
workers_that_turn_are_never_late(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		asked(0, TG_PONG_CONTROL);
		for (unsigned w = 0; w < WORKERS; w++)
			turn(w);
	}
}

static void
the_latest_is_told_of(void **state)
{
	(void)state;
	asked(0, TG_PONG_CONTROL);
	turn(0);
	turn(1);
	asked(1, 2);
	turn(0);
	asked(2, 2);
	turn(2);
	asked(2, 1);
	turn(1);
	turn(0);
	turn(2);
	asked(0, TG_PONG_CONTROL);
}

static void
an_answer_on_its_way_is_none_yet(void **state)
{
	(void)state;
	asked(0, TG_PONG_CONTROL);
	for (unsigned w = 0; w < WORKERS; w++)
		loop_serve_calls(threads[w].worker.loop);
	asked(1, 0);
	loop_serve_calls(control);
	asked(0, TG_PONG_CONTROL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(workers_that_turn_are_never_late, setup, teardown),
		cmocka_unit_test_setup_teardown(the_latest_is_told_of, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_on_its_way_is_none_yet, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
