/*
 * conf/schema_*.c, conf/valid.c: what would be taken and have no effect, or another than was
 * meant, is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

struct row {
	const char *text;
	const char *want;
};

/* With all errors, without the name of the file. */
static const struct row refused[] = {
	{SERVICE("sticky = { cookie = \"a\"; path = \"shop\"; };"),
	 "3: services[0].sticky.path: bad value \"shop\"; clients ignore a path that does not begin "
	 "with /"},
	{SERVICE("sticky = { cookie = \"a\"; max_age = \"999ms\"; };"),
	 "3: services[0].sticky.max_age: less than a second, and it is told in seconds; allowed: 0, or "
	 "1s to 400d"},
	{SERVICE("sticky = { cookie = \"__secure-a\"; };"),
	 "3: services[0].sticky.cookie: clients take names with \"__Host-\" and \"__Secure-\" only "
	 "with secure = true"},
	{SERVICE("sticky = { cookie = \"__Host-a\"; secure = true; path = \"/a\"; };"),
	 "3: services[0].sticky.cookie: clients take names with \"__Host-\" only with path = \"/\" "
	 "and without domain"},
	{SERVICE("sticky = { cookie = \"__Host-a\"; secure = true; domain = \"example.org\"; };"),
	 "3: services[0].sticky.cookie: clients take names with \"__Host-\" only with path = \"/\" "
	 "and without domain"},
	{SERVICE("balance = \"hash\"; hash_on = \"query:a&b\";"),
	 "3: services[0].hash_on: no argument has the name \"a&b\": & and # end one"},
	{SERVICE("balance = \"hash\"; hash_on = \"query:a=b\";"),
	 "3: services[0].hash_on: bad value \"query:a=b\"; allowed: \"source\", \"path\", "
	 "\"header:NAME\", \"cookie:NAME\", \"query:NAME\""},
	{SERVICE("outlier = { latency = 1.0; };"),
	 "3: services[0].outlier.latency: half of all backends are above the median; allowed: 0, or "
	 "more than 1.0 up to 1000.0"},
	{SERVICE("outlier = { success_rate = -1.9; };"),
	 "3: services[0].outlier.success_rate: -1.9 is out of range; allowed: 0.0 to 100.0"},
	{SERVICE("agent = { };"),
	 "3: services[0].agent.port: missing; an agent is asked at a port of its own"},
	{SERVICE("agent = { interval = \"1s\"; };"),
	 "3: services[0].agent.port: missing; an agent is asked at a port of its own"},
	{BACKENDS("{ address = \"h:1\"; backup = true; tier = 0; }"),
	 "3: services[0].backends[0].tier: 0 contradicts backup = true"},
	{BACKENDS("{ address = \"h:1\"; backup = false; tier = 2; }"),
	 "3: services[0].backends[0].tier: 2 contradicts backup = false"},
	{SERVICE("health = { type = \"none\"; fail_open = 50; }; outlier = { connects = 0; };"),
	 "3: services[0].health: fail_open has no effect with type = \"none\" and nothing in outlier"},
};

/* With what is printed of it. */
static const struct row accepted[] = {
	{SERVICE("health = { type = \"none\"; fail_open = 50; };"), "fail_open = 50;"},
	{SERVICE("sticky = { cookie = \"__Host-a\"; secure = true; };"), "cookie = \"__Host-a\";"},
	{SERVICE("agent = { port = 0; };"), "agent = {"},
	{SERVICE("outlier = { success_rate = 0; latency = 0; };"), "latency = 0.0;"},
	{SERVICE("sticky = { cookie = \"a\"; max_age = \"0\"; };"), "max_age = \"0\";"},
	{BACKENDS("{ address = \"h:1\"; backup = false; tier = 0; }"), "backup = false; tier = 0;"},
};

static void
what_has_no_effect_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct row *row = &refused[i];
		struct conf_errors errors;
		struct conf *conf;
		char *got;

		if (conf_load_text(row->text, strlen(row->text), "t", &conf, &errors) == 0)
			fail_msg("accepted: %s", row->text);
		got = errors_text(&errors);
		assert_string_equal(got, row->want);
		free(got);
		conf_errors_fini(&errors);
	}
}

/* What says "off" is printed, and must read back. */
static void
what_has_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const struct row *row = &accepted[i];
		struct conf_errors errors;
		struct conf *conf;
		char *got;

		if (conf_load_text(row->text, strlen(row->text), "t", &conf, &errors) != 0)
			fail_msg("%s: %s", row->text, errors.list[0].text);
		got = conf_text(conf);
		if (strstr(got, row->want) == NULL)
			fail_msg("%s is printed as\n%s", row->text, got);
		free(got);
		conf_unref(conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_effect_is_refused),
		cmocka_unit_test(what_has_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
