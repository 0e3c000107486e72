#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/target.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct slice
text(const char *s)
{
	return (struct slice){s, strlen(s)};
}

/* Reads and writes into a block of exactly the promised room; NULL: refused. The caller frees. */
static char *
normal(struct slice target, const char *method, size_t *ret_path_n)
{
	struct http_target t;
	char *out;
	size_t n;

	if (http_target_read(target, text(method), &t) != HTTP_FAULT_NONE)
		return NULL;
	out = malloc(target.n + 1);
	assert_non_null(out);
	n = http_target_write(&t, out, ret_path_n);
	assert_true(n <= target.n + 1);
	if (n == 0) {
		free(out);
		return NULL;
	}
	out = realloc(out, n + 1);
	assert_non_null(out);
	out[n] = '\0';
	return out;
}

/* `expected` NULL: refused. */
static const struct {
	const char *name;
	const char *method;
	const char *target;
	const char *expected;
} cases[] = {
	{"9112 3.2.1 root", "GET", "/", "/"},
	{"9112 3.2.1 path and query", "GET", "/where?q=now", "/where?q=now"},
	{"9112 3.2.1 empty query is kept", "GET", "/where?", "/where?"},
	{"9112 3.2.1 question marks in a query", "GET", "/a?b?c/?d", "/a?b?c/?d"},
	{"9112 3.2 empty", "GET", "", NULL},
	{"9112 3.2 no slash", "GET", "where", NULL},
	{"9112 3.2 query alone", "GET", "?q", NULL},
	{"9112 3.2 fragment", "GET", "/a#b", NULL},
	{"9112 3.2 fragment in a query", "GET", "/a?b#c", NULL},
	{"9112 3.2 space", "GET", "/a b", NULL},
	{"9112 3.2 tab", "GET", "/a\tb", NULL},
	{"9112 3.2 control character", "GET", "/a\x01", NULL},
	{"9112 3.2 DEL", "GET", "/a\x7f", NULL},
	{"9112 3.2 not ASCII", "GET", "/\xc3\xa4", NULL},
	{"9112 3.2 not ASCII in a query", "GET", "/?\xc3\xa4", NULL},
	{"9112 3.2 backslash", "GET", "/a\\..\\b", NULL},
	{"9112 3.2.2 absolute form", "GET", "http://www.example.org/pub/WWW/", "/pub/WWW/"},
	{"9112 3.2.2 https", "GET", "https://example.org/a?b", "/a?b"},
	{"9112 3.2.2 scheme in capitals", "GET", "HTTP://EXAMPLE.org/a", "/a"},
	{"9112 3.2.2 no path", "GET", "http://example.org", "/"},
	{"9112 3.2.2 no path but a query", "GET", "http://example.org?q", "/?q"},
	{"9112 3.2.2 a port", "GET", "http://example.org:8080/a", "/a"},
	{"9112 3.2.2 IPv6", "GET", "http://[::1]:80/a", "/a"},
	{"9112 3.2.2 dot segments", "GET", "http://example.org/a/../b", "/b"},
	{"9112 3.2.2 empty authority", "GET", "http:///a", NULL},
	{"9112 3.2.2 no authority", "GET", "http:/a", NULL},
	{"9112 3.2.2 only a scheme", "GET", "http://", NULL},
	{"9112 3.2.2 another scheme", "GET", "ftp://example.org/a", NULL},
	{"9110 4.2.4 userinfo", "GET", "http://user@example.org/a", NULL},
	{"9110 4.2.4 userinfo and password", "GET", "http://u:p@example.org/", NULL},
	{"9112 3.2.2 bad port", "GET", "http://example.org:80x/", NULL},
	{"9112 3.2.2 backslash for a slash", "GET", "http://example.org\\a", NULL},
	{"9112 3.2.3 authority form", "CONNECT", "example.org:443", NULL},
	{"9112 3.2.3 authority form, another method", "GET", "example.org:443", NULL},
	{"9112 3.2.4 asterisk", "OPTIONS", "*", "*"},
	{"9112 3.2.4 asterisk, another method", "GET", "*", NULL},
	{"9112 3.2.4 asterisk and more", "OPTIONS", "*a", NULL},
	{"9112 3.2.4 OPTIONS of a whole server", "OPTIONS", "http://example.org", "*"},
	{"9112 3.2.4 OPTIONS of the root", "OPTIONS", "http://example.org/", "/"},
	{"9112 3.2.4 OPTIONS with a query", "OPTIONS", "http://example.org?a", "/?a"},
	{"3986 6.2.2.1 escapes in capitals", "GET", "/%c3%a4%2F", "/%C3%A4%2F"},
	{"3986 6.2.2.2 unreserved is unescaped", "GET", "/%41%7a%30%2d%2e%5f%7e", "/Az0-._~"},
	{"3986 2.2 reserved stays escaped", "GET", "/%2f%3f%23%3a%40", "/%2F%3F%23%3A%40"},
	{"3986 2.4 not twice", "GET", "/%2541", "/%2541"},
	{"3986 2.4 not twice, dots", "GET", "/%252e%252e/a", "/%252e%252e/a"},
	{"3986 2.1 escape cut", "GET", "/%", NULL},
	{"3986 2.1 escape cut by one", "GET", "/%4", NULL},
	{"3986 2.1 no hex", "GET", "/%4g", NULL},
	{"3986 2.1 sign", "GET", "/%+1", NULL},
	{"3986 7.3 escaped NUL", "GET", "/a%00b", NULL},
	{"3986 3.4 a query is not touched", "GET", "/a?%41%zz/../b", "/a?%41%zz/../b"},
	{"3986 5.2.4 single dot", "GET", "/a/./b", "/a/b"},
	{"3986 5.2.4 single dot at the end", "GET", "/a/.", "/a/"},
	{"3986 5.2.4 only a dot", "GET", "/.", "/"},
	{"3986 5.2.4 only dots and slashes", "GET", "/./././", "/"},
	{"3986 5.2.4 two dots", "GET", "/a/b/../c", "/a/c"},
	{"3986 5.2.4 two dots at the end", "GET", "/a/b/..", "/a/"},
	{"3986 5.2.4 to the root", "GET", "/a/..", "/"},
	{"3986 5.2.4 the example of the text", "GET", "/a/b/c/./../../g", "/a/g"},
	{"3986 5.2.4 up and down", "GET", "/a/../b/../c/", "/c/"},
	{"3986 6.2.2.3 escaped dots", "GET", "/a/%2e%2E/b", "/b"},
	{"3986 6.2.2.3 half escaped dots", "GET", "/a/.%2e/b", "/b"},
	{"3986 6.2.2.3 other half", "GET", "/a/%2e./b", "/b"},
	{"3986 6.2.2.3 escaped single dot", "GET", "/a/%2e/b", "/a/b"},
	{"3986 5.2.4 empty segments stay", "GET", "/a//b", "/a//b"},
	{"3986 5.2.4 an empty segment is a segment", "GET", "/a//../b", "/a/b"},
	{"3986 5.2.4 root of empty segments", "GET", "//..", "/"},
	{"3986 5.2.4 three dots are a name", "GET", "/a/.../b", "/a/.../b"},
	{"3986 5.2.4 names with dots", "GET", "/.a/b./..c/d..", "/.a/b./..c/d.."},
	{"3986 5.2.4 parameters do not hide dots", "GET", "/a/..;b/c", "/a/..;b/c"},
	{"above the root", "GET", "/..", NULL},
	{"above the root, slash", "GET", "/../", NULL},
	{"above the root, deeper", "GET", "/a/../../b", NULL},
	{"above the root, escaped", "GET", "/%2e%2e/etc", NULL},
	{"above the root, after a dot", "GET", "/./../a", NULL},
};

