#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/lone.h"

#define SIZE 16u

static void
first_ones_have_lines_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(lone_at(0, SIZE), 0);
	for (uint32_t i = 1; i <= TG_LONE; i++)
		assert_int_equal(lone_at(i, SIZE) - lone_at(i - 1, SIZE), TG_CACHELINE);
}

static void
further_ones_lie_side_by_side_and_cross_no_line(void **state)
{
	(void)state;
	for (uint32_t i = TG_LONE + 1; i < 3 * TG_LONE; i++) {
		size_t at = lone_at(i, SIZE);

		assert_int_equal(at - lone_at(i - 1, SIZE), SIZE);
		assert_int_equal(at / TG_CACHELINE, (at + SIZE - 1) / TG_CACHELINE);
	}
}

static void
bytes_hold_the_last_one(void **state)
{
	static const uint32_t counts[] = {1,           2,           TG_LONE, TG_LONE + 1,
					  TG_LONE + 4, TG_LONE + 5, 10000};

	(void)state;
	assert_int_equal(lone_bytes(0, SIZE), 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t bytes = lone_bytes(counts[i], SIZE);

		assert_true(bytes >= lone_at(counts[i] - 1, SIZE) + SIZE);
		assert_int_equal(bytes % TG_CACHELINE, 0);
		assert_true(bytes < lone_at(counts[i] - 1, SIZE) + SIZE + TG_CACHELINE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_ones_have_lines_of_their_own),
		cmocka_unit_test(further_ones_lie_side_by_side_and_cross_no_line),
		cmocka_unit_test(bytes_hold_the_last_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
