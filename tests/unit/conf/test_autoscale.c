/* conf/schema_autoscale.c: who scales a service; keys of modules; what conf/ asks of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "autoscale/builtin.h"
#include "conf/compare.h"
#include "conf/print_priv.h"
#include "conf/schema_priv.h"
#include "module/module.h"
#include "unit/conf/texts.h"

#define SCALE(x)    SERVICE("autoscale = { module = \"target\"; dry_run = true; max = 9; " x " };")
#define IN_FLIGHT   "in_flight = 40; "
#define SCHEDULE(x) SCALE(IN_FLIGHT "schedules = ( { " x " } );")
#define AT          "3: services[0].autoscale."
#define PROVIDER    "provider = { type = \"process\"; command = ( \"/bin/b\", \"{port}\" ); }; "

static const struct {
	const char *text;
	const char *want;
} refused[] = {
	{SERVICE("autoscale = { module = \"targt\"; dry_run = true; max = 9; };"),
	 AT "module: unknown module \"targt\"; allowed: target, threshold, staffing, planner (did you mean "
	    "\"target\"?)"},
	{SCALE("in_fligth = 40;"), AT "in_fligth: unknown key of module \"target\" (did you mean "
				      "\"in_flight\"?)"},
	{SCALE(IN_FLIGHT "step_dwon = 1;"), AT "step_dwon: unknown key of module \"target\" (did you mean "
					       "\"step_down\"?)"},
	{SCALE("in_flight = \"40\";"), AT "in_flight: a string where a number is wanted"},
	{SCALE("in_flight = 40; tolerance = 2.5;"),
	 AT "tolerance: 2.5 is out of range; allowed: 0 to 0.9"},
	{SCALE(""), AT "module: nothing to keep at a target; allowed: metric and target, or in_flight, "
		       "requests, cpu, memory, queue_time, latency"},
	{SCALE(IN_FLIGHT "x = { };"),
	 AT "x: a group { } where a number, a string, or true or false is wanted"},
	{SCALE(IN_FLIGHT "x = ( 1 );"),
	 AT "x: a list ( ) where a number, a string, or true or false is wanted"},
	{SCALE(IN_FLIGHT "min = 10;"), AT "min: 10 is more than max = 9"},
	{SCALE(IN_FLIGHT "interval = \"1ms\";"), AT "interval: 1ms is out of range; allowed: 100ms to 1m"},
	{SERVICE("autoscale = { module = \"target\"; dry_run = true; in_flight = 4; };"),
	 AT "max: missing"},
	{SERVICE("autoscale = { module = \"target\"; dry_run = true; in_flight = 4; max = 0; };"),
	 AT "max: 0 is out of range; allowed: 1 to 1024"},
	{SERVICE("autoscale = { min = 1; };"), AT "min: only allowed with module"},
	{SERVICE("autoscale = { target = 1; };"), AT "target: only allowed with module"},
	{SERVICE("autoscale = { module = \"target\"; max = 9; in_flight = 4; };"),
	 "3: services[0].autoscale: nobody starts and stops backends: provider is missing; allowed: a "
	 "provider, or dry_run = true"},
	{SERVICE(PROVIDER),
	 "3: services[0].provider: nobody says how many backends there should be: autoscale is missing"},
	{SCHEDULE("start = \"0 7 * * *\"; end = \"0 25 * * *\"; min = 3;"),
	 AT "schedules[0].end: hour \"25\"; allowed: *, 0 to 23, and of these lists \"1,2\", ranges "
	    "\"1-5\" and steps \"*/2\""},
	{SCHEDULE("start = \"0 7 * * *\"; min = 3;"), AT "schedules[0].end: missing"},
	{SCHEDULE("start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 10;"),
	 AT "schedules[0].min: 10 is more than max = 9"},
	{SCHEDULE("start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 3; timezone = \"../x\";"),
	 AT "schedules[0].timezone: \"../x\" is no name of a time zone; allowed: as "
	    "\"Europe/Berlin\" or \"UTC\""},
	{SCHEDULE("start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 3; timezone = \"Mars/Base\";"),
	 AT "schedules[0].timezone: unknown time zone \"Mars/Base\"; allowed: files in "
	    "/usr/share/zoneinfo (tzdata)"},
	{TOP("modules = ( \"a.so\" );"), "1: modules[0]: \"a.so\" is no absolute path"},
	{TOP("modules = ( 3 );"),
	 "1: modules[0]: an integer where an absolute path as a string is wanted"},
};

