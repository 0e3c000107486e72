#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "http/message.h"
#include "http/token.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct slice
text(const char *s)
{
	return (struct slice){s, strlen(s)};
}

static void
slices_are_equal_by_bytes(void **state)
{
	(void)state;
	assert_true(slice_equal(SLICE("abc"), text("abc")));
	assert_false(slice_equal(SLICE("abc"), SLICE("abC")));
	assert_false(slice_equal(SLICE("abc"), SLICE("abcd")));
	assert_false(slice_equal(SLICE("abc"), SLICE("ab")));
	assert_true(slice_equal(SLICE(""), SLICE("")));
	assert_true(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
	assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
}

static void
slices_fold_ascii_case_alone(void **state)
{
	(void)state;
	assert_true(slice_equal_fold(SLICE("Keep-ALIVE"), SLICE("keep-alive")));
	assert_false(slice_equal_fold(SLICE("keep-aliv"), SLICE("keep-alive")));
	assert_false(slice_equal_fold(SLICE("keep alive"), SLICE("keep-alive")));
	assert_true(slice_equal_fold(SLICE(""), SLICE("")));
	/* A folding with `| 0x20` would take these for equal. */
	assert_false(slice_equal_fold(SLICE("keep\ralive"), SLICE("keep-alive")));
	assert_false(slice_equal_fold(SLICE("@"), SLICE("`")));
	assert_false(slice_equal_fold(SLICE("["), SLICE("{")));
}

static const struct {
	const char *name;
	enum http_field_id id;
} names[] = {
	{"host", HTTP_FIELD_HOST},
	{"content-length", HTTP_FIELD_CONTENT_LENGTH},
	{"transfer-encoding", HTTP_FIELD_TRANSFER_ENCODING},
	{"connection", HTTP_FIELD_CONNECTION},
	{"keep-alive", HTTP_FIELD_KEEP_ALIVE},
	{"proxy-connection", HTTP_FIELD_PROXY_CONNECTION},
	{"te", HTTP_FIELD_TE},
	{"trailer", HTTP_FIELD_TRAILER},
	{"upgrade", HTTP_FIELD_UPGRADE},
	{"expect", HTTP_FIELD_EXPECT},
	{"http2-settings", HTTP_FIELD_HTTP2_SETTINGS},
	{"forwarded", HTTP_FIELD_FORWARDED},
	{"x-forwarded-for", HTTP_FIELD_X_FORWARDED_FOR},
	{"x-forwarded-proto", HTTP_FIELD_X_FORWARDED_PROTO},
	{"x-forwarded-host", HTTP_FIELD_X_FORWARDED_HOST},
	{"x-forwarded-port", HTTP_FIELD_X_FORWARDED_PORT},
	{"x-forwarded-server", HTTP_FIELD_X_FORWARDED_OTHER},
	{"x-forwarded-by", HTTP_FIELD_X_FORWARDED_OTHER},
	{"x-forwarded-a-rather-long-name-of-nobody", HTTP_FIELD_X_FORWARDED_OTHER},
	{"x-request-id", HTTP_FIELD_X_REQUEST_ID},
	{"idempotency-key", HTTP_FIELD_IDEMPOTENCY_KEY},
	{"max-forwards", HTTP_FIELD_MAX_FORWARDS},
	{"date", HTTP_FIELD_DATE},
	{"content-type", HTTP_FIELD_CONTENT_TYPE},
	{"grpc-timeout", HTTP_FIELD_GRPC_TIMEOUT},
	{"endpoint-load-metrics", HTTP_FIELD_LOAD_REPORT},
	{"endpoint-load-metrics-bin", HTTP_FIELD_LOAD_REPORT_BIN},
	{"endpoint-load-metrics-", HTTP_FIELD_OTHER},
	{"endpoint-load-metrics-bit", HTTP_FIELD_OTHER},
	{"strict-transport-security", HTTP_FIELD_OTHER},
	{"x-forwarded-", HTTP_FIELD_OTHER},
	{"x-forwarded", HTTP_FIELD_OTHER},
	{"hosts", HTTP_FIELD_OTHER},
	{"content_length", HTTP_FIELD_OTHER},
	{"content-length ", HTTP_FIELD_OTHER},
	{"content-lengt", HTTP_FIELD_OTHER},
	{"t", HTTP_FIELD_OTHER},
	{"", HTTP_FIELD_OTHER},
	{"accept", HTTP_FIELD_OTHER},
	{"client-cert", HTTP_FIELD_CLIENT_CERT},
	{"client-cert-chain", HTTP_FIELD_CLIENT_CERT},
	{"x-client-cert-subject", HTTP_FIELD_CLIENT_CERT},
	{"x-client-cert-", HTTP_FIELD_OTHER},
	{"client-certs", HTTP_FIELD_OTHER},
};

/* RFC 9110 5.1: names are case-insensitive. */
static void
names_are_known_in_any_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char mixed[64];
		size_t n = strlen(names[i].name);

		assert_int_equal(http_field_id(text(names[i].name)), names[i].id);
		for (unsigned style = 0; style < 3; style++) {
			for (size_t j = 0; j < n; j++) {
				char c = names[i].name[j];
				bool up = style == 0 || (j + style) % 2 == 0;

				mixed[j] = up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
			}
			if (http_field_id((struct slice){mixed, n}) != names[i].id)
				fail_msg("\"%.*s\"", (int)n, mixed);
		}
	}
}

