/* conf/hook_url.c and conf/schema_hook.c: who is told, and what is wrong with whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/compare.h"
#include "conf/hook_url.h"
#include "unit/conf/texts.h"

#define HOOKS(x) TOP("hooks = ( " x " );")
#define AT       "1: hooks[0]."
#define URL      "url = \"https://h.example/p\"; "
#define ON       "on = ( \"all\" ); "
#define ALLOWED  "; allowed: \"https://host[:port]/path\", \"http://host[:port]/path\""

static void
urls_say_where(void **state)
{
	static const struct {
		const char *text;
		bool is_secure;
		const char *at; /* NULL: a name */
		const char *host;
		uint16_t port;
		const char *path;
	} good[] = {
		{"http://192.0.2.7", false, "192.0.2.7:80", "192.0.2.7", 0, ""},
		{"https://192.0.2.7:8443/a?b=c", true, "192.0.2.7:8443", "192.0.2.7", 0, "/a?b=c"},
		{"https://[2001:db8::1]/x", true, "[2001:db8::1]:443", "2001:db8::1", 0, "/x"},
		{"http://[2001:db8::1]:8/", false, "[2001:db8::1]:8", "2001:db8::1", 0, "/"},
		{"https://hooks.example.org/T0/B0", true, NULL, "hooks.example.org", 443, "/T0/B0"},
		{"http://host:8080?x=http://y@z:1/", false, NULL, "host", 8080, "?x=http://y@z:1/"},
	};
	char at[TG_ADDR_STRLEN];
	struct hook_url url;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (hook_url_parse(good[i].text, &url, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		assert_int_equal(url.is_secure, good[i].is_secure);
		assert_string_equal(url.host, good[i].host);
		assert_string_equal(url.path, good[i].path);
		if (good[i].at != NULL)
			assert_string_equal(addr_format(&url.at.addr, at, sizeof(at)), good[i].at);
		else
			assert_int_equal(url.at.port, good[i].port);
	}
}

static const struct {
	const char *text;
	const char *errors;
} refused[] = {
	{HOOKS("{ " ON URL "}"), AT "name: missing"},
	{HOOKS("{ name = \"a\"; " URL "}"), AT "on: missing"},
	{HOOKS("{ name = \"a\"; on = ( \"scale-upp\" ); " URL "}"),
	 AT "on: unknown event \"scale-upp\" (did you mean \"scale-up\"?)"},
	{HOOKS("{ name = \"a\"; on = ( \"leader\" ); " URL "}"),
	 AT "on: unknown event \"leader\"; allowed: \"all\", \"scale-up\", \"scale-down\", \"backend-up\", "
	    "\"backend-down\", \"start-failed\", \"hold-full\", \"store-down\", \"store-up\", \"leader-change\", "
	    "\"certificate-expires\", \"crl-expires\", \"acme-done\", \"acme-failed\", \"ocsp-expires\""},
	{HOOKS("{ name = \"a\"; " ON "}"),
	 AT "exec: nobody to tell; allowed: exec = ( \"/path/of/program\", ... ), or url = "
	 "\"https://host/path\""},
	{HOOKS("{ name = \"a\"; " ON URL "exec = ( \"/bin/true\" ); }"),
	 AT "exec: not together with url; allowed: exec = ( \"/path/of/program\", ... ), or url = "
	    "\"https://host/path\""},
	{HOOKS("{ name = \"a\"; " ON "exec = ( \"true\" ); }"),
	 AT "exec: \"true\" is not an absolute path; allowed: ( \"/path/of/program\", \"argument\", ... )"},
	{HOOKS("{ name = \"a\"; " ON "exec = ( \"/bin/true\" ); secret = \"0123456789abcdef\"; }"),
	 AT "secret: only allowed with url"},
	{HOOKS("{ name = \"a\"; " ON URL "secret = \"short\"; }"),
	 AT "secret: shorter than 16 bytes"},
	{HOOKS("{ name = \"a\"; " ON URL "services = ( \"t\" ); }"),
	 AT "services: unknown service \"t\" (did you mean \"s\"?)"},
	{HOOKS("{ name = \"a\"; " ON "url = \"http://h/\"; ca = \"/c\"; }"),
	 AT "ca: only allowed with url = \"https://...\""},
	{HOOKS("{ name = \"a\"; " ON "url = \"ftp://h/\"; }"), AT "url: not an address of the web" ALLOWED},
	{HOOKS("{ name = \"a\"; " ON "url = \"https://u:p@h/\"; }"),
	 AT "url: no user before the host" ALLOWED ", and secret to sign with"},
	{HOOKS("{ name = \"a\"; " ON "url = \"https://h/#x\"; }"), AT "url: a fragment is never sent" ALLOWED},
	{HOOKS("{ name = \"a\"; " ON "url = \"https://h/a b\"; }"),
	 AT "url: a byte that no URL has at place 12; write it as %XX"},
	{HOOKS("{ name = \"a\"; " ON "url = \"https:///x\"; }"), AT "url: no host of 1 to 253 bytes" ALLOWED},
	{HOOKS("{ name = \"a\"; " ON "url = \"https://unix:/x\"; }"), NULL},
	{HOOKS("{ name = \"a\"; " ON URL "}, { name = \"a\"; " ON URL "}"),
	 "1: hooks[1].name: already the name of hooks[0]"},
};

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf_errors errors;
		struct conf *conf;
		char *text;

		if (conf_load_text(refused[i].text, strlen(refused[i].text), "t", &conf, &errors) == 0)
			fail_msg("taken: %s", refused[i].text);
		text = errors_text(&errors);
		if (refused[i].errors != NULL)
			assert_string_equal(text, refused[i].errors);
		free(text);
		conf_errors_fini(&errors);
	}
}

