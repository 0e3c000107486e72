#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/compare.h"
#include "conf/conf.h"
#include "conf/overlay.h"

static char folder[] = "/tmp/tg-certificate-XXXXXX";
static char told[1024];

/* Of this test: "CERT x" in the one text, "KEY x" in the other, with the same x. */
static int
take(const struct conf_pem *pem, void (*warn)(void *user, const char *text), void *user,
     struct conf_pem *ret, struct err *err)
{
	const char *chain = strstr(pem->chain, "CERT ");
	const char *key = strstr(pem->key, "KEY ");

	if (chain == NULL)
		return err_set(err, TG_EINVAL, "no certificate");
	if (key == NULL)
		return err_set(err, TG_ENOENT, "no key");
	if (chain[5] != key[4])
		return err_set(err, TG_EINVAL, "they differ");
	if (chain[5] == 'o')
		warn(user, "odd");
	*ret = (struct conf_pem){.chain = strndup(chain, 6), 6, strndup(key, 5), 5};
	return 0;
}

/* Of this test: "OCSP x" of the certificate x. */
static int
check_ocsp(const struct conf_pem *pem, const char *der, size_t n,
	   void (*warn)(void *user, const char *text), void *user, struct err *err)
{
	(void)warn;
	(void)user;
	if (n >= 6 && der[5] == pem->chain[5])
		return 0;
	return err_set(err, TG_EINVAL, "of another");
}

static const struct conf_certificates of_test = {.take = take, .check_ocsp = check_ocsp};

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
on_told(void *user, const char *line)
{
	size_t n = strlen(told);

	(void)user;
	snprintf(told + n, sizeof(told) - n, "%s\n", line);
}

static struct conf *
load(const char *certificates)
{
	struct conf_errors errors;
	struct conf *conf = NULL;
	char text[512];

	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; tls = { certificates = ( %s ); }; } );"
		 "services = ( { name = \"s\"; } );",
		 certificates);
	told[0] = '\0';
	(void)!conf_load_text(text, strlen(text), "t", &conf, &errors);
	for (size_t i = 0; i < errors.n; i++)
		on_told(NULL, errors.list[i].text);
	conf_errors_fini(&errors);
	return conf;
}

static struct conf *
renew(struct conf *conf, size_t *ret_failed)
{
	struct conf_draft *d;

	told[0] = '\0';
	assert_int_equal(conf_draft_open(conf, &d), 0);
	assert_int_equal(conf_draft_renew(d, on_told, NULL, ret_failed), 0);
	return conf_draft_finish(d);
}

static const struct conf_certificate *
certificates_of(const struct conf *conf)
{
	return conf->listeners[0].tls.certificates;
}

/* With the folder in the place of each "%s". */
static char *
entry(const char *form)
{
	static char text[256];
	const char *at;

	text[0] = '\0';
	while ((at = strstr(form, "%s")) != NULL) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%.*s%s", (int)(at - form), form, folder);
		form = at + 2;
	}
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", form);
	return text;
}

static int
group_setup(void **state)
{
	(void)state;
	conf_set_certificates(&of_test);
	return mkdtemp(folder) == NULL;
}

static int
group_teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void
keys_are_found_where_they_are(void **state)
{
	static const char *const entries[] = {"\"%s/both.pem\"", "\"%s/apart.pem\"",
					      "{ file = \"%s/apart.pem\"; key = \"%s/other\"; }"};

	(void)state;
	put("both.pem", "CERT a KEY a");
	put("apart.pem", "CERT b");
	put("apart.key", "KEY b");
	put("other", "KEY b");
	for (size_t i = 0; i < 3; i++) {
		struct conf *conf = load(entry(entries[i]));

		assert_string_equal(told, "");
		assert_int_equal(certificates_of(conf)->n_loaded, 1);
		assert_string_equal(certificates_of(conf)->loaded[0].pem.key, i == 0 ? "KEY a" : "KEY b");
		conf_unref(conf);
	}
}

