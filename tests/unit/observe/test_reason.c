#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "observe/reason.h"

static void
every_reason_has_its_own_word(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TG_END_COUNT; i++) {
		assert_string_not_equal(end_reason_str(i), "?");
		assert_string_not_equal(end_reason_help(i), "?");
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(end_reason_str(i), end_reason_str(j));
	}
}

static void
words_are_the_ones_of_the_log(void **state)
{
	(void)state;
	assert_string_equal(end_reason_str(TG_END_DONE), "done");
	assert_string_equal(end_reason_str(TG_END_SHUTDOWN), "shutdown");
	assert_string_equal(end_reason_str(TG_END_CONNECT_FAILED), "connect-failed");
}

static void
outside_the_enum_is_a_question_mark(void **state)
{
	(void)state;
	assert_string_equal(end_reason_str(TG_END_COUNT), "?");
	assert_string_equal(end_reason_help(UINT32_MAX), "?");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_own_word),
		cmocka_unit_test(words_are_the_ones_of_the_log),
		cmocka_unit_test(outside_the_enum_is_a_question_mark),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