static struct conf *
load(const char *text)
{
	struct conf_errors errors;
	struct conf *conf;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	conf_errors_fini(&errors);
	return conf;
}

static const char two[] =
	HOOKS("{ name = \"a\"; on = ( \"scale-up\", \"store-down\" ); " URL
	      "secret = \"0123456789abcdef\"; services = ( \"s\" ); }, "
	      "{ name = \"b\"; " ON "exec = ( \"/bin/true\", \"x\" ); timeout = \"1s\"; }");

static void
defaults_are_set_and_words_are_bits(void **state)
{
	struct conf *conf = load(two);
	const struct conf_hook *a = &conf->hooks[0];
	const struct conf_hook *b = &conf->hooks[1];

	(void)state;
	assert_int_equal(a->events, 1u << TG_HOOK_SCALE_UP | 1u << TG_HOOK_STORE_DOWN);
	assert_int_equal(b->events, (1u << TG_HOOK_EVENT_COUNT) - 1);
	assert_int_equal(a->timeout_ms, 5000);
	assert_int_equal(a->retries, 5);
	assert_int_equal(a->queue, 256);
	assert_string_equal(b->exec[1], "x");
	assert_true(conf_hook_equal(a, a));
	assert_false(conf_hook_equal(a, b));
	conf_unref(conf);
}

/* Secrets go to the keeper alone, and are shown to nobody. */
static void
who_knows_what(void **state)
{
	struct conf *conf = load(two);
	char *shown = conf_text(conf);
	struct conf *handed;
	struct err err;
	int fd;

	(void)state;
	assert_null(strstr(shown, "0123456789abcdef"));
	assert_null(strstr(shown, "h.example"));
	assert_non_null(strstr(shown, "/bin/true"));
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &handed, &err), 0);
	assert_int_equal(handed->n_hooks, 2);
	assert_true(conf_hook_equal(&handed->hooks[0], &conf->hooks[0]));
	assert_true(conf_hook_equal(&handed->hooks[1], &conf->hooks[1]));
	close(fd);
	conf_unref(handed);
	assert_int_equal(conf_save_proxy_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &handed, &err), 0);
	assert_int_equal(handed->n_hooks, 0);
	close(fd);
	conf_unref(handed);
	conf_unref(conf);
	free(shown);
}

static void
changes_are_told_hook_by_hook(void **state)
{
	struct conf *before = load(two);
	struct conf *after =
		load(HOOKS("{ name = \"a\"; on = ( \"scale-up\", \"store-down\" ); " URL
			   "secret = \"another one of 16\"; services = ( \"s\" ); retries = 1; }"));
	struct conf_changes changes;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(conf_compare(before, after, out, &changes), 0);
	fclose(out);
	assert_string_equal(text, "hook a: changed: secret, retries 5 -> 1\nhook b: removed\n");
	free(text);
	conf_unref(before);
	conf_unref(after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_say_where),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(defaults_are_set_and_words_are_bits),
		cmocka_unit_test(who_knows_what),
		cmocka_unit_test(changes_are_told_hook_by_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
