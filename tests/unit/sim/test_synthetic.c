/* sim/synthetic.c: loads that are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/workload.h"

static struct workload
make(const char *name, uint64_t seed, uint64_t seconds)
{
	struct workload w;
	struct err err;

	if (workload_make(name, seed, seconds, &w, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(w.n == seconds && w.step_us == 1000000);
	return w;
}

static void
all_are_within_their_peak_and_of_their_seed(void **state)
{
	(void)state;
	for (size_t i = 0; workload_made_name(i) != NULL; i++) {
		struct workload a = make(workload_made_name(i), 1, 86400);
		struct workload b = make(workload_made_name(i), 1, 86400);

		assert_true(workload_made_help(i)[0] != '\0');
		assert_memory_equal(a.rates, b.rates, 86400 * sizeof(double));
		for (size_t k = 0; k < a.n; k++)
			assert_true(a.rates[k] >= 0 && a.rates[k] < 1.3);
		assert_true(workload_peak(&a) > 0.9);
		workload_fini(&a);
		workload_fini(&b);
	}
}

static void
steps_are_as_high_as_they_say(void **state)
{
	struct workload w = make("step5", 1, 3600);

	(void)state;
	assert_true(w.rates[0] == 0.2 && w.rates[1799] == 0.2 && w.rates[1800] == 1 && w.rates[3599] == 1);
	workload_fini(&w);
}

/* Each is a minute long and at least five times what is before. */
static void
crowds_stay_for_a_minute(void **state)
{
	struct workload w = make("flash", 3, 86400);
	unsigned crowds = 0;

	(void)state;
	for (size_t i = 1; i + 60 < w.n; i++) {
		if (w.rates[i - 1] != 0.1 || w.rates[i] == 0.1)
			continue;
		crowds++;
		assert_true(w.rates[i] >= 0.5);
		for (size_t k = 0; k < 60; k++)
			assert_true(w.rates[i + k] == w.rates[i]);
	}
	assert_true(crowds > 25 && crowds < 75);
	workload_fini(&w);
}

static void
a_day_is_low_once_and_high_once(void **state)
{
	struct workload w = make("diurnal", 1, 86400);

	(void)state;
	assert_true(w.rates[0] < 0.2 && w.rates[43200] > 0.8);
	workload_fini(&w);
}

static void
what_cannot_be_made_is_told(void **state)
{
	struct workload w;
	struct err err;

	(void)state;
	assert_int_equal(workload_make("flahs", 1, 60, &w, &err), -TG_ENOENT);
	assert_string_equal(err.text, "--load: \"flahs\" is not known; allowed: diurnal, bursts, step2, step5, "
				      "step10, flash, on-off");
	assert_int_equal(workload_make("flash", 1, 0, &w, &err), -TG_ELIMIT);
	assert_int_equal(workload_make("flash", 1, UINT64_C(1) << 40, &w, &err), -TG_ELIMIT);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_within_their_peak_and_of_their_seed),
		cmocka_unit_test(steps_are_as_high_as_they_say),
		cmocka_unit_test(crowds_stay_for_a_minute),
		cmocka_unit_test(a_day_is_low_once_and_high_once),
		cmocka_unit_test(what_cannot_be_made_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
