#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "observe/counters.h"

/* Names are labels of metrics: lower case, digits and underscore, each once, each with a help. */
static void
check_table(const struct counter_info *table, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_non_null(table[i].name);
		assert_true(strlen(table[i].name) > 0);
		assert_int_equal(strspn(table[i].name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
				 strlen(table[i].name));
		assert_non_null(table[i].help);
		assert_true(strlen(table[i].help) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(table[i].name, table[j].name);
	}
}

static void
listener_counters_are_complete(void **state)
{
	(void)state;
	check_table(listener_counters, TG_L_COUNT);
	assert_string_equal(listener_counters[TG_L_LOG_DROPPED].name, "log_dropped");
}

static void
service_counters_are_complete(void **state)
{
	(void)state;
	check_table(service_counters, TG_S_COUNT);
	assert_string_equal(service_counters[TG_S_NO_BACKEND].name, "no_backend");
}

static void
backend_counters_are_complete(void **state)
{
	(void)state;
	check_table(backend_counters, TG_B_COUNT);
	assert_string_equal(backend_counters[TG_B_REUSES].name, "reuses");
}

static void
worker_counters_are_complete(void **state)
{
	(void)state;
	check_table(worker_counters, TG_W_COUNT);
	assert_string_equal(worker_counters[TG_W_ACCEPTING].name, "accepting");
}

static void
end_reasons_follow_the_counters(void **state)
{
	(void)state;
	assert_int_equal(TG_COUNTER_OF_END(TG_END_DONE), TG_COUNTER_END);
	assert_true(TG_COUNTER_OF_END(TG_END_COUNT - 1) < TG_SEGMENT_COUNTERS);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listener_counters_are_complete),
		cmocka_unit_test(service_counters_are_complete),
		cmocka_unit_test(backend_counters_are_complete),
		cmocka_unit_test(worker_counters_are_complete),
		cmocka_unit_test(end_reasons_follow_the_counters),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
