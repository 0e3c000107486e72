/* sim/trials.c: recorded results: the same with any compiler, on any machine, with any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/trials.h"
#include "unit/sanitized.h"
#include "unit/sim/scenes.h"

/* Numbers with all digits that can be told apart: a microsecond of one backend, a millionth of a percent. */
struct recorded {
	const char *module;
	const char *target;
	uint64_t requests;
	uint64_t beyond;
	uint32_t changes;
	uint32_t reversals;
	const char *hours;
	const char *theta_o;
};

static int
setup(void **state)
{
	(void)state;
	know_modules();
	return 0;
}

static void
make_trials(struct scene *s, struct trials *t, const char *load, uint64_t seconds)
{
	const double rates[] = {1};
	const char *const none[] = {NULL};
	struct err err;

	scene_make(s, rates, 1);
	scene_fini(s);
	assert_int_equal(workload_make(load, 7, seconds, &s->load, &err), 0);
	workload_scale(&s->load, 400);
	assert_int_equal(scene_init(s, &err), 0);
	trials_init(t, s);
	assert_int_equal(trials_add_module(t, "staffing", none, NULL, &err), 0);
	for (const struct contender *c = contenders; c->name != NULL; c++) {
		/* One target of each. */
		size_t n = t->n;

		if (c->knows != KNOWS_ALL)
			continue;
		assert_int_equal(trials_add(t, c->name, &err), 0);
		t->list[n] = t->list[n + 4];
		t->list[n].spec.settings = t->list[n].settings;
		if (t->list[n].spec.module != NULL)
			t->list[n].settings[0] = t->list[n].target;
		t->n = n + 1;
	}
}

static void
check(const struct trial *t, const struct recorded *want)
{
	char hours[32];
	char theta_o[32];

	snprintf(hours, sizeof(hours), "%.9f", t->figures.replica_hours);
	snprintf(theta_o, sizeof(theta_o), "%.9f", t->figures.elasticity.theta_o);
	assert_string_equal(t->name, want->module);
	assert_string_equal(t->target, want->target);
	assert_true(t->figures.requests == want->requests);
	assert_true(t->figures.beyond == want->beyond);
	assert_int_equal(t->figures.changes, want->changes);
	assert_int_equal(t->figures.reversals, want->reversals);
	assert_string_equal(hours, want->hours);
	assert_string_equal(theta_o, want->theta_o);
}

#define N_RECORDED 12

/* In ninety minutes, and in ten. */
static const struct recorded bursts[][N_RECORDED] = {
	{
		{"optimum", "", 527899u, 0u, 7, 5, "2.384536352", "0.240740741"},
		{"staffing", "", 527899u, 77979u, 21, 7, "2.887456396", "23.322222222"},
		{"optimum", "penalty=500", 527899u, 0u, 7, 5, "2.384536352", "0.240740741"},
		{"target", "in_flight=7", 527899u, 17661u, 51, 24, "31.085464996",
		 "1124.201851852"},
		{"staffing", "wait=0.2", 527899u, 92290u, 22, 9, "2.769256929", "20.509259259"},
		{"planner", "penalty=5", 527899u, 31134u, 39, 11, "2.477953799", "4.512962963"},
		{"threshold", "threshold=0.7", 527899u, 112340u, 1304, 55, "7.033183985",
		 "72.977777778"},
		{"hpa", "target=0.7", 527899u, 74819u, 17, 5, "4.016919804", "82.568518519"},
		{"kpa", "utilization=0.7", 527899u, 22238u, 57, 15, "11.072503138",
		 "143.722222222"},
		{"nomad-target", "target=0.7", 527899u, 216033u, 6, 3, "2.447313151",
		 "23.851851852"},
		{"nomad-threshold", "upper=0.7", 527899u, 140082u, 8, 1, "3.533421097",
		 "76.555555556"},
		{"aws", "target=0.7", 527899u, 161391u, 3, 1, "2.866673983", "45.796296296"},
	},
	{
		{"optimum", "", 240213u, 0u, 0, 0, "0.833333333", "0.000000000"},
		{"staffing", "", 240213u, 0u, 1, 0, "0.999444444", "19.433333333"},
		{"optimum", "penalty=500", 240213u, 0u, 0, 0, "0.833333333", "0.000000000"},
		{"target", "in_flight=7", 240213u, 6328u, 6, 2, "10.823464081", "1151.366666667"},
		{"staffing", "wait=0.2", 240213u, 0u, 0, 0, "0.833333333", "0.000000000"},
		{"planner", "penalty=5", 240213u, 0u, 2, 1, "0.844231191", "0.800000000"},
		{"threshold", "threshold=0.7", 240213u, 0u, 38, 1, "1.291370113", "45.433333333"},
		{"hpa", "target=0.7", 240213u, 0u, 1, 0, "0.995833333", "19.000000000"},
		{"kpa", "utilization=0.7", 240213u, 0u, 3, 1, "1.008366298", "20.000000000"},
		{"nomad-target", "target=0.7", 240213u, 0u, 1, 0, "0.997222222", "19.166666667"},
		{"nomad-threshold", "upper=0.7", 240213u, 0u, 1, 0, "0.986111111", "17.833333333"},
		{"aws", "target=0.7", 240213u, 0u, 1, 0, "0.950000000", "13.500000000"},
	},
};

