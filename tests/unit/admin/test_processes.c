/* Lines of /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/processes.h"

static void
fields_are_counted_behind_the_name(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_true(process_stat_parse(
		"42 (a) b (c d)) S 1 2 3 0 -1 4194560 5 6 7 8 250 50 0 0 20 0 3 0 123456 9000 "
		"777 18446744073709551615 1 1\n",
		&stat));
	assert_int_equal(stat.cpu_ticks, 300);
	assert_int_equal(stat.start_ticks, 123456);
	assert_int_equal(stat.resident_pages, 777);
	assert_false(process_stat_parse("", &stat));
	assert_false(process_stat_parse("42 (name", &stat));
	assert_false(process_stat_parse("42 (name) S 1 2 3", &stat));
}

static void
this_process_is_found(void **state)
{
	struct wall boot = processes_boot();
	struct process_usage usage;

	(void)state;
	assert_true(process_usage_read(TG_PROCESS_KEEPER, boot, &usage));
	assert_int_equal(usage.pid, getpid());
	assert_true(usage.resident_bytes > 100000);
	assert_true(usage.started.us > boot.us);
	assert_true(usage.started.us <= wall_read().us);
	assert_true(process_usage_read(TG_PROCESS_PARENT, boot, &usage));
	assert_int_equal(usage.pid, getppid());
	assert_false(process_usage_read(TG_PROCESS_PROXY, boot, &usage));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_counted_behind_the_name),
		cmocka_unit_test(this_process_is_found),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
