#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/route.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define ROUTES_MAX 64

/* Routes as "host path" with "-" for none; each names the service of its own text. */
struct table {
	struct conf_listener listener;
	struct conf_route routes[ROUTES_MAX];
	struct conf_service services[ROUTES_MAX];
	struct conf_service fallback;
	char texts[ROUTES_MAX][128];
	struct http_routes *found;
};

static char *
part(char *text)
{
	return strcmp(text, "-") == 0 ? NULL : text;
}

static struct table *
table_new(const char *const *lines, size_t n, bool has_fallback)
{
	struct table *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_true(n <= ROUTES_MAX);
	for (size_t i = 0; i < n; i++) {
		char *space;

		snprintf(t->texts[i], sizeof(t->texts[i]), "%s", lines[i]);
		space = strchr(t->texts[i], ' ');
		assert_non_null(space);
		*space = '\0';
		t->services[i].name = (char *)(uintptr_t)lines[i];
		t->routes[i] = (struct conf_route){
			.host = part(t->texts[i]),
			.path = part(space + 1),
			.service = &t->services[i],
		};
	}
	t->fallback.name = (char *)(uintptr_t) "fallback";
	t->listener.routes = t->routes;
	t->listener.n_routes = n;
	t->listener.service = has_fallback ? &t->fallback : NULL;
	t->found = http_routes_new(&t->listener);
	assert_non_null(t->found);
	return t;
}

static void
table_free(struct table *t)
{
	http_routes_free(t->found);
	free(t);
}

static const char *
find(const struct table *t, const char *host, const char *path)
{
	const struct conf_route *route = http_routes_find(
		t->found, (struct slice){host, strlen(host)}, (struct slice){path, strlen(path)});

	return route != NULL ? route->service->name : "(none)";
}

static const char *const routes[] = {
	"- /static/",
	"example.org /v1",
	"example.org /v1/users",
	"example.org -",
	"*.example.org /v1",
	"*.example.org -",
	"*.eu.example.org -",
	"www.example.org /only",
	"- /v1",
	"[::1] /",
	"other.org /v2/",
	"a.b.example.org /deep",
};

static const struct {
	const char *host;
	const char *path;
	const char *service;
} cases[] = {
	/* Under one host the longest path. */
	{"example.org", "/v1/users/7", "example.org /v1/users"},
	{"example.org", "/v1/users", "example.org /v1/users"},
	{"example.org", "/v1/x", "example.org /v1"},
	{"example.org", "/v1", "example.org /v1"},
	{"example.org", "/", "example.org -"},
	{"example.org", "*", "example.org -"},
	/* A prefix ends at a segment. */
	{"example.org", "/v10", "example.org -"},
	{"example.org", "/v1users", "example.org -"},
	{"example.org", "/v1/usersx", "example.org /v1"},
	{"other.org", "/v2/a", "other.org /v2/"},
	{"other.org", "/v2/", "other.org /v2/"},
	{"other.org", "/v2", "fallback"},
	{"other.org", "/v2x", "fallback"},
	/* Paths are told apart by case. */
	{"example.org", "/V1", "example.org -"},
	/* An exact host before a wildcard, a longer wildcard before a shorter one. */
	{"www.example.org", "/only/x", "www.example.org /only"},
	{"api.example.org", "/", "*.example.org -"},
	{"api.example.org", "/v1", "*.example.org /v1"},
	{"a.eu.example.org", "/v1", "*.eu.example.org -"},
	{"eu.example.org", "/", "*.example.org -"},
	{"a.b.c.example.org", "/v1/x", "*.example.org /v1"},
	/* A host without a matching path goes on to what is less exact. */
	{"www.example.org", "/", "*.example.org -"},
	{"www.example.org", "/v1", "*.example.org /v1"},
	{"a.b.example.org", "/", "*.example.org -"},
	{"a.b.example.org", "/deep/er", "a.b.example.org /deep"},
	{"other.org", "/static/x", "- /static/"},
	/* A wildcard needs a label in its place. */
	{"xexample.org", "/", "fallback"},
	{"org", "/", "fallback"},
	{"example.org.evil", "/", "fallback"},
	/* Any host. */
	{"nobody.test", "/v1/x", "- /v1"},
	{"nobody.test", "/static/x", "- /static/"},
	{"nobody.test", "/static", "fallback"},
	{"", "/v1", "- /v1"},
	{"", "/", "fallback"},
	{"[::1]", "/anything", "[::1] /"},
	/* Hosts that look like patterns match none. */
	{".example.org", "/", "*.example.org -"},
	{"example.", "/", "fallback"},
	{".", "/", "fallback"},
	{"..", "/", "fallback"},
};

static void
most_exact_route_wins(void **state)
{
	struct table *t = table_new(routes, COUNT(routes), true);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *service = find(t, cases[i].host, cases[i].path);

		if (strcmp(service, cases[i].service) != 0)
			fail_msg("%s %s went to \"%s\", not to \"%s\"", cases[i].host,
				 cases[i].path, service, cases[i].service);
	}
	table_free(t);
}