static void
texts_without_files_are_refused(void **state)
{
	(void)state;
	assert_null(load("\"relative.pem\""));
	assert_non_null(strstr(told, "tls.certificates[0]: a relative name is not allowed here"));
	assert_null(load(entry("\"%s/none.pem\"")));
	assert_non_null(strstr(told, "none.pem: No such file or directory"));
}

/* Behind the list of certificates. */
static void
protocols_fit_the_mode(void **state)
{
	struct conf *conf;

	(void)state;
	put("p.pem", "CERT a KEY a");
	conf = load(entry("\"%s/p.pem\""));
	assert_int_equal(conf->listeners[0].tls.n_alpn, 2);
	assert_string_equal(conf->listeners[0].tls.alpn[0], "h2");
	assert_string_equal(conf->listeners[0].tls.alpn[1], "http/1.1");
	conf_unref(conf);
	assert_null(load(entry("\"%s/p.pem\" ); alpn = ( \"smtp\"")));
	assert_non_null(strstr(told, "tls.alpn: \"smtp\": not with mode = \"http\"; allowed: "
				     "\"h2\", \"http/1.1\""));
}

static void
a_folder_is_all_of_its_files(void **state)
{
	char path[128];
	struct conf *conf;

	(void)state;
	snprintf(path, sizeof(path), "%s/d", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	put("d/2.pem", "CERT o KEY o");
	put("d/1.crt", "CERT x");
	put("d/1.key", "KEY x");
	put("d/.3.pem", "nothing");
	put("d/4.txt", "nothing");
	conf = load(entry("\"%s/d\""));
	assert_non_null(conf);
	assert_int_equal(certificates_of(conf)->n_loaded, 2);
	assert_string_equal(certificates_of(conf)->loaded[0].pem.chain, "CERT x");
	assert_string_equal(certificates_of(conf)->loaded[1].pem.chain, "CERT o");
	assert_non_null(strstr(told, "warning: listeners[0].tls.certificates[0]: "));
	assert_non_null(strstr(told, "2.pem: odd"));
	conf_unref(conf);
}

static void
what_is_read_anew_is_whole_or_as_it_was(void **state)
{
	struct conf_changes changes;
	struct conf *first;
	struct conf *second;
	struct conf *third;
	size_t n_failed;
	FILE *nowhere = fopen("/dev/null", "w");

	(void)state;
	put("r.pem", "CERT 1 KEY 1");
	put("s.pem", "CERT 1 KEY 1");
	first = load(entry("\"%s/r.pem\", \"%s/s.pem\""));
	second = renew(first, &n_failed);
	assert_int_equal(conf_compare(first, second, nowhere, &changes), 0);
	assert_int_equal(changes.changed, 0);
	conf_unref(second);

	put("r.pem", "CERT 2 KEY 2");
	put("s.pem", "CERT 2 KEY 1");
	second = renew(first, &n_failed);
	assert_int_equal(n_failed, 1);
	assert_non_null(strstr(told, "listener l: "));
	assert_non_null(strstr(told, "s.pem: they differ"));
	assert_int_equal(conf_compare(first, second, nowhere, &changes), 0);
	assert_int_equal(changes.changed, 1);
	assert_string_equal(certificates_of(second)[0].loaded[0].pem.key, "KEY 2");
	assert_string_equal(certificates_of(second)[1].loaded[0].pem.chain, "CERT 1");
	assert_string_equal(certificates_of(first)[0].loaded[0].pem.key, "KEY 1");
	conf_unref(first);

	/* What is made over it has what was read last. */
	third = renew(second, &n_failed);
	conf_unref(second);
	put("s.pem", "CERT 3 KEY 3");
	second = renew(third, &n_failed);
	conf_unref(third);
	assert_int_equal(n_failed, 0);
	assert_string_equal(certificates_of(second)[1].loaded[0].pem.chain, "CERT 3");
	conf_unref(second);
	fclose(nowhere);
}

static void
a_look_tells_changes_without_reading(void **state)
{
	struct conf *conf;
	uint64_t mark;

	(void)state;
	put("l.pem", "CERT 1 KEY 1");
	conf = load(entry("\"%s/l.pem\""));
	mark = conf_certificate_look(certificates_of(conf));
	assert_int_equal(conf_certificate_look(certificates_of(conf)), mark);
	put("l.pem", "CERT 1 KEY 1 ");
	assert_int_not_equal(conf_certificate_look(certificates_of(conf)), mark);
	conf_unref(conf);
}

static void
the_keeper_is_told_no_key(void **state)
{
	struct conf *conf;
	struct conf *read;
	struct err err;
	int fd;

	(void)state;
	put("k.pem", "CERT 1 KEY 1");
	conf = load(entry("\"%s/k.pem\""));
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &read, &err), 0);
	close(fd);
	assert_string_equal(certificates_of(read)->loaded[0].pem.chain, "CERT 1");
	assert_null(certificates_of(read)->loaded[0].pem.key);
	conf_unref(read);
	assert_int_equal(conf_save_proxy_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &read, &err), 0);
	close(fd);
	assert_string_equal(certificates_of(read)->loaded[0].pem.key, "KEY 1");
	conf_unref(read);
	conf_unref(conf);
}

