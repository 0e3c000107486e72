/* sim/policy.c, sim/policy_make.c: a module at work, by the keys of the daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale/record.h"
#include "sim/policy.h"
#include "sim/run.h"
#include "unit/sim/scenes.h"

static struct err err;

static int
setup(void **state)
{
	(void)state;
	know_modules();
	return 0;
}

static int
make(const char *module, const char *presets, const char *const *settings, struct policy **ret)
{
	const struct policy_spec spec = {.module = module,
					 .settings = settings,
					 .presets = presets,
					 .concurrency = 10,
					 .min = 2,
					 .max = 50};

	err.text[0] = '\0';
	return policy_new(&spec, ret, &err);
}

static void
fails(const char *module, const char *setting, const char *error)
{
	const char *const settings[] = {setting, NULL};
	struct policy *p = NULL;

	assert_int_equal(make(module, NULL, settings, &p), -TG_EINVAL);
	assert_string_equal(err.text, error);
	assert_null(p);
}

static void
keys_are_those_of_the_daemon(void **state)
{
	const char *const settings[] = {"in_flight=7", "interval=500ms", "max=9", "tolerance=0.2", NULL};
	struct policy *p;

	(void)state;
	assert_int_equal(make("target", NULL, settings, &p), 0);
	assert_true(policy_interval_us(p) == 500000);
	assert_int_equal(policy_max(p), 9);
	assert_int_equal(policy_min(p), 2);
	policy_free(p);
	policy_free(NULL);
}

static void
presets_yield_and_the_last_one_counts(void **state)
{
	const char *const settings[] = {"interval=1s", "interval=3s", NULL};
	struct policy *p;

	(void)state;
	assert_int_equal(make("hpa", "interval=15s cooldown_down=0", NULL, &p), 0);
	assert_true(policy_interval_us(p) == 15000000);
	policy_free(p);
	assert_int_equal(make("hpa", "interval=15s cooldown_down=0", settings, &p), 0);
	assert_true(policy_interval_us(p) == 3000000);
	policy_free(p);
}

static void
what_is_wrong_is_named(void **state)
{
	(void)state;
	fails("target", "in_flihgt=7",
	      "module \"target\": in_flihgt: unknown key of module \"target\" (did you mean \"in_flight\"?)");
	fails("staffing", "wait=2", "module \"staffing\": wait: 2 is out of range; allowed: 0.0001 to 0.9999");
	fails("staffing", "wait=x", "module \"staffing\": wait: a string where a number is wanted");
	fails("staffing", "wait", "\"wait\" is no setting; allowed: key=value, as target=0.7");
	fails("staffing", "Wait=1", "\"Wait=1\" is no setting; allowed: key=value, as target=0.7");
	fails("target", "interval=1",
	      "module \"target\": interval: \"1\" has no unit; allowed: \"500ms\", \"1s\", \"2m\", \"1h\", \"1d\"");
	fails("hpa", "target=\"; };", "module \"hpa\": target: a string where a number is wanted");
	fails("xpa", "target=1",
	      "module \"xpa\": module: unknown module \"xpa\"; allowed: target, threshold, staffing, planner, hpa, kpa, "
	      "nomad-target, nomad-threshold, aws (did you mean \"hpa\"?)");
}

/* A minute at a rate of three backends, then of six. */
static void
a_policy_follows_the_load(void **state)
{
	const double rates[] = {200, 200, 500, 500, 500};
	const char *const settings[] = {"wait=0.05", NULL};
	struct figures f;
	struct policy *p;
	struct scene s;

	(void)state;
	scene_make(&s, rates, 5);
	assert_int_equal(make("staffing", NULL, settings, &p), 0);
	assert_int_equal(run_policy(&s, p, NULL, &f, &err), 0);
	assert_true(f.requests > 113000 && f.requests < 115500);
	assert_true(f.changes >= 2 && f.reversals == 0);
	assert_true(f.beyond > 0 && f.beyond_percent < 30);
	assert_true(f.replica_hours > 0.3 && f.replica_hours < 0.6);
	assert_true(f.elasticity.tau_u > 2 && f.elasticity.tau_u < 30);
	assert_true(f.cost > f.replica_hours);
	policy_free(p);
	scene_fini(&s);
}

/* What it logs is read and decided again. */
static void
decisions_are_records(void **state)
{
	const double rates[] = {200, 200, 500, 50, 50};
	char *text = NULL;
	size_t n = 0;
	size_t records = 0;
	FILE *log = open_memstream(&text, &n);
	struct figures f;
	struct policy *p;
	struct scene s;

	(void)state;
	assert_non_null(log);
	scene_make(&s, rates, 5);
	assert_int_equal(make("staffing", NULL, NULL, &p), 0);
	policy_log(p, log);
	assert_int_equal(run_policy(&s, p, NULL, &f, &err), 0);
	assert_int_equal(fclose(log), 0);
	for (char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		struct decide_input in;
		struct decision decision;
		struct record *r;

		assert_int_equal(record_read(line, len, &r, &err), 0);
		in = record_input(r);
		decide(&in, &decision);
		assert_int_equal(decision.desired, record_desired(r));
		record_free(r);
		records++;
		line += len + 1;
	}
	assert_true(records > f.changes);
	free(text);
	policy_free(p);
	scene_fini(&s);
}

/* From zero the first request wakes it. */
static void
a_service_sleeps_and_wakes(void **state)
{
	double rates[30] = {0};
	const char *const settings[] = {"min=0", "idle=1m", NULL};
	struct figures f;
	struct policy *p;
	struct scene s;

	(void)state;
	rates[20] = 50;
	scene_make(&s, rates, 30);
	assert_int_equal(make("staffing", NULL, settings, &p), 0);
	assert_int_equal(run_policy(&s, p, NULL, &f, &err), 0);
	/* Some 2 minutes at the begin, and from minute 20 on to two minutes behind it. */
	assert_true(f.replica_hours > 2.0 / 60 && f.replica_hours < 8.0 / 60);
	assert_true(f.beyond > 200 && f.beyond_percent < 50);
	policy_free(p);
	scene_fini(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_daemon),
		cmocka_unit_test(presets_yield_and_the_last_one_counts),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_policy_follows_the_load),
		cmocka_unit_test(decisions_are_records),
		cmocka_unit_test(a_service_sleeps_and_wakes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
