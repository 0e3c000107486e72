/* What could not be read is kept, without its secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/capture.h"

static struct capture *place;

static int
teardown(void **state)
{
	(void)state;
	capture_free(&place);
	assert_null(place);
	return 0;
}

static void
take(const char *text)
{
	struct msg_capture what = {.listener = 3, .fault = 1, .position = 5};

	capture_set(&place, &what, text, strlen(text));
	assert_non_null(place);
}

static void
assert_kept(const char *wanted)
{
	assert_int_equal(place->m.n, strlen(wanted));
	assert_memory_equal(place->m.bytes, wanted, place->m.n);
}

static void
the_last_one_counts(void **state)
{
	struct capture *first;

	(void)state;
	take("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
	first = place;
	assert_int_equal(place->m.listener, 3);
	assert_int_equal(place->m.position, 5);
	assert_true(place->m.when_us > 0);
	take("x");
	assert_ptr_equal(place, first);
	assert_kept("x");
	assert_int_equal(place->m.position, 1);
}

static void
long_ones_are_cut(void **state)
{
	struct msg_capture what = {.position = 3000};
	char text[4000];

	(void)state;
	memset(text, 'y', sizeof(text));
	capture_set(&place, &what, text, sizeof(text));
	assert_int_equal(place->m.n, TG_CAPTURE_BYTES);
	assert_int_equal(place->m.total, sizeof(text));
	assert_int_equal(place->m.position, 3000);
	capture_set(&place, &what, "", 0);
	assert_int_equal(place->m.n, 0);
	assert_int_equal(place->m.position, 0);
}

static void
secrets_are_blanked(void **state)
{
	static const struct {
		const char *text;
		const char *kept;
	} cases[] = {
		{"GET / HTTP/1.1\r\nCookie: a=b; c=d\r\nX: y\r\n",
		 "GET / HTTP/1.1\r\nCookie: **** ***\r\nX: y\r\n"},
		{"AUTHORIZATION:Basic x\r\n", "AUTHORIZATION:***** *\r\n"},
		{"Set-Cookie : a\r\n", "Set-Cookie : *\r\n"},
		{"cookie a\n", "cookie *\n"},
		{"Cookie: a\r\n b=c\r\n\td\r\nX: y", "Cookie: *\r\n****\r\n**\r\nX: y"},
		{"  proxy-authorization: k", "  proxy-authorization: *"},
		{"Cookies: a\r\nX-Cookie: b", "Cookies: a\r\nX-Cookie: b"},
		{"Cookie", "Cookie"},
		{"\r\n\r\nCookie: x", "\r\n\r\nCookie: *"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		take(cases[i].text);
		assert_kept(cases[i].kept);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_last_one_counts, teardown),
		cmocka_unit_test_teardown(long_ones_are_cut, teardown),
		cmocka_unit_test_teardown(secrets_are_blanked, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
