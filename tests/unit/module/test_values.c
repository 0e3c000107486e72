/* module/values.c: settings become values, or an error that says what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale/builtin.h"
#include "module/module.h"

#define N(k, n) {.key = (char *)(uintptr_t)(k), .type = TG_SETTING_NUMBER, .number = (n)}
#define B(k, n) {.key = (char *)(uintptr_t)(k), .type = TG_SETTING_BOOLEAN, .number = (n)}
#define T(k, t)                                                               \
	{.key = (char *)(uintptr_t)(k), .type = TG_SETTING_TEXT,              \
	 .text = (char *)(uintptr_t)(t)}

static void
what_is_wrong_is_told(void **state)
{
	const struct {
		struct conf_setting settings[2];
		size_t n;
		size_t bad;
		const char *why;
	} wrong[] = {
		{{T("threshold", "1")}, 1, 0, "a string where a number is wanted"},
		{{B("threshold", 1)}, 1, 0, "true or false where a number is wanted"},
		{{N("threshold", 2)}, 1, 0, "2 is out of range; allowed: 0.01 to 1"},
		{{N("threshold", 0)}, 1, 0, "0 is out of range; allowed: 0.01 to 1"},
		{{N("window", 5)}, 1, 0, "a number where a duration as a string, as \"30s\" is wanted"},
		{{T("window", "5")}, 1, 0, "\"5\" has no unit; allowed: "},
		{{T("window", "1ms")}, 1, 0, "\"1ms\" is out of range; allowed: 0.1s to 3600s"},
		{{N("strict", 1)}, 1, 0, "a number where true or false is wanted"},
		{{T("combine", "mxa")},
		 1,
		 0,
		 "unknown value \"mxa\"; allowed: \"mean\", \"max\", \"cpu\", \"memory\" (did you mean "
		 "\"max\"?)"},
		{{N("threshold", 1), N("threshhold", 1)},
		 2,
		 1,
		 "unknown key of module \"threshold\" (did you mean \"threshold\"?)"},
		{{N("cooldown_dwn", 1)},
		 1,
		 0,
		 "unknown key of module \"threshold\" (did you mean \"cooldown_down\"?)"},
		{{N("zzzzzzzzzzzz", 1)}, 1, 0, "unknown key of module \"threshold\""},
		{{N("threshold", 1), N("threshold", 1)}, 2, 1, "given twice"},
	};
	struct tg_value values[TG_OPTIONS_MAX];
	struct err err;
	size_t bad;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(module_values(&autoscale_threshold, wrong[i].settings, wrong[i].n,
					       values, &bad, &err),
				 -TG_EINVAL);
		assert_int_equal(bad, wrong[i].bad);
		if (strncmp(err.text, wrong[i].why, strlen(wrong[i].why)) != 0)
			fail_msg("got: %s\nnot: %s", err.text, wrong[i].why);
	}
}

static void
presets_and_settings_are_values(void **state)
{
	const struct conf_setting settings[] = {N("threshold", 0.5), T("window", "1500ms"),
						B("strict", 1), T("combine", "cpu")};
	struct tg_value values[TG_OPTIONS_MAX];
	struct err err;
	size_t bad;

	(void)state;
	assert_int_equal(module_values(&autoscale_threshold, NULL, 0, values, &bad, &err), 0);
	assert_true(values[0].number == 0.7 && values[0].is_set);
	assert_true(values[3].number == 10 && values[3].is_set);
	assert_true(values[4].number == 0 && values[4].is_set);
	assert_false(values[5].is_set);
	assert_false(values[TG_OPTIONS_MAX - 1].is_set);
	assert_int_equal(module_values(&autoscale_threshold, settings, 4, values, &bad, &err), 0);
	assert_true(values[0].number == 0.5);
	assert_true(values[1].number == 2);
	assert_true(values[3].number == 1.5);
	assert_true(values[4].number == 1);
}

static void
options_without_preset_are_not_set(void **state)
{
	const struct conf_setting setting = N("in_flight", 40);
	struct tg_value values[TG_OPTIONS_MAX];
	struct err err;
	size_t bad = 0;

	(void)state;
	assert_int_equal(module_values(&autoscale_target, &setting, 1, values, &bad, &err), 0);
	assert_false(values[0].is_set);
	assert_true(values[2].is_set && values[2].number == 40);
	/* Together they are of no use. */
	assert_int_equal(module_values(&autoscale_target, NULL, 0, values, &bad, &err), -TG_EINVAL);
	assert_true(bad == SIZE_MAX);
	assert_non_null(strstr(err.text, "nothing to keep at a target; allowed: metric and target"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(presets_and_settings_are_values),
		cmocka_unit_test(options_without_preset_are_not_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
