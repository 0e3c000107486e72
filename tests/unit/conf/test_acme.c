/* conf/schema_acme.c, and what certificates of listeners say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/compare.h"
#include "tls/certificate.h"
#include "unit/conf/texts.h"

#define TWO(acme, tls)                                                                             \
	"acme = ( " acme                                                                           \
	" );\nlisteners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; " tls " } );\n"       \
	"services = ( { name = \"s\"; } );\n"
#define TLS(x)  "tls = { certificates = ( " x " ); };"
#define NONE    "/nowhere/a.pem"
#define ONE     TLS("{ file = \"" NONE "\"; acme = \"a\"; }")
#define COMMAND "command = ( \"/bin/true\" ); "
#define GOOD    "{ name = \"a\"; names = ( \"a.example\", \"b.example\" ); " COMMAND "}"
#define WARNED                                                                                     \
	"2: warning: listeners[0].tls.certificates[0].acme: there is no file " NONE                \
	" yet: until \"a\" has made it clients get a certificate that nobody vouches for"

#define BAD(name)                                                                                  \
	"\n1: acme[0].names: bad name \"" name "\"; allowed: a host name, as \"www.example.org\""

static const struct {
	const char *text;
	const char *errors;
} refused[] = {
	{TWO("{ name = \"a\"; " COMMAND "}", ONE), WARNED "\n1: acme[0].names: missing"},
	{TWO("{ name = \"a\"; names = ( \"a.example\" ); }", ONE),
	 WARNED "\n1: acme[0].command: missing"},
	{TWO("{ name = \"a\"; names = ( \"*.example\" ); " COMMAND "}", ONE),
	 WARNED "\n1: acme[0].names: bad name \"*.example\"; allowed: a host name, as "
		"\"www.example.org\""},
	{TWO("{ name = \"a\"; names = ( \"192.0.2.1\" ); " COMMAND "}", ONE),
	 WARNED "\n1: acme[0].names: bad name \"192.0.2.1\"; allowed: a host name, as "
		"\"www.example.org\""},
	{TWO("{ name = \"a\"; names = ( \"a.example\", \"\", \"a..b\", \"-a.b\", \"a-.b\", \"a_b.c\", \"a.b.\", "
	     "\"a b\" ); " COMMAND "}",
	     ONE),
	 WARNED BAD("") BAD("a..b") BAD("-a.b") BAD("a-.b") BAD("a_b.c") BAD("a.b.") BAD("a b")},
	{TWO("{ name = \"a\"; names = ( \"a.example\" ); command = ( \"true\" ); }", ONE),
	 WARNED "\n1: acme[0].command: \"true\" is not an absolute path; allowed: ( "
		"\"/path/of/program\", \"argument\", ... )"},
	{TWO(GOOD, ""),
	 "1: acme[0].name: no listener has a certificate of it; allowed: certificates = ( { file = "
	 "\"...\"; acme = \"a\"; } )"},
};

static int
load(const char *text, struct conf **ret, char **ret_text)
{
	struct conf_errors errors;
	int rc = conf_load_text(text, strlen(text), "t", ret, &errors);

	*ret_text = errors_text(&errors);
	conf_errors_fini(&errors);
	return rc;
}

static void
assert_lines(const char *text, const char *wanted)
{
	const char *line = wanted;

	/* Each line wanted is there; the order of files is another matter. */
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");
		char one[512];

		snprintf(one, sizeof(one), "%.*s", (int)n, line);
		if (strstr(text, one) == NULL)
			fail_msg("no \"%s\" in \"%s\"", one, text);
		line += n + (line[n] == '\n');
	}
	assert_string_equal(strlen(text) == strlen(wanted) ? "" : text, "");
}

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf *conf;
		char *text;

		if (load(refused[i].text, &conf, &text) == 0)
			fail_msg("taken: %s", refused[i].text);
		assert_lines(text, refused[i].errors);
		free(text);
	}
}

static void
a_name_that_is_near_is_offered(void **state)
{
	struct conf *conf;
	char *text;

	(void)state;
	assert_true(load(TWO("{ name = \"site\"; names = ( \"a.example\" ); " COMMAND "}",
			     TLS("{ file = \"" NONE "\"; acme = \"sita\"; }")),
			 &conf, &text) < 0);
	assert_non_null(strstr(text,
			       "listeners[0].tls: a certificate names an unknown acme \"sita\" "
			       "(did you mean \"site\"?)"));
	free(text);
}

static void
a_folder_is_nobodys(void **state)
{
	struct conf *conf;
	char *text;

	(void)state;
	assert_true(load(TWO(GOOD, TLS("{ file = \"/etc\"; acme = \"a\"; }")), &conf, &text) < 0);
	assert_non_null(strstr(text, "not with a folder"));
	free(text);
}

static void
what_is_not_there_yet_has_a_placeholder(void **state)
{
	struct conf *conf;
	struct conf *other;
	const struct conf_certificate *c;
	char *text;

	(void)state;
	assert_int_equal(load(TWO(GOOD, ONE), &conf, &text), 0);
	assert_string_equal(text, WARNED);
	free(text);
	c = &conf->listeners[0].tls.certificates[0];
	assert_int_equal(c->n_loaded, 1);
	assert_true(c->loaded[0].is_placeholder);
	assert_non_null(c->loaded[0].pem.key);
	assert_int_equal(conf->acme[0].renew_before_ms, 30 * UINT64_C(86400000));
	assert_int_equal(load(TWO(GOOD, ONE), &other, &text), 0);
	free(text);
	assert_true(conf_acme_equal(&conf->acme[0], &other->acme[0]));
	conf_unref(other);
	assert_int_equal(load(TWO("{ name = \"a\"; names = ( \"a.example\" ); " COMMAND "}", ONE),
			      &other, &text),
			 0);
	free(text);
	assert_false(conf_acme_equal(&conf->acme[0], &other->acme[0]));
	conf_unref(other);
	conf_unref(conf);
}

static int
setup(void **state)
{
	(void)state;
	conf_set_certificates(&certificate_conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_name_that_is_near_is_offered),
		cmocka_unit_test(a_folder_is_nobodys),
		cmocka_unit_test(what_is_not_there_yet_has_a_placeholder),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