static bool
is_same_letter(unsigned char c, char lower)
{
	return c == (unsigned char)lower || (lower >= 'a' && lower <= 'z' && c == lower - 32);
}

/* What is compared eight bytes at a time is compared to the bit. */
static void
a_name_with_one_byte_changed_is_another(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char changed[64];
		size_t n = strlen(names[i].name);
		/* What comes behind the common part of a family may be anything. */
		size_t head = names[i].id == HTTP_FIELD_X_FORWARDED_OTHER ||
					      names[i].id == HTTP_FIELD_CLIENT_CERT
				      ? 11
				      : n;

		for (size_t at = 0; at < n * 256; at++) {
			struct slice name = {changed, n};
			unsigned char c = (unsigned char)(at % 256);
			bool is_same = is_same_letter(c, names[i].name[at / 256]);
			enum http_field_id id = HTTP_FIELD_COUNT;

			memcpy(changed, names[i].name, n);
			changed[at / 256] = (char)c;
			if (is_same)
				assert_int_equal(http_field_id(name), names[i].id);
			else if (names[i].id != HTTP_FIELD_OTHER && at / 256 < head)
				assert_int_not_equal(http_field_id(name), names[i].id);
			assert_int_equal(http_field_name(name, &id), http_is_token(name));
			if (http_is_token(name))
				assert_int_equal(id, http_field_id(name));
		}
	}
}

static void
every_known_name_is_in_the_table_above(void **state)
{
	bool seen[HTTP_FIELD_COUNT] = {false};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		seen[names[i].id] = true;
	for (int i = 0; i < HTTP_FIELD_COUNT; i++)
		assert_true(seen[i]);
}

/* Bytes of each class, from the grammars and not from our table. */
#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static void
assert_class(unsigned bit, const char *members, const char *name)
{
	for (int c = 0; c < 256; c++) {
		bool member = c != 0 && strchr(members, c) != NULL;

		if (http_is((unsigned char)c, bit) != member)
			fail_msg("%s: 0x%02x", name, (unsigned)c);
	}
}

static void
character_classes_are_those_of_the_grammars(void **state)
{
	(void)state;
	assert_class(HTTP_CHAR_TCHAR, "!#$%&'*+-.^_`|~" DIGIT ALPHA, "RFC 9110 5.6.2 tchar");
	assert_class(HTTP_CHAR_UNRESERVED, "-._~" DIGIT ALPHA, "RFC 3986 2.3 unreserved");
	assert_class(HTTP_CHAR_HOST, "-._~" DIGIT ALPHA, "host");
	for (int c = 0; c < 256; c++) {
		bool value = c == '\t' || (c >= ' ' && c != 0x7f);

		if (http_is((unsigned char)c, HTTP_CHAR_VALUE) != value)
			fail_msg("RFC 9110 5.5 field-value: 0x%02x", (unsigned)c);
	}
}

/* RFC 3986 3.3, 3.4: all that may stand there, and nothing that is control, space or not ASCII. */
static void
paths_and_queries_take_what_the_grammar_has(void **state)
{
	static const char pchar[] = "-._~!$&'()*+,;=:@%/" DIGIT ALPHA;

	(void)state;
	for (const char *p = pchar; *p != '\0'; p++) {
		assert_true(http_is((unsigned char)*p, HTTP_CHAR_PATH));
		assert_true(http_is((unsigned char)*p, HTTP_CHAR_QUERY));
	}
	assert_true(http_is('?', HTTP_CHAR_QUERY));
	assert_false(http_is('?', HTTP_CHAR_PATH));
	for (int c = 0; c < 256; c++) {
		if (c > ' ' && c < 0x7f && strchr("\"<>#", c) == NULL)
			continue;
		assert_false(http_is((unsigned char)c, HTTP_CHAR_PATH));
		assert_false(http_is((unsigned char)c, HTTP_CHAR_QUERY));
	}
	assert_false(http_is('\\', HTTP_CHAR_PATH));
}

