#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proc/backoff.h"

static void
waits_double_up_to_the_maximum(void **state)
{
	static const uint64_t want[] = {0, 100, 200, 400, 500, 500, 500};
	struct backoff b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(backoff_step(&b, 1000), want[i]);
}

static void
long_life_forgives(void **state)
{
	struct backoff b = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		backoff_step(&b, 0);
	assert_int_equal(backoff_step(&b, TG_BACKOFF_RESET_US - 1), 500);
	assert_int_equal(backoff_step(&b, TG_BACKOFF_RESET_US), 0);
	assert_int_equal(backoff_step(&b, 0), 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_maximum),
		cmocka_unit_test(long_life_forgives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
