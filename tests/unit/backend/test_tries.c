#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "backend/tries.h"
#include "unit/backend/two_workers.h"

static const char text[] =
	WORLD("{ name = \"a\"; retry = { attempts = 7; backoff = \"100ms\"; }; backends = ( "
	      "{ name = \"x\"; address = \"127.0.0.1:1\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:2\"; }, "
	      "{ name = \"z\"; address = \"127.0.0.1:3\"; } ); }");

static int
setup(void **state)
{
	(void)state;
	return open_two_workers(text);
}

static int
teardown(void **state)
{
	(void)state;
	return close_two_workers();
}

static void
fail_at(struct tries *t, unsigned backend)
{
	struct worker_service *s = service_of(0, 0);

	tries_failed(t, s->backends[backend], TG_END_CONNECT_FAILED);
	assert_true(tries_again(t, s, TG_CAUSE_CONNECT));
}

/* However many backends failed before it: a pause for each round, not for each of them. */
static void
pauses_double_by_rounds(void **state)
{
	struct tries t = {.n = 0};

	(void)state;
	for (unsigned b = 0; b < 3; b++)
		fail_at(&t, b);
	assert_int_equal(t.query.n_tried, 3);
	assert_in_range(tries_start_over(&t, service_of(0, 0)), 75, 125);
	assert_int_equal(t.query.n_tried, 0);
	for (unsigned b = 0; b < 3; b++)
		fail_at(&t, b);
	assert_in_range(tries_start_over(&t, service_of(0, 0)), 150, 250);
	fail_at(&t, 0);
	assert_in_range(tries_start_over(&t, service_of(0, 0)), 300, 500);
	assert_int_equal(t.n_failed, 7);
	assert_int_equal(t.denied, TG_DENIED_NOT);
	assert_false(tries_again(&t, service_of(0, 0), TG_CAUSE_CONNECT));
	assert_int_equal(t.denied, TG_DENIED_ATTEMPTS);
	assert_false(tries_again(&t, service_of(0, 0), 503));
	assert_int_equal(t.denied, TG_DENIED_CAUSE);
}

static uint64_t
redispatches(const char *name)
{
	return segment_sum(world.segment, slot_of(TG_SLOT_BACKEND, "a", name), TG_B_REDISPATCHES);
}

/* Counted where it failed; the same backend once more is none. */
static void
tries_elsewhere_are_counted(void **state)
{
	struct worker_service *s = service_of(0, 0);
	struct tries t = {.n = 0};

	(void)state;
	tries_next(&t, s->backends[0]);
	fail_at(&t, 0);
	tries_next(&t, s->backends[1]);
	fail_at(&t, 1);
	tries_next(&t, s->backends[1]);
	fail_at(&t, 1);
	tries_next(&t, s->backends[0]);
	assert_int_equal(redispatches("x"), 1);
	assert_int_equal(redispatches("y"), 1);
	assert_int_equal(redispatches("z"), 0);
	assert_int_equal(
		segment_sum(world.segment,
			    segment_find(world.segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "a"),
			    TG_S_REDISPATCHES),
		2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pauses_double_by_rounds),
		CASE(tries_elsewhere_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
