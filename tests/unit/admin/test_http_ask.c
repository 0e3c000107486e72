/* Requests to the HTTP port: what each asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/http_ask.h"
#include "fake/control.h"

static struct control control;

static int
setup(void **state)
{
	(void)state;
	control_init(&control, "");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	control_fini(&control);
	return 0;
}

static struct http_ask ask;

static unsigned
read_ask(const char *method, const char *target)
{
	struct http_head head = {.method = {method, strlen(method)},
				 .target = {target, strlen(target)}};
	const char *why = NULL;
	unsigned status = http_ask_read(control.conf, &head, &ask, &why);

	assert_true(status == 200 || (why != NULL && why[0] != '\0'));
	return status;
}

static void
pages_are_found_by_their_path(void **state)
{
	(void)state;
	assert_int_equal(read_ask("GET", "/metrics"), 200);
	assert_int_equal(ask.page, TG_PAGE_METRICS);
	assert_int_equal(ask.backends, TG_BACKENDS_AS_BOUND);
	assert_false(ask.is_head);
	assert_int_equal(read_ask("HEAD", "/status"), 200);
	assert_int_equal(ask.page, TG_PAGE_STATUS);
	assert_true(ask.is_head);
	assert_int_equal(read_ask("GET", "/healthz"), 200);
	assert_int_equal(ask.page, TG_PAGE_HEALTH);
	assert_int_equal(read_ask("GET", "http://lb.example.org:9100/readyz"), 200);
	assert_int_equal(ask.page, TG_PAGE_READY);
	assert_int_equal(ask.ready, TG_READY_ANY);
}

static void
others_are_not_there(void **state)
{
	static const char *const targets[] = {
		"/",        "/metric",    "/metrics/", "/metricss",
		"/METRICS", "/%6detrics", "//metrics", "/a?b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		assert_int_equal(read_ask("GET", targets[i]), 404);
	assert_int_equal(read_ask("OPTIONS", "*"), 404);
	assert_int_equal(read_ask("GET", "metrics"), 400);
}

static void
other_methods_are_refused(void **state)
{
	(void)state;
	assert_int_equal(read_ask("POST", "/metrics"), 405);
	assert_int_equal(read_ask("DELETE", "/readyz"), 405);
	assert_int_equal(read_ask("get", "/readyz"), 405);
	assert_int_equal(read_ask("POST", "/nothing"), 404);
}

static void
bodies_are_refused(void **state)
{
	struct http_head head = {.method = SLICE("GET"), .target = SLICE("/metrics")};
	const char *why;

	(void)state;
	head.body = HTTP_BODY_CHUNKED;
	assert_int_equal(http_ask_read(control.conf, &head, &ask, &why), 400);
	head.body = HTTP_BODY_LENGTH;
	head.content_length = 1;
	assert_int_equal(http_ask_read(control.conf, &head, &ask, &why), 400);
	head.content_length = 0;
	assert_int_equal(http_ask_read(control.conf, &head, &ask, &why), 200);
}

static void
arguments_are_read_to_the_letter(void **state)
{
	(void)state;
	assert_int_equal(read_ask("GET", "/metrics?"), 200);
	assert_int_equal(read_ask("GET", "/metrics?backends=1"), 200);
	assert_int_equal(ask.backends, TG_BACKENDS_YES);
	assert_int_equal(read_ask("GET", "/metrics?backends=times"), 200);
	assert_int_equal(ask.backends, TG_BACKENDS_TIMES);
	assert_int_equal(read_ask("GET", "/metrics?backends=%30"), 200);
	assert_int_equal(ask.backends, TG_BACKENDS_NO);
	assert_int_equal(read_ask("GET", "/readyz?services=all"), 200);
	assert_int_equal(ask.ready, TG_READY_ALL);
	assert_int_equal(read_ask("GET", "/readyz?services=any"), 200);
	assert_int_equal(ask.ready, TG_READY_ANY);
	assert_int_equal(read_ask("GET", "/readyz?service=db"), 200);
	assert_int_equal(ask.ready, TG_READY_ONE);
	assert_int_equal(ask.service, 1);
	assert_int_equal(read_ask("GET", "/readyz?services=all&service=%61pi"), 200);
	assert_int_equal(ask.ready, TG_READY_ONE);
	assert_int_equal(ask.service, 0);
}

static void
wrong_arguments_are_refused(void **state)
{
	static const char *const bad[] = {
		"/metrics?backends=2",   "/metrics?backends=",   "/metrics?backends",
		"/metrics?backend=1",    "/metrics?&backends=1", "/metrics?backends=1&x",
		"/metrics?=1",           "/status?a=1",          "/healthz?service=db",
		"/readyz?services=some", "/readyz?service=%6",   "/readyz?service=%zz",
		"/readyz?service=%00db", "/metrics?service=db",  "/metrics?backends=1=1",
	};
	char target[400] = "/readyz?service=";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_in_range(read_ask("GET", bad[i]), 400, 400);
	memset(target + 16, 'x', 256);
	assert_int_equal(read_ask("GET", target), 400);
	assert_int_equal(read_ask("GET", "/readyz?service=nobody"), 404);
	assert_int_equal(read_ask("GET", "/readyz?service="), 404);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_found_by_their_path),
		cmocka_unit_test(others_are_not_there),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(bodies_are_refused),
		cmocka_unit_test(arguments_are_read_to_the_letter),
		cmocka_unit_test(wrong_arguments_are_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
