/* module/module.c: the list, and what a descriptor must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale/builtin.h"
#include "module/module.h"

static const char *const words[] = {"one", "two", NULL};
static const char *const no_words[] = {NULL};

static uint32_t
windows(const struct tg_value *values, uint32_t *ret_spans_ms)
{
	(void)values;
	(void)ret_spans_ms;
	return 0;
}

static void
propose(const struct tg_value *values, const struct tg_snapshot *s, struct tg_proposal *ret)
{
	(void)values;
	(void)s;
	(void)ret;
}

static const struct tg_autoscaler ops = {
	.size = sizeof(ops), .windows = windows, .propose = propose};

#define NUMBER(n, p) {.name = n, .preset = p, .max = 1, .help = "h"}

static const struct {
	struct tg_option options[3];
	const char *why;
} wrong[] = {
	{{NUMBER("Up", NULL)}, "option \"Up\" is no name"},
	{{NUMBER("a-b", NULL)}, "option \"a-b\" is no name"},
	{{NUMBER("", NULL)}, "option \"\" is no name"},
	{{NUMBER("min", NULL)}, "option \"min\" is a key that every module has"},
	{{NUMBER("schedules", NULL)}, "option \"schedules\" is a key that every module has"},
	{{NUMBER("a", NULL), NUMBER("a", NULL)}, "option \"a\" is there twice"},
	{{NUMBER("a", "2")}, "option \"a\", preset: 2 is out of range; allowed: 0 to 1"},
	{{NUMBER("a", "x")}, "option \"a\", preset: \"x\" is no number"},
	{{{.name = "a", .type = 9, .help = "h"}}, "option \"a\": type 9 is not known; allowed: 0 to 3"},
	{{{.name = "a", .type = TG_OPTION_WORD, .help = "h"}}, "option \"a\" has no words"},
	{{{.name = "a", .type = TG_OPTION_WORD, .words = no_words, .help = "h"}},
	 "option \"a\" has no words"},
	{{{.name = "a", .type = TG_OPTION_WORD, .words = words, .preset = "three", .help = "h"}},
	 "option \"a\", preset: unknown value \"three\"; allowed: \"one\", \"two\""},
	{{{.name = "a", .type = TG_OPTION_BOOLEAN, .preset = "1", .help = "h"}},
	 "option \"a\", preset: \"1\" is neither true nor false"},
	{{{.name = "a", .type = TG_OPTION_DURATION, .preset = "1", .max = 9, .help = "h"}},
	 "option \"a\", preset: \"1\" has no unit"},
	{{{.name = "a", .min = 2, .max = 1, .help = "h"}}, "option \"a\": from 2 to 1 is no range"},
	{{{.name = "a", .max = NAN, .help = "h"}}, "is no range"},
	{{{.name = "a", .type = TG_OPTION_DURATION, .min = -1, .max = 1, .help = "h"}},
	 "is no range"},
	{{{.name = "a", .max = 1}}, "option \"a\" has no help"},
};

static struct tg_module
some_module(const struct tg_option *options)
{
	return (struct tg_module){
		.magic = TG_MODULE_MAGIC,
		.major = TG_MODULE_MAJOR,
		.minor = TG_MODULE_MINOR,
		.size = sizeof(struct tg_module),
		.kind = TG_MODULE_AUTOSCALER,
		.name = "some-1",
		.help = "h",
		.options = options,
		.ops = &ops,
	};
}

static void
tables_that_are_wrong_are_refused(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct tg_module module = some_module(wrong[i].options);

		assert_int_equal(module_check(&module, &err), -TG_EINVAL);
		if (strstr(err.text, wrong[i].why) == NULL)
			fail_msg("got: %s\nnot: %s", err.text, wrong[i].why);
	}
}

static void
too_many_options_are_refused(void **state)
{
	static char names[TG_OPTIONS_MAX + 1][8];
	static struct tg_option options[TG_OPTIONS_MAX + 2];
	struct tg_module module = some_module(options);
	struct err err;

	(void)state;
	for (size_t i = 0; i <= TG_OPTIONS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "o%zu", i);
		options[i] = (struct tg_option){.name = names[i], .max = 1, .help = "h"};
	}
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
	assert_string_equal(err.text, "more than 64 options");
	options[TG_OPTIONS_MAX].name = NULL;
	assert_int_equal(module_check(&module, &err), 0);
}

static void
kinds_and_words_of_people_are_asked_for(void **state)
{
	struct tg_module module = some_module(NULL);
	struct err err;

	(void)state;
	assert_int_equal(module_check(&module, &err), 0);
	module.kind = 7;
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
	assert_string_equal(err.text, "kind 7 is not known; allowed: 1, an autoscaler, and 2, a scheduler");
	module = some_module(NULL);
	module.help = NULL;
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
	assert_string_equal(err.text, "help is missing");
	module = some_module(NULL);
	module.name = NULL;
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
}

/* Made before uses() was there: what stands behind its table is not its own. */
static void
modules_of_minor_0_say_nothing_of_metrics(void **state)
{
	struct tg_autoscaler ops_0 = ops;
	struct tg_module module = some_module(NULL);
	struct err err;

	(void)state;
	module.minor = 0;
	module.ops = &ops_0;
	ops_0.size = offsetof(struct tg_autoscaler, uses);
	ops_0.uses = (bool (*)(const struct tg_value *, uint32_t))(uintptr_t)1;
	assert_int_equal(module_check(&module, &err), 0);
	assert_false(module_uses(&module, NULL, TG_METRIC_CPU));
	ops_0.size--;
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
}