static void
targets_are_written_in_normal_form_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t path_n = 0;
		char *out = normal(text(cases[i].target), cases[i].method, &path_n);
		const char *expected = cases[i].expected;

		if (expected == NULL ? out != NULL : out == NULL || strcmp(out, expected) != 0)
			fail_msg("%s: \"%s\" became \"%s\"", cases[i].name, cases[i].target,
				 out != NULL ? out : "(refused)");
		if (out != NULL)
			assert_int_equal(path_n, strcspn(out, "?"));
		free(out);
	}
}

static void
faults_name_the_status(void **state)
{
	struct http_target t;

	(void)state;
	assert_int_equal(http_target_read(text("a:443"), text("CONNECT"), &t), HTTP_FAULT_METHOD);
	assert_int_equal(http_target_read(text("/a"), text("CONNECT"), &t), HTTP_FAULT_METHOD);
	assert_int_equal(http_target_read(text("/a b"), text("GET"), &t), HTTP_FAULT_SYNTAX);
}

static void
parts_of_a_target_are_told_apart(void **state)
{
	struct http_target t;

	(void)state;
	assert_int_equal(http_target_read(text("http://u.example:81/p?q"), text("GET"), &t), 0);
	assert_int_equal(t.form, HTTP_TARGET_ABSOLUTE);
	assert_true(slice_equal(t.authority, SLICE("u.example:81")));
	assert_true(slice_equal(t.path, SLICE("/p")));
	assert_true(slice_equal(t.query, SLICE("?q")));
	assert_int_equal(http_target_read(text("/p"), text("GET"), &t), 0);
	assert_int_equal(t.form, HTTP_TARGET_ORIGIN);
	assert_int_equal(t.authority.n, 0);
	assert_int_equal(t.query.n, 0);
	assert_int_equal(http_target_read(text("*"), text("OPTIONS"), &t), 0);
	assert_int_equal(t.form, HTTP_TARGET_ASTERISK);
}

