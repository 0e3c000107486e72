/* conf/value.c: durations and sizes there and back, strings that read back as the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/schema_priv.h"

static void
durations_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
		const char *shown;
	} good[] = {
		{"0", 0, "0"},	       {"0s", 0, "0"},		 {"1ms", 1, "1ms"},
		{"999ms", 999, "999ms"}, {"1000ms", 1000, "1s"},	 {"1s", 1000, "1s"},
		{"90s", 90000, "90s"}, {"120s", 120000, "2m"},	 {"2m", 120000, "2m"},
		{"1h", 3600000, "1h"}, {"1d", 86400000, "1d"},	 {"36h", 129600000, "36h"},
		{"007s", 7000, "7s"},  {"1500ms", 1500, "1500ms"},
	};
	static const char *const bad[] = {"",	 "s",	"1",   "1 s", " 1s", "1s ", "1.5s", "-1s",
					  "+1s", "1S",	"1ns", "1us", "1w",  "1s1", "0x1s", "1e3s",
					  "99999999999999999999ms", "18446744073709551615s", "00"};
	uint64_t ms;
	char buf[32];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(conf_duration_parse(good[i].text, &ms, &err), 0);
		assert_int_equal(ms, good[i].ms);
		conf_duration_format(ms, buf, sizeof(buf));
		assert_string_equal(buf, good[i].shown);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (conf_duration_parse(bad[i], &ms, &err) >= 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
	assert_int_equal(conf_duration_parse("18446744073709551615ms", &ms, &err), 0);
	assert_int_equal(ms, UINT64_MAX);
}

static void
sizes_have_binary_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *shown;
	} good[] = {
		{"0", 0, "0"},	       {"1", 1, "1"},	       {"1023", 1023, "1023"},
		{"1024", 1024, "1K"},  {"1K", 1024, "1K"},     {"1025", 1025, "1025"},
		{"1M", 1 << 20, "1M"}, {"1024K", 1 << 20, "1M"}, {"3G", UINT64_C(3) << 30, "3G"},
		{"0G", 0, "0"},
	};
	static const char *const bad[] = {"",	"K",   "1k", "1KB", "1KiB", "1 K", "1.5M", "-1",
					  "+1", "1T", "0x10", "17179869184G", "18446744073709551616"};
	uint64_t bytes;
	char buf[32];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(conf_size_parse(good[i].text, &bytes, &err), 0);
		assert_int_equal(bytes, good[i].bytes);
		conf_size_format(bytes, buf, sizeof(buf));
		assert_string_equal(buf, good[i].shown);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (conf_size_parse(bad[i], &bytes, &err) >= 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

static void
strings_are_escaped(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_non_null(out);
	conf_print_text("a\"b\\c\n\x01\x7f\xc3\xa4 ${X} $ $${", out);
	fclose(out);
	assert_string_equal(text,
			    "\"a\\\"b\\\\c\\x0a\\x01\\x7f\xc3\xa4 $${X} $ $$${\"");
	free(text);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(sizes_have_binary_units),
		cmocka_unit_test(strings_are_escaped),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
