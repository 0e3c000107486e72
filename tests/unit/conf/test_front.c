/* conf/schema_listener.c: what is read before a connection is a mode's: PROXY headers, names of ClientHellos. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *text;
	const char *errors;
} refused[] = {
	{LISTENER("accept_proxy = true;"),
	 "2: listeners[0].accept_proxy: trusted_proxies is missing; without it nobody may connect, but to "
	 "a unix socket"},
	{LISTENER("mode = \"tcp\"; service = \"s\"; trusted_proxies = ( \"::1\" );"),
	 "2: listeners[0].trusted_proxies: only allowed with mode = \"http\" or accept_proxy"},
	{LISTENER("timeouts = { proxy_header = \"0\"; };"),
	 "2: listeners[0].timeouts.proxy_header: 0 is out of range; allowed: 1ms to 1h"},
	{SERVICE("send_proxy = \"v3\";"),
	 "3: services[0].send_proxy: unknown value \"v3\"; allowed: off, v1, v2 (did you mean \"v1\"?)"},
	{LISTENER("mode = \"tcp\"; service = \"s\"; routes = ( { path = \"/\"; service = \"s\"; } );"),
	 "2: listeners[0].routes: path in [0]: only allowed with mode = \"http\""},
	{ROUTES("{ host = \"a\"; service = \"s\"; }, { alpn = \"h2\"; service = \"s\"; }"),
	 "2: listeners[0].routes: alpn in [1]: only allowed with mode = \"tcp\""},
	{LISTENER("mode = \"tcp\"; service = \"s\"; plain_service = \"s\";"),
	 "2: listeners[0].plain_service: has no effect without routes, and with tls"},
	{LISTENER("service = \"s\"; plain_service = \"s\";"),
	 "2: listeners[0].plain_service: only allowed with mode = \"tcp\""},
};

/* And what -t -v shows of it. */
static const struct {
	const char *text;
	const char *part;
} accepted[] = {
	{LISTENER("mode = \"tcp\"; service = \"s\"; accept_proxy = true; trusted_proxies = ( \"::1\" );"),
	 "trusted_proxies = ( \"::1/128\" );"},
	{SERVICE("send_proxy = \"v2\";"), "send_proxy = \"v2\";"},
	{LISTENER("mode = \"tcp\"; plain_service = \"s\"; routes = ( { host = \"A.b\"; service = \"s\"; }, "
		  "{ host = \"a.b\"; alpn = \"x\"; service = \"s\"; }, "
		  "{ host = \"a.b\"; alpn = \"h2\"; service = \"s\"; } );"),
	 "routes = (\n\t\t\t{ host = \"a.b\"; alpn = \"x\"; service = \"s\"; priority = \"normal\"; },\n"
	 "\t\t\t{ host = \"a.b\"; alpn = \"h2\"; service = \"s\"; priority = \"normal\"; },\n"
	 "\t\t\t{ host = \"a.b\"; service = \"s\"; priority = \"normal\"; }\n\t\t);\n\t\tplain_service = \"s\";"},
	{"listeners = ( { name = \"l\"; bind = \"unix:/s\"; accept_proxy = true; service = \"s\"; } );\n"
	 "services = ( { name = \"s\"; } );\n",
	 "accept_proxy = true;"},
};

static void
wrong_ones_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct conf_errors errors = {.n = 0};
		struct conf *conf;
		char *said;

		assert_int_not_equal(conf_load_text(refused[i].text, strlen(refused[i].text), "t",
						    &conf, &errors),
				     0);
		said = errors_text(&errors);
		assert_string_equal(said, refused[i].errors);
		free(said);
		conf_errors_fini(&errors);
	}
}

/* What is shown is read again, and shows the same. */
static void
good_ones_are_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct conf_errors errors = {.n = 0};
		struct conf *conf;
		struct conf *again;
		char *shown;
		char *shown_again;

		assert_int_equal(conf_load_text(accepted[i].text, strlen(accepted[i].text), "t", &conf,
						&errors),
				 0);
		shown = conf_text(conf);
		if (strstr(shown, accepted[i].part) == NULL)
			fail_msg("no %s\n--- in\n%s", accepted[i].part, shown);
		assert_int_equal(conf_load_text(shown, strlen(shown), "t", &again, &errors), 0);
		shown_again = conf_text(again);
		assert_string_equal(shown, shown_again);
		free(shown);
		free(shown_again);
		conf_unref(conf);
		conf_unref(again);
		conf_errors_fini(&errors);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_ones_are_told),
		cmocka_unit_test(good_ones_are_shown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