static const char *
ocsp_of(const struct conf *conf)
{
	return certificates_of(conf)->loaded[0].ocsp;
}

static void
what_is_said_of_a_certificate_is_read_with_it(void **state)
{
	struct conf *conf;
	struct conf *second;
	size_t failed;

	(void)state;
	put("said.pem", "CERT 1 KEY 1");
	put("elsewhere", "OCSP 1 elsewhere");
	conf = load(entry("{ file = \"%s/said.pem\"; ocsp = \"%s/elsewhere\"; }"));
	assert_non_null(conf);
	assert_string_equal(ocsp_of(conf), "OCSP 1 elsewhere");
	conf_unref(conf);
	assert_null(load(entry("{ file = \"%s/said.pem\"; ocsp = \"%s/nowhere\"; }")));
	assert_non_null(strstr(told, "nowhere: "));
	assert_null(load(entry("{ file = \"%s\"; ocsp = \"%s/elsewhere\"; }")));
	assert_non_null(strstr(told, "ocsp: not with a folder"));

	conf = load(entry("\"%s/said.pem\""));
	assert_null(ocsp_of(conf));
	put("said.pem.ocsp", "OCSP 1");
	second = renew(conf, &failed);
	assert_string_equal(ocsp_of(second), "OCSP 1");
	conf_unref(conf);
	/* What holds is kept where something else comes after it, but for its own certificate only. */
	put("said.pem.ocsp", "OCSP 2");
	conf = renew(second, &failed);
	assert_non_null(strstr(told, "said.pem.ocsp: of another"));
	assert_string_equal(ocsp_of(conf), "OCSP 1");
	conf_unref(second);
	put("said.pem", "CERT 3 KEY 3");
	second = renew(conf, &failed);
	assert_int_equal(failed, 0);
	assert_string_equal(certificates_of(second)->loaded[0].pem.chain, "CERT 3");
	assert_null(ocsp_of(second));
	conf_unref(conf);
	conf_unref(second);
}

static void
a_response_that_comes_is_seen(void **state)
{
	struct conf *conf;
	uint64_t before;
	char path[128];

	(void)state;
	put("seen.pem", "CERT 1 KEY 1");
	conf = load(entry("\"%s/seen.pem\""));
	before = conf_certificate_look(certificates_of(conf));
	put("seen.pem.ocsp", "OCSP 1");
	assert_true(conf_certificate_look(certificates_of(conf)) != before);
	snprintf(path, sizeof(path), "%s/seen.pem.ocsp", folder);
	assert_int_equal(unlink(path), 0);
	assert_true(conf_certificate_look(certificates_of(conf)) == before);
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_where_they_are),
		cmocka_unit_test(texts_without_files_are_refused),
		cmocka_unit_test(protocols_fit_the_mode),
		cmocka_unit_test(a_folder_is_all_of_its_files),
		cmocka_unit_test(what_is_read_anew_is_whole_or_as_it_was),
		cmocka_unit_test(a_look_tells_changes_without_reading),
		cmocka_unit_test(the_keeper_is_told_no_key),
		cmocka_unit_test(what_is_said_of_a_certificate_is_read_with_it),
		cmocka_unit_test(a_response_that_comes_is_seen),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
