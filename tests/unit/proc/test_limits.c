#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "proc/limits.h"

static void
soft_limit_becomes_the_hard_one(void **state)
{
	struct rlimit limit;
	unsigned long in_effect;
	rlim_t hard;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	hard = limit.rlim_max;
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limits_descriptors(), 64);
	assert_int_equal(limits_raise_descriptors(&in_effect, NULL), 0);
	assert_int_equal(in_effect, hard);
	assert_int_equal(limits_descriptors(), hard);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, hard);
	assert_int_equal(limits_raise_descriptors(&in_effect, NULL), 0);
	assert_int_equal(in_effect, hard);
}

static void
both_sides_of_a_connection_are_counted(void **state)
{
	(void)state;
	assert_true(limits_descriptors_for(0) > 0);
	assert_int_equal(limits_descriptors_for(1000) - limits_descriptors_for(0), 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_limit_becomes_the_hard_one),
		cmocka_unit_test(both_sides_of_a_connection_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