/* The configuration names them in any order. */
static void
order_of_the_text_does_not_matter(void **state)
{
	(void)state;
	srandom(5);
	for (int round = 0; round < 50; round++) {
		const char *shuffled[COUNT(routes)];
		struct table *t;

		memcpy(shuffled, routes, sizeof(shuffled));
		for (size_t i = COUNT(routes) - 1; i > 0; i--) {
			size_t j = (size_t)random() % (i + 1);
			const char *swap = shuffled[i];

			shuffled[i] = shuffled[j];
			shuffled[j] = swap;
		}
		t = table_new(shuffled, COUNT(shuffled), true);
		for (size_t i = 0; i < COUNT(cases); i++)
			assert_string_equal(find(t, cases[i].host, cases[i].path),
					    cases[i].service);
		table_free(t);
	}
}

static void
without_routes_there_is_the_service_of_the_listener(void **state)
{
	struct table *t = table_new(NULL, 0, true);

	(void)state;
	assert_string_equal(find(t, "a.b", "/"), "fallback");
	assert_string_equal(find(t, "", "*"), "fallback");
	table_free(t);
	t = table_new(NULL, 0, false);
	assert_string_equal(find(t, "a.b", "/"), "(none)");
	table_free(t);
	t = table_new(routes, COUNT(routes), false);
	assert_string_equal(find(t, "nobody.test", "/"), "(none)");
	table_free(t);
	http_routes_free(NULL);
}

/* The longest host a request may have, made of single letters: all its wildcards are looked for. */
static void
long_hosts_stay_within_bounds(void **state)
{
	static const char *const lines[] = {"*.a -", "*.a.a.a /x"};
	struct table *t = table_new(lines, COUNT(lines), true);
	char host[512];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(host); i++)
		host[i] = i % 2 == 0 ? 'a' : '.';
	host[255] = '\0';
	assert_string_equal(find(t, host, "/"), "*.a -");
	assert_string_equal(find(t, host, "/x"), "*.a.a.a /x");
	/* Longer than any valid host: no overflow, and no match. */
	host[255] = '.';
	host[511] = '\0';
	assert_string_equal(find(t, host, "/"), "fallback");
	table_free(t);
}

/* Under one host routes with a protocol go first, as they stand; "-" is none. */
static void
names_and_protocols_of_tls(void **state)
{
	static char a[] = "a.org", any_b[] = "*.b.org", h2[] = "h2", pg[] = "postgresql";
	struct conf_service services[5];
	struct conf_route by_name[] = {
		{.host = a, .service = &services[0], .index = 0},
		{.host = a, .alpn = pg, .service = &services[1], .index = 1},
		{.host = a, .alpn = h2, .service = &services[2], .index = 2},
		{.host = any_b, .alpn = h2, .service = &services[3], .index = 3},
		{.alpn = pg, .service = &services[4], .index = 4},
	};
	static const struct {
		const char *name;
		const char *alpn;
		int service; /* -1: none */
	} asked[] = {
		{"a.org", "", 0},
		{"a.org", "\x08http/1.1", 0},
		{"a.org", "\x08http/1.1\x02h2", 2},
		{"a.org", "\x02h2\x0apostgresql", 1},
		{"a.org", "\x01h\x03h2x", 0},
		{"x.b.org", "\x02h2", 3},
		{"x.b.org", "\x08http/1.1", -1},
		{"b.org", "\x02h2", -1},
		{"", "\x0apostgresql", 4},
		{"x.b.org", "\x0apostgresql", 4},
		{"", "", -1},
	};
	struct conf_listener listener = {.routes = by_name, .n_routes = COUNT(by_name)};
	struct http_routes *found = http_routes_new(&listener);

	(void)state;
	assert_non_null(found);
	for (size_t i = 0; i < COUNT(asked); i++) {
		const struct conf_route *route = http_routes_find_name(
			found, (struct slice){asked[i].name, strlen(asked[i].name)},
			(struct slice){asked[i].alpn, strlen(asked[i].alpn)});
		int got = route != NULL ? (int)(route->service - services) : -1;

		if (got != asked[i].service)
			fail_msg("case %zu: %d", i, got);
	}
	http_routes_free(found);
}

static void
hosts_are_asked_for_where_a_route_has_one(void **state)
{
	char path[] = "/a";
	char host[] = "a.org";
	struct conf_route some[] = {{.path = path}, {.host = host}};
	struct conf_listener listener = {.routes = some};

	(void)state;
	for (listener.n_routes = 0; listener.n_routes <= COUNT(some); listener.n_routes++) {
		struct http_routes *found = http_routes_new(&listener);

		assert_non_null(found);
		assert_int_equal(http_routes_have_hosts(found), listener.n_routes == 2);
		http_routes_free(found);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_exact_route_wins),
		cmocka_unit_test(hosts_are_asked_for_where_a_route_has_one),
		cmocka_unit_test(order_of_the_text_does_not_matter),
		cmocka_unit_test(without_routes_there_is_the_service_of_the_listener),
		cmocka_unit_test(long_hosts_stay_within_bounds),
		cmocka_unit_test(names_and_protocols_of_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
