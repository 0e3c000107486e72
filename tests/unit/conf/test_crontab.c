/* conf/crontab.c: points in time, as crontab(5) has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/crontab.h"

static void
fields_are_read(void **state)
{
	struct crontab c;
	struct err err;

	(void)state;
	assert_int_equal(crontab_parse(" 0,30\t8-18/2 1 jan,JUL * ", &c, &err), 0);
	assert_true(c.minutes == (UINT64_C(1) | UINT64_C(1) << 30));
	assert_int_equal(c.hours, 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 18);
	assert_int_equal(c.days, 2);
	assert_int_equal(c.months, 1 << 1 | 1 << 7);
	assert_int_equal(c.weekdays, 0x7f);
	assert_true(c.is_weekday_any && !c.is_day_any);
	assert_int_equal(crontab_parse("*/15 * * * mon-fri", &c, &err), 0);
	assert_true(c.minutes == (UINT64_C(1) | UINT64_C(1) << 15 | UINT64_C(1) << 30 | UINT64_C(1) << 45));
	assert_int_equal(c.weekdays, 0x3e);
	/* Sunday is 0 and 7. */
	assert_int_equal(crontab_parse("0 0 * * 7", &c, &err), 0);
	assert_int_equal(c.weekdays, 1);
	assert_int_equal(crontab_parse("0 0 * * 5-7", &c, &err), 0);
	assert_int_equal(c.weekdays, 1 << 5 | 1 << 6 | 1);
}

static const struct {
	const char *text;
	const char *why;
} wrong[] = {
	{"", "\"\": minute is missing; allowed: minute hour day-of-month month day-of-week"},
	{"0 7 * *", "\"0 7 * *\": day of week is missing"},
	{"0 7 * * * *", "more than five fields"},
	{"60 7 * * *", "minute \"60\"; allowed: *, 0 to 59, and of these lists"},
	{"0 24 * * *", "hour \"24\"; allowed: *, 0 to 23"},
	{"0 0 0 * *", "day of month \"0\"; allowed: *, 1 to 31"},
	{"0 0 * 13 *", "month \"13\"; allowed: *, 1 to 12 or its name"},
	{"0 0 * * 8", "day of week \"8\"; allowed: *, 0 to 7 or its name"},
	{"0 0 * * moon", "day of week \"moon\""},
	{"5-1 0 * * *", "minute \"5-1\""},
	{"*/0 0 * * *", "minute \"*/0\""},
	{"3/2 0 * * *", "minute \"3/2\""},
	{"1, 0 * * *", "minute \"1,\""},
	{"-1 0 * * *", "minute \"-1\""},
	{"99999999999 0 * * *", "minute \"99999999999\""},
	{"0 0 31 feb,apr *", "no such day ever comes"},
	{"@daily", "minute \"@daily\""},
};

static void
what_is_wrong_is_told(void **state)
{
	struct crontab c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(crontab_parse(wrong[i].text, &c, &err), -TG_EINVAL);
		if (strstr(err.text, wrong[i].why) == NULL)
			fail_msg("got: %s\nnot: %s", err.text, wrong[i].why);
	}
}

/* Of two that are restricted, one is enough. */
static void
days_are_as_cron_has_them(void **state)
{
	struct crontab c;
	struct err err;

	(void)state;
	assert_int_equal(crontab_parse("0 0 13 * fri", &c, &err), 0);
	assert_true(crontab_has_day(&c, 13, 1, 2));
	assert_true(crontab_has_day(&c, 2, 1, 5));
	assert_false(crontab_has_day(&c, 2, 1, 4));
	assert_int_equal(crontab_parse("0 0 13 * *", &c, &err), 0);
	assert_false(crontab_has_day(&c, 2, 1, 5));
	assert_int_equal(crontab_parse("0 0 * 2 fri", &c, &err), 0);
	assert_true(crontab_has_day(&c, 2, 2, 5));
	assert_false(crontab_has_day(&c, 2, 2, 4));
	assert_false(crontab_has_day(&c, 2, 1, 5));
	assert_int_equal(crontab_parse("0 0 29 2 *", &c, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_read),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(days_are_as_cron_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
