#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base64.h"

static void
assert_is(const char *bytes, const char *text)
{
	size_t n = strlen(bytes);
	char encoded[64];
	unsigned char decoded[64];
	size_t decoded_n;

	base64_encode(bytes, n, encoded);
	assert_string_equal(encoded, text);
	assert_int_equal(strlen(encoded), TG_BASE64_LEN(n));
	assert_int_equal(base64_decode(text, strlen(text), decoded, &decoded_n), 0);
	assert_int_equal(decoded_n, n);
	assert_memory_equal(decoded, bytes, n);
}

/* RFC 4648, 10. */
static void
texts_of_the_standard(void **state)
{
	(void)state;
	assert_is("", "");
	assert_is("f", "Zg==");
	assert_is("fo", "Zm8=");
	assert_is("foo", "Zm9v");
	assert_is("foob", "Zm9vYg==");
	assert_is("fooba", "Zm9vYmE=");
	assert_is("foobar", "Zm9vYmFy");
	assert_is("\xfb\xff\xbf", "+/+/");
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z g=", "Zm9-", "Zm9_"};
	unsigned char decoded[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(base64_decode(wrong[i], strlen(wrong[i]), decoded, &n), -TG_EINVAL);
	assert_int_equal(base64_decode("Zm\0v", 4, decoded, &n), -TG_EINVAL);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_the_standard),
		cmocka_unit_test(what_is_none_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