static void
hex_digits_have_their_value(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		static const char digits[] = "0123456789abcdef";
		char lower = c >= 'A' && c <= 'F' ? (char)(c + 32) : (char)c;
		const char *at = c != 0 ? strchr(digits, lower) : NULL;
		int value = at != NULL ? (int)(at - digits) : -1;

		if (http_hex_value((unsigned char)c) != value)
			fail_msg("0x%02x", (unsigned)c);
	}
}

static void
tokens_are_not_empty_and_all_tchar(void **state)
{
	(void)state;
	assert_true(http_is_token(SLICE("GET")));
	assert_true(http_is_token(SLICE("!#$%&'*+-.^_`|~09azAZ")));
	assert_false(http_is_token(SLICE("")));
	assert_false(http_is_token(SLICE("a b")));
	assert_false(http_is_token(SLICE("a:")));
	assert_false(http_is_token(SLICE("\x80")));
	assert_false(http_is_token(SLICE("a\0")));
}

/* RFC 9110 5.5: wherever a byte stands, and however long the value is. */
static void
values_are_judged_byte_by_byte(void **state)
{
	char value[26];

	(void)state;
	assert_true(http_is_value(SLICE("")));
	for (size_t n = 1; n <= sizeof(value); n++) {
		for (size_t at = 0; at < n * 256; at++) {
			unsigned char c = (unsigned char)(at % 256);
			bool is_right = c == '\t' || (c >= 0x20 && c != 0x7f);

			memset(value, 'v', n);
			value[n - 1] = '\t';
			value[at / 256] = (char)c;
			if (http_is_value((struct slice){value, n}) != is_right)
				fail_msg("0x%02x at %zu of %zu", c, at / 256, n);
		}
	}
}

/* RFC 9110 9.2.2: PUT, DELETE and the safe methods; what is not known may do anything. */
static void
idempotent_methods_are_those_of_the_text(void **state)
{
	static const char *const yes[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
	static const char *const no[] = {"POST", "PATCH", "CONNECT", "get", "GE", "GETS", "", "X"};

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++)
		assert_true(http_method_is_idempotent(text(yes[i])));
	for (size_t i = 0; i < COUNT(no); i++)
		assert_false(http_method_is_idempotent(text(no[i])));
}

static void
every_fault_has_its_status_and_phrase(void **state)
{
	static const unsigned status[] = {
		[HTTP_FAULT_NONE] = 200,        [HTTP_FAULT_SYNTAX] = 400,
		[HTTP_FAULT_URI_LENGTH] = 414,  [HTTP_FAULT_HEAD_LENGTH] = 431,
		[HTTP_FAULT_METHOD] = 501,      [HTTP_FAULT_CODING] = 501,
		[HTTP_FAULT_VERSION] = 505,     [HTTP_FAULT_EXPECTATION] = 417,
		[HTTP_FAULT_BODY_LENGTH] = 413,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(status); i++) {
		assert_int_equal(http_fault_status((enum http_fault)i), status[i]);
		if (i > 0)
			assert_string_not_equal(http_status_phrase(status[i]), "");
	}
}

static void
every_reply_of_ours_has_a_phrase(void **state)
{
	static const unsigned ours[] = {200, 400, 403, 404, 405, 408, 413, 414, 417, 429,
					431, 500, 501, 502, 503, 504, 505};

	(void)state;
	for (size_t i = 0; i < COUNT(ours); i++)
		assert_string_not_equal(http_status_phrase(ours[i]), "");
	assert_string_equal(http_status_phrase(404), "Not Found");
	assert_string_equal(http_status_phrase(299), "");
	assert_string_equal(http_status_phrase(0), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_are_equal_by_bytes),
		cmocka_unit_test(slices_fold_ascii_case_alone),
		cmocka_unit_test(names_are_known_in_any_case),
		cmocka_unit_test(a_name_with_one_byte_changed_is_another),
		cmocka_unit_test(every_known_name_is_in_the_table_above),
		cmocka_unit_test(character_classes_are_those_of_the_grammars),
		cmocka_unit_test(paths_and_queries_take_what_the_grammar_has),
		cmocka_unit_test(hex_digits_have_their_value),
		cmocka_unit_test(tokens_are_not_empty_and_all_tchar),
		cmocka_unit_test(values_are_judged_byte_by_byte),
		cmocka_unit_test(idempotent_methods_are_those_of_the_text),
		cmocka_unit_test(every_fault_has_its_status_and_phrase),
		cmocka_unit_test(every_reply_of_ours_has_a_phrase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
