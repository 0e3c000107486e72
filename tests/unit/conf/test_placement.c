/* conf/schema_placement.c: who places backends, and where they may be. */
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
#include "sched/builtin.h"
#include "unit/conf/texts.h"

#define OTHERS \
	"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n" \
	"services = ( { name = \"db\"; }, { name = \"s\";\n"
#define PLACED(x) OTHERS x "\n} );\n"
#define PLACE(x)  PLACED("placement = { " x " };")
#define AT        "3: services[1]."
#ifdef HAVE_CBC
#define KNOWN "first-fit, best-fit, spread, balanced, dot-product, optimal"
#else
#define KNOWN "first-fit, best-fit, spread, balanced, dot-product"
#endif

static const struct {
	const char *text;
	const char *want;
} refused[] = {
	{PLACED("scheduler = \"spred\";"),
	 AT "scheduler: unknown scheduler \"spred\"; allowed: " KNOWN " (did you mean \"spread\"?)"},
	{PLACED("scheduler = \"target\";"),
	 AT "scheduler: unknown scheduler \"target\"; allowed: " KNOWN ", and what a file in modules brings"},
	{PLACED("scheduler = \"dot-product\"; placement = { sprad = \"zone\"; };"),
	 AT "placement.sprad: unknown key of module \"dot-product\" (did you mean \"spread\"?)"},
	{PLACE("affinity = ( \"dbs\" );"),
	 AT "placement.affinity[0]: unknown service \"dbs\" (did you mean \"db\"?)"},
	{PLACE("affinity = \"db\";"), AT "placement.affinity: a string where a list ( ) is wanted"},
	{PLACE("anti_affinity = ( 3 );"),
	 AT "placement.anti_affinity[0]: an integer where the name of a service as a string is wanted"},
	{PLACE("priority = -1;"), AT "placement.priority: -1 is out of range; allowed: 0 to 1000000"},
	{PLACE("require = { zone = 3; };"),
	 AT "placement.require.zone: an integer where a string is wanted"},
	{PLACE("spread = \"\";"), AT "placement.spread: must not be empty"},
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

static struct conf *
load(const char *text)
{
	struct conf_errors errors;
	struct conf *conf;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) != 0)
		fail_msg("%s: %s", text, errors.list[0].text);
	return conf;
}

static const char many[] =
	PLACED("scheduler = \"first-fit\"; placement = { priority = 7; require = { zone = \"a\"; disk = "
	       "\"ssd\"; }; affinity = ( \"db\" ); anti_affinity = ( \"s\" ); spread = \"rack\"; };");

static void
expect_many(const struct conf *conf)
{
	const struct conf_service *s = &conf->services[1];
	const struct conf_placement *p = &s->placement;

	assert_string_equal(s->scheduler, "first-fit");
	assert_int_equal(p->priority, 7);
	assert_int_equal(p->require.n, 2);
	assert_string_equal(p->require.list[1].key, "disk");
	assert_string_equal(p->require.list[1].text, "ssd");
	assert_int_equal(p->n_affinity, 1);
	assert_ptr_equal(p->affinity[0], &conf->services[0]);
	assert_int_equal(p->n_anti_affinity, 1);
	assert_ptr_equal(p->anti_affinity[0], s);
	assert_string_equal(p->spread, "rack");
}

static void
all_of_it_survives_all_ways(void **state)
{
	struct conf *conf = load(many);
	struct conf *again;
	struct err err;
	char *text;
	int fd;

	(void)state;
	expect_many(conf);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	close(fd);
	expect_many(again);
	assert_true(conf_service_equal(&conf->services[1], &again->services[1]));
	conf_unref(again);
	/* As -t -v shows it. */
	text = conf_text(conf);
	again = load(text);
	free(text);
	expect_many(again);
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
	free(text);
	conf_unref(x);
	conf_unref(y);
}

static void
changes_are_told(void **state)
{
	(void)state;
	expect_change(PLACE("affinity = ( \"db\" );"), PLACE("affinity = ( \"db\" );"),
		      "nothing differs\n");
	expect_change(PLACE("anti_affinity = ( \"db\" ); priority = 1;"),
		      PLACE("anti_affinity = ( \"s\" ); priority = 2;"),
		      "service s: changed: placement.priority 1 -> 2, placement.anti_affinity ( \"db\" ) -> "
		      "( \"s\" )\n");
}

static void
defaults_are_those_of_the_manual(void **state)
{
	struct conf *conf = load(PLACED(""));

	(void)state;
	assert_string_equal(conf->services[1].scheduler, "spread");
	assert_int_equal(conf->services[1].placement.priority, 0);
	assert_null(conf->services[1].placement.spread);
	conf_unref(conf);
}

static void
manual_has_schedulers(void **state)
{
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);

	(void)state;
	conf_print_manual(out);
	fclose(out);
	assert_non_null(strstr(page, ".Sh SCHEDULERS\n"));
	assert_non_null(strstr(page, ".It Ic scheduler No = \\(dqdot-product\\(dq\n"));
	assert_non_null(strstr(page, ".It Ic affinity No = Ar list of names of services\n"));
	free(page);
}

static int
know_modules(void **state)
{
	(void)state;
	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	conf_set_modules(&module_conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(all_of_it_survives_all_ways),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(manual_has_schedulers),
	};

	return cmocka_run_group_tests(tests, know_modules, NULL);
}