/* The same of plans: what it says it looks at is heard. */
static bool
looks_at_all(const struct tg_value *values, uint32_t metric)
{
	(void)values;
	(void)metric;
	return true;
}

static void
modules_of_minor_1_have_no_plans(void **state)
{
	struct tg_autoscaler ops_1 = ops;
	struct tg_module module = some_module(NULL);
	struct err err;

	(void)state;
	module.minor = 1;
	module.ops = &ops_1;
	ops_1.size = offsetof(struct tg_autoscaler, plan_numbers);
	ops_1.uses = looks_at_all;
	ops_1.plan = (void (*)(const double *, uint32_t, void *))(uintptr_t)1;
	assert_int_equal(module_check(&module, &err), 0);
	assert_true(module_uses(&module, NULL, TG_METRIC_CPU));
}

static void
all_of_a_plan_or_nothing(void **state)
{
	struct tg_autoscaler ops_2 = ops;
	struct tg_module module = some_module(NULL);
	struct err err;

	(void)state;
	module.ops = &ops_2;
	ops_2.plan = (void (*)(const double *, uint32_t, void *))(uintptr_t)1;
	assert_int_equal(module_check(&module, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "go together"));
}

static void
count(void *user, const struct tg_module *module)
{
	assert_ptr_equal(module_find(TG_MODULE_AUTOSCALER, module->name), module);
	(*(unsigned *)user)++;
}

static void
builtin_ones_are_found(void **state)
{
	unsigned n = 0;

	(void)state;
	modules_add_builtin(autoscale_builtin);
	modules_walk(TG_MODULE_AUTOSCALER, count, &n);
	assert_int_equal(n, 4);
	assert_non_null(module_find(TG_MODULE_AUTOSCALER, "target"));
	assert_non_null(module_find(TG_MODULE_AUTOSCALER, "planner"));
	assert_null(module_find(TG_MODULE_AUTOSCALER, "none"));
	assert_null(module_find((enum tg_module_kind)2, "target"));
}

static void
words_are_there_for_all(void **state)
{
	(void)state;
	assert_string_equal(tg_metric_str(TG_METRIC_IN_FLIGHT), "in-flight");
	assert_string_equal(tg_metric_str(TG_METRIC_PROPOSED), "proposed");
	assert_string_equal(tg_metric_str(TG_METRIC_COUNT), "?");
	assert_string_equal(tg_backend_state_str(TG_BACKEND_PENDING), "pending");
	assert_string_equal(tg_backend_state_str(TG_BACKEND_STATE_COUNT), "?");
	for (unsigned i = 0; i < TG_BACKEND_STATE_COUNT; i++)
		assert_non_null(tg_backend_state_str(i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_that_are_wrong_are_refused),
		cmocka_unit_test(too_many_options_are_refused),
		cmocka_unit_test(kinds_and_words_of_people_are_asked_for),
		cmocka_unit_test(modules_of_minor_0_say_nothing_of_metrics),
		cmocka_unit_test(modules_of_minor_1_have_no_plans),
		cmocka_unit_test(all_of_a_plan_or_nothing),
		cmocka_unit_test(builtin_ones_are_found),
		cmocka_unit_test(words_are_there_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