static void
assert_is_a_fixed_point(const char *first, const char *from)
{
	size_t path_n = 0;
	char *again = normal(text(first), "GET", &path_n);

	if (again == NULL || strcmp(first, again) != 0)
		fail_msg("\"%s\": \"%s\" became \"%s\"", from, first,
			 again != NULL ? again : "(refused)");
	free(again);
}

/* No segment "." or "..", no lower case escape, no escape of an unreserved character. */
static void
assert_path_is_normal(const char *path)
{
	const char *p;

	assert_int_equal(path[0], '/');
	for (p = path; *p != '\0' && *p != '?'; p++) {
		size_t n = strcspn(p + 1, "/?");

		if (*p == '/' && n <= 2 && strncmp(p + 1, "..", n) == 0 && n > 0)
			fail_msg("dot segment in \"%s\"", path);
		if (*p == '%') {
			char hex[3] = {p[1], p[2], '\0'};
			int c = (int)strtol(hex, NULL, 16);

			if (strspn(hex, "0123456789ABCDEF") != 2 || c == 0 ||
			    (c < 0x80 && strchr("-._~abcdefghijklmnopqrstuvwxyz"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
						c)))
				fail_msg("escape %%%s in \"%s\"", hex, path);
		}
	}
}

/* What is sent is what was routed: reading it once more changes nothing. */
static void
normal_form_is_normal(void **state)
{
	static const char *const pieces[] = {
		"/",   "/",   "/", ".", ".", "..", "%2e", "%2E", "%2f", "%41", "%7E",
		"%c3", "%00", "%", "a", "b", "-",  ";",   "?",   "%25", "%5c", "=",
	};
	unsigned kept = 0;

	(void)state;
	srandom(11);
	for (int i = 0; i < 200000; i++) {
		char target[64] = "/";
		size_t n = 1;
		size_t path_n = 0;
		char *out;

		for (long k = random() % 12; k > 0; k--) {
			const char *piece = pieces[(size_t)random() % COUNT(pieces)];

			memcpy(target + n, piece, strlen(piece));
			n += strlen(piece);
		}
		target[n] = '\0';
		out = normal((struct slice){target, n}, "GET", &path_n);
		if (out == NULL)
			continue;
		kept++;
		assert_path_is_normal(out);
		assert_is_a_fixed_point(out, target);
		free(out);
	}
	assert_true(kept > 50000);
}

