#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "http/date.h"

static const struct {
	uint64_t seconds;
	const char *text;
} dates[] = {
	{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
	{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
	{951868799, "Tue, 29 Feb 2000 23:59:59 GMT"},
	{951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
	{1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"},
	{4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
	{1715385599, "Fri, 10 May 2024 23:59:59 GMT"},
	{1728734400, "Sat, 12 Oct 2024 12:00:00 GMT"},
	{253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void
moments_are_written(void **state)
{
	char text[HTTP_DATE_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		memset(text, 0, sizeof(text));
		http_date_write((struct wall){dates[i].seconds * 1000000u}, text);
		assert_string_equal(text, dates[i].text);
		/* A second is what it is to its end. */
		http_date_write((struct wall){dates[i].seconds * 1000000u + 999999u}, text);
		assert_string_equal(text, dates[i].text);
	}
}

/* The time zone and the language of the machine say nothing. */
static void
it_is_always_gmt(void **state)
{
	char text[HTTP_DATE_LEN + 1] = {0};

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	(void)setlocale(LC_ALL, "");
	http_date_write((struct wall){784111777u * UINT64_C(1000000)}, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_written),
		cmocka_unit_test(it_is_always_gmt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
