#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http/load_report.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NONE     TG_LOAD_NOT_TOLD

static enum load_report_verdict
parse(const char *text, struct load_report *ret)
{
	size_t n = strlen(text);
	char *copy = malloc(n + (n == 0));
	enum load_report_verdict verdict;

	/* A copy without an end, so that a read past it is seen. */
	assert_non_null(copy);
	memcpy(copy, text, n);
	verdict = load_report_parse((struct slice){copy, n}, ret);
	free(copy);
	return verdict;
}

static const struct {
	const char *text;
	int32_t cpu;
	int32_t memory;
} told[] = {
	{"TEXT cpu_utilization=0.3", 300, NONE},
	{"TEXT mem_utilization=0.8", NONE, 800},
	{"TEXT cpu_utilization=0.3,mem_utilization=0.8", 300, 800},
	{"TEXT cpu_utilization=0.3, mem_utilization=0.8, application_utilization=0.5, "
	 "rps_fractional=12000.5, eps=0.1, named_metrics.queue=-3",
	 300, 800},
	{"TEXT cpu_utilization:0.3, mem_utilization:0.8", 300, 800},
	{"TEXT  ,, cpu_utilization = 0.3 ,\t,", 300, NONE},
	{"TEXT cpu_utilization=0,mem_utilization=0.5", 0, 500},
	{"TEXT cpu_utilization=1", 1000, NONE},
	{"TEXT cpu_utilization=1000", 1000000, NONE},
	{"TEXT cpu_utilization=0.30000000000000004", 300, NONE},
	{"TEXT cpu_utilization=0.1234", 123, NONE},
	{"TEXT cpu_utilization=0.1235", 124, NONE},
	{"TEXT cpu_utilization=3e-1", 300, NONE},
	{"TEXT cpu_utilization=0.003E+2", 300, NONE},
	{"TEXT cpu_utilization=0.0000000000000000000000000003e27", 300, NONE},
	{"TEXT cpu_utilization=300000000000000000000000000000e-30", 300, NONE},
	{"TEXT cpu_utilization=123456789012345678901234567890e-30", 123, NONE},
	/* Little is not nothing. */
	{"TEXT cpu_utilization=0.0001", 1, NONE},
	{"TEXT cpu_utilization=5e-324", 1, NONE},
	{"TEXT cpu_utilization=1e-99999999999999999999", 1, NONE},
	{"TEXT cpu_utilization=-0.0,mem_utilization=1", 0, 1000},
	{"TEXT named_metrics.cpu_utilization=7,cpu_utilization=0.2", 200, NONE},
	/* That is a name in JSON alone. */
	{"TEXT cpuUtilization=7,cpu_utilization=0.2", 200, NONE},
	{"JSON {\"cpu_utilization\": 0.3}", 300, NONE},
	{"JSON {\"cpu_utilization\":0.3,\"mem_utilization\":0.8}", 300, 800},
	{"JSON {\"cpuUtilization\": 0.3, \"memUtilization\": 0.8}", 300, 800},
	{"JSON {\"cpu_utilization\": \"0.3\", \"mem_utilization\": null}", 300, NONE},
	{"JSON  \t{ \"rps_fractional\" : 1e9 , \"cpu_utilization\" : 3e-1 } ", 300, NONE},
	{"JSON {\"named_metrics\": {\"cpu_utilization\": 9, \"x\": [1, {}, []]}, "
	 "\"cpu_utilization\": 0.3}",
	 300, NONE},
	{"JSON {\"a\": true, \"b\": false, \"c\": null, \"d\": \"\\\"}\\u00eF\", "
	 "\"mem_utilization\": 0.25}",
	 NONE, 250},
	{"JSON {\"a\":[[[[[[[0]]]]]]],\"cpu_utilization\":1}", 1000, NONE},
};

static void
figures_are_read(void **state)
{
	struct load_report report;

	(void)state;
	for (size_t i = 0; i < COUNT(told); i++) {
		if (parse(told[i].text, &report) != LOAD_REPORT_TOLD ||
		    report.cpu_permille != told[i].cpu ||
		    report.memory_permille != told[i].memory)
			fail_msg("%s: %d, %d", told[i].text, (int)report.cpu_permille,
				 (int)report.memory_permille);
	}
}

static void
must_tell_nothing(const char *text, enum load_report_verdict expected)
{
	struct load_report report = {1, 2};
	enum load_report_verdict verdict = parse(text, &report);

	if (verdict != expected)
		fail_msg("%s: %d", text, (int)verdict);
	assert_int_equal(report.cpu_permille, NONE);
	assert_int_equal(report.memory_permille, NONE);
}

/* Fine, and of no use: not one of them is "idle". */
static const char *const silent[] = {
	"BIN CQAAAAAAANA/EQAAAAAAAOg/",
	"BIN ",
	"TEXT ",
	"TEXT ,",
	"TEXT rps_fractional=10, eps=0",
	"TEXT cpu_utilization=0",
	"TEXT cpu_utilization=0, mem_utilization=0",
	"TEXT cpu_utilization=0.000e5",
	"JSON {}",
	"JSON {\"cpu_utilization\": 0, \"mem_utilization\": 0.0}",
	"JSON {\"cpu_utilization\": null}",
	"JSON {\"named_metrics\": {\"cpu_utilization\": 0.5}}",
};

