/* sim/replay.c: decisions as a daemon shows them, and files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "autoscale/record.h"
#include "sim/replay.h"
#include "unit/sim/scenes.h"

static char path[] = "test_replay_XXXXXX";
static struct err err;
static struct replay_counts counts;
static char *out;

static int
setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	know_modules();
	return fd < 0 || close(fd) != 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(out);
	return unlink(path);
}

/* A decision of threshold on four backends, three of them too many for it. */
static char *
record(uint32_t recorded)
{
	static struct tg_value values[TG_OPTIONS_MAX];
	struct tg_window window = {.span_ms = 10000, .covered_ms = 10000, .n = 10};
	const struct tg_module *module = module_find(TG_MODULE_AUTOSCALER, "threshold");
	struct decide_input in = {
		.module = module,
		.values = values,
		.snapshot = {.size = sizeof(in.snapshot),
			     .now_ms = 1000000,
			     .service = "s",
			     .ready = 4,
			     .desired = 4,
			     .min = 1,
			     .max = 9,
			     .start_s = 2,
			     .n_windows = 1,
			     .windows = &window},
		.state = {.is_store_well = true},
	};
	struct decision d;
	size_t bad;
	char *text;

	assert_int_equal(module_values(module, NULL, 0, values, &bad, &err), 0);
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		window.metrics[i] = (struct tg_figure){10, 0.8, 0.8, 0.8, 0.8, 0.8};
	decide(&in, &d);
	assert_int_equal(d.desired, 5);
	d.desired = recorded;
	text = record_text(&in, &d, 1, (struct wall){.us = 1});
	assert_non_null(text);
	return text;
}

static void
put(const char *before, const char *between, const char *after)
{
	char *right = record(5);
	char *wrong = record(6);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fprintf(f, "%s%s%s%s%s", before, right, between, wrong, after) > 0);
	assert_int_equal(fclose(f), 0);
	free(right);
	free(wrong);
}

static int
replay(const struct policy *other, bool is_json)
{
	FILE *f;
	size_t n;
	int rc;

	free(out);
	out = NULL;
	f = open_memstream(&out, &n);
	assert_non_null(f);
	rc = replay_file(path, other, is_json, f, &counts, &err);
	assert_int_equal(fclose(f), 0);
	return rc;
}

static void
lines_and_lists_are_read(void **state)
{
	static const char *const forms[][3] = {
		{"", "\n", "\n"}, {"[", ",\n", "]\n"}, {"[\n", "\n,\n", "\n]\n\n"}, {"\n", "\r\n", ""}};
	char want[128];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t line = 1 + (forms[i][0][0] != '\0' && strchr(forms[i][0], '\n') != NULL);

		line += i == 2 ? 2 : 1;
		put(forms[i][0], forms[i][1], forms[i][2]);
		assert_int_equal(replay(NULL, false), 0);
		assert_true(counts.n == 2 && counts.same == 1 && counts.different == 1);
		snprintf(want, sizeof(want), "%s:%zu: recorded 6, decided 5\n", path, line);
		assert_string_equal(out, want);
	}
	assert_int_equal(replay(NULL, true), 0);
	assert_non_null(strstr(out, "\"recorded\": 5, \"decided\": 5, \"same\": true}\n"));
	assert_non_null(strstr(out, "\"recorded\": 6, \"decided\": 5, \"same\": false}\n"));
}

static void
another_module_decides_instead(void **state)
{
	const char *const settings[] = {"threshold=0.9", NULL};
	const struct policy_spec spec = {
		.module = "threshold", .settings = settings, .concurrency = 10, .min = 1, .max = 9};
	struct policy *p;

	(void)state;
	put("", "\n", "");
	assert_int_equal(policy_new(&spec, &p, &err), 0);
	assert_int_equal(replay(p, false), 0);
	assert_true(counts.n == 2 && counts.different == 2);
	assert_non_null(strstr(out, "recorded 5, decided 4\n"));
	policy_free(p);
}

static void
what_is_no_record_is_told_with_its_line(void **state)
{
	char want[64];

	(void)state;
	put("", "\n{\"v\": 1}\n", "");
	assert_true(replay(NULL, false) < 0);
	snprintf(want, sizeof(want), "%s:2: no record of a decision: ", path);
	assert_memory_equal(err.text, want, strlen(want));
	assert_int_equal(replay_file("/nowhere/log", NULL, false, stdout, &counts, &err), -TG_ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/log: "));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_lists_are_read),
		cmocka_unit_test(another_module_decides_instead),
		cmocka_unit_test(what_is_no_record_is_told_with_its_line),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
