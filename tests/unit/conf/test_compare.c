#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compare.h"

#define BEFORE                                                                                     \
	"workers = 2;\n"                                                                           \
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\";\n"          \
	"    max_connections = 100; trusted_proxies = ( \"10.0.0.0/8\" ); },\n"                    \
	"  { name = \"pg\"; bind = \"127.0.0.1:8081\"; mode = \"tcp\"; service = \"api\"; } );\n"  \
	"services = ( { name = \"api\";\n"                                                         \
	"    sticky = { cookie = \"c\"; secret = \"0123456789abcdef\"; };\n"                       \
	"    backends = ( { name = \"b1\"; address = \"127.0.0.1:1\"; },\n"                        \
	"      { name = \"b2\"; address = \"127.0.0.1:2\"; },\n"                                   \
	"      { name = \"pool\"; address = \"pool.example:80\"; slots = 3; } ); },\n"             \
	"  { name = \"old\"; } );\n"

#define AFTER                                                                                      \
	"workers = 4;\n"                                                                           \
	"user = \"nobody\";\n"                                                                     \
	"log = { level = \"debug\"; };\n"                                                          \
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"new\";\n"          \
	"    max_connections = 200; timeouts = { idle = \"5s\"; };\n"                              \
	"    trusted_proxies = ( \"10.0.0.0/8\", \"::1\" );\n"                                     \
	"    routes = ( { path = \"/v1\"; service = \"api\"; } ); } );\n"                          \
	"services = ( { name = \"new\"; balance = \"hash\"; },\n"                                  \
	"  { name = \"api\"; balance = \"hash\";\n"                                                \
	"    sticky = { cookie = \"c\"; secret = \"fedcba9876543210\"; };\n"                       \
	"    backends = ( { name = \"b2\"; address = \"127.0.0.1:2\"; weight = 5; },\n"            \
	"      { name = \"pool\"; address = \"pool.example:80\"; slots = 5; },\n"                  \
	"      { name = \"b3\"; address = \"127.0.0.1:3\"; } ); } );\n"

static struct conf *
load(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = NULL;

	if (conf_load_text(text, strlen(text), "test", &conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "?");
	return conf;
}

static char *
compare(const char *before, const char *after, struct conf_changes *changes)
{
	struct conf *a = load(before);
	struct conf *b = load(after);
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_int_equal(conf_compare(a, b, out, changes), 0);
	fclose(out);
	conf_unref(a);
	conf_unref(b);
	return text;
}

static void
the_same_does_not_differ(void **state)
{
	struct conf_changes changes;
	char *text = compare(BEFORE, BEFORE, &changes);

	(void)state;
	assert_string_equal(text, "nothing differs\n");
	assert_int_equal(changes.added + changes.changed + changes.removed, 0);
	free(text);
}

static void
every_key_is_told(void **state)
{
	static const char want[] =
		"global: changed: workers 2 -> 4, user none -> \"nobody\", "
		"log.level \"info\" -> \"debug\"\n"
		"listener web: changed: max_connections 100 -> 200, "
		"trusted_proxies ( \"10.0.0.0/8\" ) -> ( \"10.0.0.0/8\", \"::1/128\" ), "
		"timeouts.idle \"1m\" -> \"5s\", routes, service \"api\" -> \"new\"\n"
		"listener pg: removed\n"
		"service new: added\n"
		"service api: changed: balance \"round-robin\" -> \"hash\", "
		"hash_on none -> \"source\", hash_bound none -> 1.25, sticky.secret\n"
		"service api backend b2: changed: weight 1 -> 5\n"
		"service api backend pool: changed: slots 3 -> 5\n"
		"service api backend b3: added\n"
		"service api backend b1: removed\n"
		"service old: removed\n";
	struct conf_changes changes;
	char *text = compare(BEFORE, AFTER, &changes);

	(void)state;
	assert_string_equal(text, want);
	assert_int_equal(changes.added, 2);
	assert_int_equal(changes.changed, 5);
	assert_int_equal(changes.removed, 3);
	free(text);
}

static void
what_cannot_change_is_named(void **state)
{
	struct conf *a = load(BEFORE);
	struct conf *b = load(AFTER);
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_false(conf_compare_fixed(a, a, out));
	assert_true(conf_compare_fixed(a, b, out));
	fclose(out);
	assert_string_equal(text, "workers 2 -> 4, user none -> \"nobody\"");
	free(text);
	conf_unref(a);
	conf_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_does_not_differ),
		cmocka_unit_test(every_key_is_told),
		cmocka_unit_test(what_cannot_change_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