static void
results_are_as_recorded(void **state)
{
	static struct trials t;
	const struct recorded *want = bursts[SIZES(0, 1)];
	struct scene s;
	struct err err;

	(void)state;
	make_trials(&s, &t, "bursts", SIZES(5400, 600));
	assert_int_equal(trials_run(&t, 1, false, &err), 0);
	assert_int_equal(t.n, N_RECORDED);
	for (size_t i = 0; i < t.n; i++)
		check(&t.list[i], &want[i]);
	scene_fini(&s);
}

static void
threads_change_nothing(void **state)
{
	static struct trials one;
	static struct trials four;
	const uint64_t seconds = SIZES(1800, 60);
	struct scene s;
	struct scene s4;
	struct err err;

	(void)state;
	make_trials(&s, &one, "flash", seconds);
	make_trials(&s4, &four, "flash", seconds);
	assert_int_equal(trials_run(&one, 1, false, &err), 0);
	assert_int_equal(trials_run(&four, 4, false, &err), 0);
	for (size_t i = 0; i < one.n; i++) {
		assert_true(one.list[i].figures.cost == four.list[i].figures.cost);
		assert_true(one.list[i].figures.beyond == four.list[i].figures.beyond);
		assert_true(one.list[i].figures.regret_percent ==
			    four.list[i].figures.regret_percent);
	}
	assert_true(one.list[0].figures.regret_percent == 0);
	scene_fini(&s);
	scene_fini(&s4);
}

static void
the_first_error_ends_all(void **state)
{
	static struct trials t;
	const char *const bad[] = {"wait=7", NULL};
	struct scene s;
	struct err err;

	(void)state;
	make_trials(&s, &t, "flash", 60);
	assert_int_equal(trials_add_module(&t, "staffing", bad, NULL, &err), 0);
	assert_int_equal(trials_run(&t, 2, false, &err), -TG_EINVAL);
	assert_string_equal(
		err.text,
		"module \"staffing\": wait: 7 is out of range; allowed: 0.0001 to 0.9999");
	assert_int_equal(trials_add(&t, "hap", &err), -TG_ENOENT);
	assert_string_equal(
		err.text,
		"--compare: \"hap\" is not known; allowed: all, optimum, informed, informed-late, target, staffing, "
		"planner, threshold, hpa, kpa, nomad-target, nomad-threshold, aws");
	scene_fini(&s);
}

static void
all_of_them_are_all_targets(void **state)
{
	static struct trials t;
	const double rates[] = {1};
	struct scene s;
	struct err err;

	(void)state;
	scene_make(&s, rates, 1);
	trials_init(&t, &s);
	assert_int_equal(trials_add(&t, "all", &err), 0);
	assert_int_equal(t.n, 1 + 9 * 7 + 16);
	/* A share of the slots. */
	assert_string_equal(t.list[8].target, "in_flight=3");
	/* Twice would only cost time. */
	assert_int_equal(trials_add(&t, "hpa", &err), -TG_EINVAL);
	assert_string_equal(err.text, "--compare: \"hpa\" is there twice; allowed: each once, \"all\" has it too");
	assert_int_equal(trials_add(&t, "informed", &err), 0);
	assert_int_equal(trials_add(&t, "all", &err), -TG_EINVAL);
	scene_fini(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_as_recorded),
		cmocka_unit_test(threads_change_nothing),
		cmocka_unit_test(the_first_error_ends_all),
		cmocka_unit_test(all_of_them_are_all_targets),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
