#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/backoff.h"

static void
waits_double_up_to_the_maximum(void **state)
{
	static const struct backoff b = {.first_ms = 100, .max_ms = 500};
	static const uint64_t want[] = {100, 200, 400, 500, 500, 500};

	(void)state;
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(backoff_ms(&b, i, UINT64_MAX), want[i]);
	assert_int_equal(backoff_ms(&b, UINT32_MAX, 0), 500);
}

static void
the_widest_limits_do_not_overflow(void **state)
{
	static const struct backoff b = {
		.first_ms = UINT32_MAX - 1, .max_ms = UINT32_MAX, .jitter_percent = 100};

	(void)state;
	assert_int_equal(backoff_ms(&b, 1, 0), UINT32_MAX);
	assert_int_equal(backoff_ms(&b, UINT32_MAX, UINT32_MAX), 0);
}

static void
jitter_leaves_out_its_part_at_most(void **state)
{
	static const struct backoff b = {.first_ms = 100, .max_ms = 2000, .jitter_percent = 50};
	uint64_t least = UINT64_MAX;
	uint64_t most = 0;

	(void)state;
	for (uint64_t random = 0; random < 1000; random++) {
		uint64_t ms = backoff_ms(&b, 1, random);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_int_equal(least, 100);
	assert_int_equal(most, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_maximum),
		cmocka_unit_test(the_widest_limits_do_not_overflow),
		cmocka_unit_test(jitter_leaves_out_its_part_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
