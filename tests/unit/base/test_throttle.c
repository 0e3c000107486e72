#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/throttle.h"

#define SECOND UINT64_C(1000000)

static unsigned
take_all(_Atomic int64_t *due, unsigned rate, uint64_t burst_us, uint64_t now_us)
{
	unsigned n = 0;

	while (throttle_take(due, rate, burst_us, (struct mono){now_us}))
		n++;
	return n;
}

static void
a_second_has_as_many_as_the_rate_says(void **state)
{
	static const unsigned rates[] = {1, 3, 10, 1000, 30000, TG_THROTTLE_RATE_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		_Atomic int64_t due = 0;
		unsigned n = take_all(&due, rates[i], SECOND / 10, SECOND);

		assert_int_equal(n, 1 + rates[i] / 10);
		for (unsigned at = 1; at <= 100; at++)
			n += take_all(&due, rates[i], SECOND / 10, SECOND + at * SECOND / 10);
		/* Ten seconds, and what may come at once. */
		assert_true(n <= rates[i] * 102 / 10 + 1 && n >= rates[i] * 10);
	}
}

static void
a_rest_gives_no_more_than_the_burst(void **state)
{
	_Atomic int64_t due = 0;

	(void)state;
	assert_int_equal(take_all(&due, 100, SECOND / 10, SECOND), 11);
	assert_int_equal(take_all(&due, 100, SECOND / 10, 50 * SECOND), 11);
	assert_int_equal(take_all(&due, 100, SECOND / 10, 50 * SECOND + SECOND / 100), 1);
}

static void
what_was_not_used_is_there_again(void **state)
{
	_Atomic int64_t due = 0;

	(void)state;
	assert_int_equal(take_all(&due, 100, SECOND / 10, SECOND), 11);
	throttle_give_back(&due, 100);
	assert_int_equal(take_all(&due, 100, SECOND / 10, SECOND), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_has_as_many_as_the_rate_says),
		cmocka_unit_test(a_rest_gives_no_more_than_the_burst),
		cmocka_unit_test(what_was_not_used_is_there_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