static void
what_is_wrong_is_told_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf_errors errors;
		struct conf *conf;
		char *got;

		if (conf_load_text(refused[i].text, strlen(refused[i].text), "t", &conf, &errors) == 0)
			fail_msg("accepted: %s", refused[i].text);
		got = errors_text(&errors);
		assert_string_equal(got, refused[i].want);
		free(got);
		conf_errors_fini(&errors);
	}
}

#define AGENT     "agent = { port = 7; }; "
#define HELD(x)   "provider = { type = \"process\"; command = ( \"/bin/b\", \"{port}\" ); " x "}; "
#define EXEC      "provider = { type = \"exec\"; list = ( \"/l\" ); start = ( \"/s\" ); stop = ( \"/t\" ); }; "
#define SCALES(x) "autoscale = { max = 9; " x " }; "
#define BY_CPU    "module = \"target\"; cpu = 0.7; "
#define BY_BOTH   "module = \"threshold\"; "
#define WARNS     "3: warning: services[0].autoscale: "
#define REPORTED  " decides here, and is known only of backends that report it in answers (endpoint-load-metrics)"

/* What is accepted, and hardly meant. */
static const struct {
	const char *text;
	const char *want; /* "": no warning */
} warned[] = {
	{SERVICE(SCALES(BY_CPU) PROVIDER),
	 WARNS "cpu" REPORTED ": what they use is compared with nothing; set provider.cpu, or an agent"},
	{SERVICE(SCALES(BY_CPU) HELD("memory = \"1M\"; ")),
	 WARNS "cpu" REPORTED " or that a control group above limits: what they use is compared with nothing; "
	       "set provider.cpu, or an agent"},
	{SERVICE(SCALES(BY_CPU) HELD("cpu = 0.5; ")), ""},
	{SERVICE(SCALES(BY_CPU) PROVIDER AGENT), ""},
	{SERVICE(SCALES("module = \"target\"; in_flight = 4;") PROVIDER), ""},
	{SERVICE(SCALES("module = \"staffing\"; concurrency = 4;") PROVIDER), ""},
	{SERVICE(SCALES(BY_CPU) EXEC),
	 WARNS "cpu" REPORTED ": programs that start backends do not tell what they use, and no agent does; "
	       "configure an agent"},
	{SERVICE(SCALES(BY_BOTH "dry_run = true;")),
	 WARNS "cpu" REPORTED ": no provider reads what they use, and no agent tells it; configure an agent\n" WARNS
	       "memory" REPORTED ": no provider reads what they use, and no agent tells it; configure an agent"},
	{SERVICE(SCALES(BY_BOTH "combine = \"memory\"; dry_run = true;")),
	 WARNS "memory" REPORTED
	       ": no provider reads what they use, and no agent tells it; configure an agent"},
	{SERVICE(SCALES(BY_BOTH) HELD("cpu = 0.5; memory = \"1M\"; ")), ""},
};

static void
what_can_never_be_known_is_warned_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
		struct conf_errors errors;
		struct conf *conf;
		char *got;

		if (conf_load_text(warned[i].text, strlen(warned[i].text), "t", &conf, &errors) != 0)
			fail_msg("%s: %s", warned[i].text, errors.list[0].text);
		for (size_t k = 0; k < errors.n; k++)
			assert_true(errors.list[k].is_warning);
		got = errors_text(&errors);
		assert_string_equal(got, warned[i].want);
		free(got);
		conf_errors_fini(&errors);
		conf_unref(conf);
	}
}