/* A path that is called plain is copied without a look: it must be normal. */
static void
plain_paths_are_normal_already(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_target t;
		size_t path_n = 0;
		char *out;

		if (http_target_read(text(cases[i].target), text(cases[i].method), &t) != 0 ||
		    !t.is_plain || t.path.n == 0 || t.path.p[0] != '/')
			continue;
		t.is_plain = false;
		out = malloc(strlen(cases[i].target) + 1);
		assert_non_null(out);
		assert_int_equal(http_target_write(&t, out, &path_n), t.path.n + t.query.n);
		assert_memory_equal(out, t.path.p, t.path.n);
		free(out);
	}
}

/* `name` NULL: not valid. */
static const struct {
	const char *host;
	const char *name;
} hosts[] = {
	{"example.org", "example.org"},
	{"EXAMPLE.Org", "example.org"},
	{"example.org:80", "example.org"},
	{"example.org:", "example.org"},
	{"example.org.", "example.org"},
	{"example.org.:443", "example.org"},
	{"a", "a"},
	{"127.0.0.1", "127.0.0.1"},
	{"127.0.0.1:8080", "127.0.0.1"},
	{"[::1]", "[::1]"},
	{"[::1]:80", "[::1]"},
	{"[2001:DB8::A]", "[2001:db8::a]"},
	{"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
	{"xn--bcher-kva.example", "xn--bcher-kva.example"},
	{"under_score.example", "under_score.example"},
	{"example.org:65535", "example.org"},
	{"", NULL},
	{":80", NULL},
	{"example.org:65536", NULL},
	{"example.org:99999999999999999999", NULL},
	{"example.org:-1", NULL},
	{"example.org:+1", NULL},
	{"example.org:80:80", NULL},
	{"example.org:http", NULL},
	{"example.org/", NULL},
	{"example.org\\", NULL},
	{"user@example.org", NULL},
	{"example.org?x", NULL},
	{"example.org#x", NULL},
	{"exa mple.org", NULL},
	{" example.org", NULL},
	{"a,b", NULL},
	{"*", NULL},
	{"*.example.org", NULL},
	{"b\xc3\xbc"
	 "cher.example",
	 NULL},
	{"a%2eb", NULL},
	{"::1", NULL},
	{"[::1", NULL},
	{"[]", NULL},
	{"[]:80", NULL},
	{"[::1]80", NULL},
	{"[::1]x:80", NULL},
	{"[1.2.3.4]", NULL},
	{"[example.org]", NULL},
	{"[::1%25eth0]", NULL},
	{"[::g]", NULL},
	{"[v1.fe80]", NULL},
};

static void
hosts_are_checked_and_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct slice host = text(hosts[i].host);
		char name[256];
		size_t n;

		if (http_host_is_valid(host) != (hosts[i].name != NULL))
			fail_msg("\"%s\"", hosts[i].host);
		if (hosts[i].name == NULL)
			continue;
		n = http_host_name(host, name, sizeof(name));
		if (n != strlen(hosts[i].name) || memcmp(name, hosts[i].name, n) != 0)
			fail_msg("\"%s\" is named \"%.*s\"", hosts[i].host, (int)n, name);
	}
}

static void
host_length_is_bounded(void **state)
{
	char host[600];
	char name[256];

	(void)state;
	memset(host, 'a', sizeof(host));
	assert_true(http_host_is_valid((struct slice){host, 255}));
	assert_false(http_host_is_valid((struct slice){host, 256}));
	assert_false(http_host_is_valid((struct slice){host, sizeof(host)}));
	assert_int_equal(http_host_name((struct slice){host, 255}, name, 255), 255);
	assert_int_equal(http_host_name((struct slice){host, 255}, name, 254), 0);
	/* The port does not count. */
	memcpy(host + 255, ":65535", 6);
	assert_true(http_host_is_valid((struct slice){host, 261}));
	assert_int_equal(http_host_name((struct slice){host, 261}, name, sizeof(name)), 255);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_written_in_normal_form_or_refused),
		cmocka_unit_test(faults_name_the_status),
		cmocka_unit_test(parts_of_a_target_are_told_apart),
		cmocka_unit_test(normal_form_is_normal),
		cmocka_unit_test(plain_paths_are_normal_already),
		cmocka_unit_test(hosts_are_checked_and_named),
		cmocka_unit_test(host_length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
