#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"

/* What is placed by a hash must be found again by the next version of us. */
static void
hashes_never_change(void **state)
{
	(void)state;
	assert_true(hash_bytes("", 0, 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash_bytes("10.0.0.1:80", 11, 0) == UINT64_C(0x0bdac9db975d9f08));
	assert_true(hash_bytes("10.0.0.1:80", 11, 1) == UINT64_C(0xcc0cb57c4b1d01ab));
	assert_true(hash_number(1) == UINT64_C(0x5692161d100b05e5));
}

static void
bytes_and_seed_count(void **state)
{
	(void)state;
	assert_true(hash_bytes("ab", 2, 0) != hash_bytes("ab", 1, 0));
	assert_true(hash_bytes("ab", 2, 0) != hash_bytes("ba", 2, 0));
	assert_true(hash_bytes("ab", 2, 0) != hash_bytes("ab", 2, 1));
}

static void
below_is_even_and_below(void **state)
{
	unsigned got[7] = {0};

	(void)state;
	for (uint64_t i = 0; i < 70000; i++)
		got[hash_below(hash_number(i), 7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(got[i], 9700, 10300);
	assert_int_equal(hash_below(UINT64_MAX, UINT32_MAX), UINT32_MAX - 1);
	assert_int_equal(hash_below(0, 5), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_never_change),
		cmocka_unit_test(bytes_and_seed_count),
		cmocka_unit_test(below_is_even_and_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