/* A warning is no error: what is wrong is told beside it, and it alone refuses. */
static void
warnings_stand_beside_errors(void **state)
{
	static const char text[] = SERVICE(SCALES(BY_CPU) PROVIDER) "x = 1;\n";
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
	assert_int_equal(errors.n, 2);
	assert_true(errors.list[0].is_warning);
	assert_false(errors.list[1].is_warning);
	conf_errors_fini(&errors);
}

static struct conf *
load(const char *text)
{
	struct conf_errors errors;
	struct conf *conf;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) != 0)
		fail_msg("%s: %s", text, errors.list[0].text);
	conf_errors_fini(&errors); /* warnings */
	return conf;
}

static void
a_file_that_is_refused_has_its_line(void **state)
{
	static const char text[] = TOP("modules = (\n\"/nowhere/a.so\",\n\"/nowhere/b.so\" );");
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
	assert_int_equal(errors.n, 2);
	assert_string_equal(errors.list[0].text,
			    "t:2: modules[0]: /nowhere/a.so: No such file or directory");
	assert_string_equal(errors.list[1].text,
			    "t:3: modules[1]: /nowhere/b.so: No such file or directory");
	conf_errors_fini(&errors);
}

static const char many[] =
	SERVICE("autoscale = { module = \"other\"; dry_run = true; max = 9; whole = 40; share = 0.7; "
		"tiny = 1e-9; huge = 3000000000L; less = -4; yes = true; no = false; word = \"a $${\\\"\"; "
		"schedules = ( { start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 2; } ); };");

static void
expect_many(const struct conf_autoscale *a)
{
	static const struct {
		const char *key;
		enum conf_setting_type type;
		double number;
	} want[] = {
		{"whole", TG_SETTING_NUMBER, 40},  {"share", TG_SETTING_NUMBER, 0.7},
		{"tiny", TG_SETTING_NUMBER, 1e-9}, {"huge", TG_SETTING_NUMBER, 3e9},
		{"less", TG_SETTING_NUMBER, -4},   {"yes", TG_SETTING_BOOLEAN, 1},
		{"no", TG_SETTING_BOOLEAN, 0},
	};

	assert_int_equal(a->n_settings, 8);
	for (size_t i = 0; i < 7; i++) {
		assert_string_equal(a->settings[i].key, want[i].key);
		assert_int_equal(a->settings[i].type, want[i].type);
		assert_true(a->settings[i].number == want[i].number);
		assert_non_null(a->settings[i].place);
	}
	assert_string_equal(a->settings[7].text, "a ${\"");
	assert_int_equal(a->n_schedules, 1);
	assert_int_equal(a->schedules[0].min, 2);
}

/* Without anybody who knows modules, any will do: so it is in our other processes. */
static void
settings_survive_all_ways(void **state)
{
	struct conf *conf;
	struct conf *again;
	struct err err;
	char *text;
	int fd;

	(void)state;
	conf_set_modules(NULL);
	conf = load(many);
	expect_many(&conf->services[0].autoscale);
	assert_string_equal(conf->services[0].autoscale.settings[0].place, "t:3");
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	conf_set_modules(&module_conf);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	close(fd);
	expect_many(&again->services[0].autoscale);
	assert_true(conf_service_equal(&conf->services[0], &again->services[0]));
	conf_unref(again);
	/* As -t -v shows it. */
	conf_set_modules(NULL);
	text = conf_text(conf);
	assert_non_null(strstr(text, "\n\t\t\tshare = 0.7;\n"));
	again = load(text);
	free(text);
	expect_many(&again->services[0].autoscale);
	conf_set_modules(&module_conf);
	conf_unref(again);
	conf_unref(conf);
}

