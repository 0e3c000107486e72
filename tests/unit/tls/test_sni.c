#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/sni.h"

/* The body of the extension for this name; returns its length. */
static size_t
body(const char *name, size_t n, unsigned char *ret)
{
	ret[0] = (unsigned char)((n + 3) >> 8);
	ret[1] = (unsigned char)(n + 3);
	ret[2] = 0;
	ret[3] = (unsigned char)(n >> 8);
	ret[4] = (unsigned char)n;
	memcpy(ret + 5, name, n);
	return n + 5;
}

static int
parse(const char *name, char *ret)
{
	unsigned char bytes[512];

	return sni_parse(bytes, body(name, strlen(name), bytes), ret);
}

static void
names_are_in_lower_case_without_a_final_dot(void **state)
{
	char name[TG_SNI_MAX + 1];

	(void)state;
	assert_int_equal(parse("API.Example.ORG.", name), 0);
	assert_string_equal(name, "api.example.org");
	assert_int_equal(parse("x_1-a", name), 0);
	assert_string_equal(name, "x_1-a");
}

static void
what_is_no_host_name_is_none(void **state)
{
	static const char *const bad[] = {".", ".a", "a..", "a..b", "a b", "a/b", "a\nb", "*.a", "[::1]", "\xc3\xa9"};
	char name[TG_SNI_MAX + 1] = "untouched";
	char longest[TG_SNI_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], name), -TG_EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[TG_SNI_MAX + 1] = '\0';
	assert_int_equal(parse(longest, name), -TG_EINVAL);
	assert_string_equal(name, "untouched");
	longest[TG_SNI_MAX] = '\0';
	assert_int_equal(parse(longest, name), 0);
	assert_string_equal(name, longest);
}

static void
lengths_that_lie_break_the_protocol(void **state)
{
	unsigned char bytes[64];
	char name[TG_SNI_MAX + 1];
	size_t n = body("a.b", 3, bytes);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sni_parse(bytes, i, name), -TG_EPROTO);
	assert_int_equal(sni_parse(bytes, n + 1, name), -TG_EPROTO);
	for (size_t i = 0; i < 5; i++) {
		bytes[i] ^= 1;
		assert_int_equal(sni_parse(bytes, n, name), -TG_EPROTO);
		bytes[i] ^= 1;
	}
	assert_int_equal(sni_parse(bytes, body("", 0, bytes), name), -TG_EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_in_lower_case_without_a_final_dot),
		cmocka_unit_test(what_is_no_host_name_is_none),
		cmocka_unit_test(lengths_that_lie_break_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
