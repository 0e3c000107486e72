/* sim/replicas.c: from asked for to gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/replicas.h"

#define START 15000u

static struct replicas *r;

static int
setup(void **state)
{
	(void)state;
	r = replicas_new(2, START, 0);
	return r == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	replicas_free(r);
	replicas_free(NULL);
	return 0;
}

static void
check_counts(uint32_t starting, uint32_t ready, uint32_t draining)
{
	assert_int_equal(r->counts[TG_REPLICA_STARTING], starting);
	assert_int_equal(r->counts[TG_REPLICA_READY], ready);
	assert_int_equal(r->counts[TG_REPLICA_DRAINING], draining);
}

static void
a_start_takes_its_delay(void **state)
{
	(void)state;
	assert_true(replicas_next_us(r) == UINT64_MAX);
	assert_int_equal(replicas_take(r, 0), TG_REPLICA_NONE);
	replicas_set(r, 2, 100);
	check_counts(2, 0, 0);
	assert_true(replicas_next_us(r) == 100 + START);
	replicas_set(r, 3, 200);
	replicas_made_ready(r, 100 + START);
	replicas_made_ready(r, 100 + START);
	check_counts(1, 2, 0);
	assert_true(replicas_next_us(r) == 200 + START);
	/* Two for 15000 and one that began 100 later. */
	assert_true(replicas_alive_us(r, 100 + START) == 3 * START - 100);
}

static void
the_least_loaded_is_taken(void **state)
{
	uint32_t first;
	uint32_t second;

	(void)state;
	replicas_begin(r, 2, 0);
	check_counts(0, 2, 0);
	first = replicas_take(r, 0);
	second = replicas_take(r, 0);
	assert_true(first != second);
	(void)replicas_take(r, 0);
	(void)replicas_take(r, 0);
	assert_int_equal(replicas_take(r, 0), TG_REPLICA_NONE);
	assert_int_equal(r->in_flight, 4);
	replicas_release(r, second, 10);
	assert_int_equal(replicas_take(r, 20), second);
	replicas_release(r, first, 30);
	replicas_release(r, first, 30);
	assert_int_equal(replicas_take(r, 30), first);
	/* Two slots for 30, two for 10, one for 10, two from 20 on. */
	assert_true(replica_busy_us(&r->all[first], 40) == 60 + 10);
	assert_true(replica_busy_us(&r->all[second], 40) == 20 + 10 + 40);
}

static void
who_was_asked_for_last_goes_first(void **state)
{
	(void)state;
	replicas_begin(r, 1, 0);
	replicas_set(r, 3, 0);
	replicas_set(r, 2, 10);
	check_counts(1, 1, 0);
	(void)replicas_take(r, 20);
	replicas_set(r, 0, 20);
	check_counts(0, 0, 1);
	/* What it has ends, and then it is gone. */
	assert_int_equal(replicas_take(r, 30), TG_REPLICA_NONE);
	replicas_release(r, 0, 50);
	check_counts(0, 0, 0);
	assert_true(replicas_alive_us(r, 1000) == 50 + 10 + 20);
}

static void
one_that_drains_comes_back(void **state)
{
	(void)state;
	replicas_begin(r, 2, 0);
	assert_int_not_equal(replicas_take(r, 0), replicas_take(r, 0));
	replicas_set(r, 1, 10);
	check_counts(0, 1, 1);
	replicas_set(r, 3, 20);
	check_counts(1, 2, 0);
	assert_int_equal(r->in_flight, 2);
}

static void
there_is_a_bound(void **state)
{
	(void)state;
	replicas_set(r, TG_REPLICAS_MAX + 10, 0);
	assert_int_equal(replicas_wanted(r), TG_REPLICAS_MAX);
	replicas_set(r, 0, 0);
	check_counts(0, 0, 0);
	replicas_set(r, 5, 1);
	check_counts(5, 0, 0);
	assert_true(r->n == TG_REPLICAS_MAX);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_start_takes_its_delay, setup, teardown),
		cmocka_unit_test_setup_teardown(the_least_loaded_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(who_was_asked_for_last_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_drains_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_a_bound, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