static void
expect_change(const char *a, const char *b, const char *want)
{
	struct conf *x = load(a);
	struct conf *y = load(b);
	struct conf_changes changes;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_int_equal(conf_compare(x, y, out, &changes), 0);
	fclose(out);
	assert_string_equal(text, want);
	assert_int_equal(conf_service_equal(&x->services[0], &y->services[0]), changes.changed == 0);
	free(text);
	conf_unref(x);
	conf_unref(y);
}

static void
changes_are_told(void **state)
{
	(void)state;
	expect_change(SCALE("in_flight = 40;"), SCALE("in_flight = 40.0;"), "nothing differs\n");
	expect_change(SCALE("in_flight = 40;"), SCALE("in_flight = 41;"),
		      "service s: changed: autoscale.in_flight 40 -> 41\n");
	expect_change(SCALE("in_flight = 40; down_select = \"off\";"), SCALE("in_flight = 40;"),
		      "service s: changed: autoscale.down_select \"off\" -> none\n");
	expect_change(SCALE("in_flight = 40;"), SCALE("in_flight = 40; cpu = 0.5; step_up = 3;"),
		      "service s: changed: autoscale.step_up 0 -> 3, autoscale.cpu none -> 0.5\n");
	expect_change(SCALE("in_flight = 40;"), SERVICE(""),
		      "service s: changed: autoscale.module \"target\" -> none, autoscale.min 1 -> none, "
		      "autoscale.max 9 -> none, autoscale.interval \"1s\" -> none, autoscale.step_up 0 -> "
		      "none, autoscale.step_down 0 -> none, autoscale.cooldown_up \"0\" -> none, "
		      "autoscale.cooldown_down \"1m\" -> none, autoscale.idle \"5m\" -> none, "
		      "autoscale.start_timeout \"1m\" -> none, autoscale.drain_timeout \"1m\" -> none, "
		      "autoscale.dry_run true -> none, autoscale.in_flight 40 -> none, "
		      "hold.requests 1024 -> 0\n");
}

static void
defaults_are_those_of_the_manual(void **state)
{
	struct conf *conf = load(SERVICE(PROVIDER "autoscale = { module = \"target\"; max = 9; "
						  "metric = \"in-flight\"; target = 40; };"));
	const struct conf_autoscale *a = &conf->services[0].autoscale;

	(void)state;
	assert_int_equal(a->min, 1);
	assert_int_equal(a->interval_ms, 1000);
	assert_int_equal(a->cooldown_up_ms, 0);
	assert_int_equal(a->cooldown_down_ms, 60000);
	assert_int_equal(a->idle_ms, 300000);
	assert_false(a->dry_run);
	conf_unref(conf);
	conf = load(SERVICE(""));
	assert_null(conf->services[0].autoscale.module);
	conf_unref(conf);
}

static void
manual_has_modules_and_their_keys(void **state)
{
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);

	(void)state;
	conf_print_manual(out);
	fclose(out);
	assert_non_null(strstr(page, ".Sh AUTOSCALERS\n"));
	assert_non_null(strstr(page, ".It Ic module No = \\(dqthreshold\\(dq\n"));
	assert_non_null(strstr(page, ".It Ic threshold No = Ar number\n"));
	assert_non_null(strstr(page, ".It Ic combine No = Ar string\n"));
	assert_non_null(strstr(page, ".Ql \\(dqmean\\(dq ,\n"));
	assert_non_null(strstr(page, "From 0.1s to 3600s.\nDefault:\n.Ql 10s .\n"));
	assert_non_null(strstr(page, ".It Ic start No = Ar string\n"));
	free(page);
}

static int
know_modules(void **state)
{
	(void)state;
	modules_add_builtin(autoscale_builtin);
	conf_set_modules(&module_conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(what_can_never_be_known_is_warned_of),
		cmocka_unit_test(warnings_stand_beside_errors),
		cmocka_unit_test(a_file_that_is_refused_has_its_line),
		cmocka_unit_test(settings_survive_all_ways),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(manual_has_modules_and_their_keys),
	};

	return cmocka_run_group_tests(tests, know_modules, NULL);
}