static void
silence_is_not_idleness(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(silent); i++)
		must_tell_nothing(silent[i], LOAD_REPORT_SILENT);
}

static const char *const bad[] = {
	"",
	"TEXT",
	"BIN",
	"text cpu_utilization=0.3",
	"cpu_utilization=0.3",
	"{\"cpu_utilization\": 0.3}",
	/* numbers */
	"TEXT cpu_utilization=-0.1",
	"TEXT cpu_utilization=1000.001",
	"TEXT cpu_utilization=1e4",
	"TEXT cpu_utilization=1e99999999999999999999",
	"TEXT cpu_utilization=99999999999999999999999999999999",
	"TEXT cpu_utilization=nan",
	"TEXT cpu_utilization=inf",
	"TEXT cpu_utilization=Infinity",
	"TEXT cpu_utilization=0x1",
	"TEXT cpu_utilization=+0.3",
	"TEXT cpu_utilization=.3",
	"TEXT cpu_utilization=1.",
	"TEXT cpu_utilization=01",
	"TEXT cpu_utilization=1e",
	"TEXT cpu_utilization=1e+",
	"TEXT cpu_utilization=-",
	"TEXT cpu_utilization=0.3%",
	"TEXT cpu_utilization=0,3",
	"TEXT cpu_utilization=0.3 mem_utilization=0.8",
	/* one wrong figure spoils the other */
	"TEXT cpu_utilization=0.3, mem_utilization=-1",
	"TEXT cpu_utilization=0.3, eps=nan",
	"TEXT cpu_utilization=0.3, eps",
	"TEXT cpu_utilization=0.3, =1",
	"TEXT cpu_utilization=",
	"TEXT cpu_utilization",
	"TEXT cpu_utilization=0.3, cpu_utilization=0.3",
	/* JSON */
	"JSON ",
	"JSON 0.3",
	"JSON []",
	"JSON {",
	"JSON {}}",
	"JSON {} x",
	"JSON {,}",
	"JSON {\"cpu_utilization\": 0.3,}",
	"JSON {\"cpu_utilization\": 0.3",
	"JSON {\"cpu_utilization\": 0.3]",
	"JSON {\"cpu_utilization\" 0.3}",
	"JSON {\"cpu_utilization: 0.3}",
	"JSON {cpu_utilization: 0.3}",
	"JSON {\"cpu_utilization\": 0.3, \"cpuUtilization\": 0.3}",
	"JSON {\"cpu_utilization\": true}",
	"JSON {\"cpu_utilization\": {}}",
	"JSON {\"cpu_utilization\": NaN}",
	"JSON {\"cpu_utilization\": \"NaN\"}",
	"JSON {\"cpu_utilization\": \"\"}",
	"JSON {\"cpu_utilization\": \"0\\u002e3\"}",
	"JSON {\"cpu_utilization\": -1}",
	"JSON {\"cpu_utilization\": 1001}",
	"JSON {\"a\": \"\\x\", \"cpu_utilization\": 0.3}",
	"JSON {\"a\": \"\\u12g4\", \"cpu_utilization\": 0.3}",
	"JSON {\"a\": \"\\",
	"JSON {\"a\": \"\\u12",
	"JSON {\"a\": \"\x01\"}",
	"JSON {\"a\": tru}",
	"JSON {\"a\": [1 2]}",
	"JSON {\"a\": [1,]}",
	"JSON {\"a\":[[[[[[[[0]]]]]]]],\"cpu_utilization\":1}",
};

static void
what_cannot_be_read_is_not_zero(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_tell_nothing(bad[i], LOAD_REPORT_BAD);
}

/* However deep, and however long: no stack and no time is used up. */
static void
nesting_is_bounded(void **state)
{
	static char text[64 * 1024];

	(void)state;
	memset(text, '[', sizeof(text) - 1);
	memcpy(text, "JSON {\"a\":", 10);
	must_tell_nothing(text, LOAD_REPORT_BAD);
	memset(text, '9', sizeof(text) - 1);
	memcpy(text, "TEXT eps=1e", 11);
	must_tell_nothing(text, LOAD_REPORT_SILENT);
}

/* No beginning of a JSON report says anything. */
static void
a_report_that_is_cut_tells_nothing(void **state)
{
	static const char whole[] = "JSON {\"cpu_utilization\": 0.3, \"a\": {\"b\": [1, \"c\"]}}";
	char text[sizeof(whole)] = "";

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(text, whole, n);
		must_tell_nothing(text, LOAD_REPORT_BAD);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_read),
		cmocka_unit_test(silence_is_not_idleness),
		cmocka_unit_test(what_cannot_be_read_is_not_zero),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_report_that_is_cut_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
