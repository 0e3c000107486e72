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

static char folder[] = "/tmp/tg-back-tls-XXXXXX";
static char told[2048];

/* Of this test: an authority is "CA", what is revoked "CRL", a certificate "CERT", its key "KEY". */
static int
take(const struct conf_pem *pem, void (*warn)(void *user, const char *text), void *user,
     struct conf_pem *ret, struct err *err)
{
	(void)warn;
	(void)user;
	if (strstr(pem->chain, "CERT") == NULL)
		return err_set(err, TG_EINVAL, "no certificate");
	if (strstr(pem->key, "KEY") == NULL)
		return err_set(err, TG_ENOENT, "no key");
	*ret = (struct conf_pem){strdup(pem->chain), pem->chain_n, strdup(pem->key), pem->key_n};
	return 0;
}

static int
check_authorities(const char *pem, size_t n, void (*warn)(void *user, const char *text),
		  void *user, struct err *err)
{
	(void)n;
	if (strncmp(pem, "CA", 2) != 0)
		return err_set(err, TG_EINVAL, "no authority");
	if (strstr(pem, "odd") != NULL)
		warn(user, "odd");
	return 0;
}

static int
check_revoked(const char *pem, size_t n, void (*warn)(void *user, const char *text), void *user,
	      struct err *err)
{
	(void)n;
	(void)warn;
	(void)user;
	return strncmp(pem, "CRL", 3) == 0 ? 0 : err_set(err, TG_EINVAL, "no list");
}

static const struct conf_certificates of_test = {
	.take = take,
	.check_authorities = check_authorities,
	.check_revoked = check_revoked,
};

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

/* `service` is what else it has; "@" in it is the folder. */
static struct conf *
load(const char *service)
{
	struct conf_errors errors;
	struct conf *conf = NULL;
	char text[1024];
	size_t n;

	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );"
		 "services = ( { name = \"s\"; ");
	for (; *service != '\0'; service++) {
		n = strlen(text);
		if (*service == '@')
			snprintf(text + n, sizeof(text) - n, "%s", folder);
		else
			snprintf(text + n, sizeof(text) - n, "%c", *service);
	}
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, "} );");
	told[0] = '\0';
	(void)!conf_load_text(text, strlen(text), "t", &conf, &errors);
	for (size_t i = 0; i < errors.n; i++)
		on_told(NULL, errors.list[i].text);
	conf_errors_fini(&errors);
	return conf;
}

static int
group_setup(void **state)
{
	char system[64];

	(void)state;
	conf_set_certificates(&of_test);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(system, sizeof(system), "%s/system.pem", folder);
	setenv("SSL_CERT_FILE", system, 1);
	put("system.pem", "CA of the system");
	put("ca.pem", "CA one");
	put("crl.pem", "CRL one");
	put("own.pem", "CERT own");
	put("own.key", "KEY own");
	put("bad.pem", "nothing");
	return 0;
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
where_it_is_written_it_is_on_and_trusts_the_system(void **state)
{
	struct conf *conf = load("tls = { };");

	(void)state;
	assert_string_equal(told, "");
	assert_true(conf->services[0].tls.enable);
	assert_int_equal(conf->services[0].tls.verify, TG_VERIFY_FULL);
	assert_string_equal(conf->services[0].tls.ca.pem, "CA of the system");
	assert_null(conf->services[0].tls.crl.pem);
	conf_unref(conf);
	conf = load("");
	assert_false(conf->services[0].tls.enable);
	assert_null(conf->services[0].tls.ca.pem);
	conf_unref(conf);
	conf = load("tls = { enable = false; };");
	assert_string_equal(told, "");
	assert_false(conf->services[0].tls.enable);
	conf_unref(conf);
}

static void
files_are_read_and_handed_on_to_our_own_processes(void **state)
{
	static const char text[] = "tls = { ca = \"@/ca.pem\"; crl = \"@/crl.pem\"; certificate = "
				   "\"@/own.pem\"; name = \"x.example\"; };";
	struct conf *conf = load(text);
	struct conf *again;
	struct conf *proxy;
	struct err err;
	int fd;

	(void)state;
	assert_string_equal(told, "");
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	close(fd);
	assert_int_equal(conf_save_proxy_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &proxy, &err), 0);
	close(fd);
	for (int i = 0; i < 3; i++) {
		const struct conf_back_tls *tls =
			&(i == 0 ? conf : i == 1 ? again : proxy)->services[0].tls;

		assert_string_equal(tls->ca.pem, "CA one");
		assert_string_equal(tls->crl.pem, "CRL one");
		assert_string_equal(tls->own.chain, "CERT own");
		assert_string_equal(tls->own.key, "KEY own");
		assert_true(conf_back_tls_equal(tls, &conf->services[0].tls));
	}
	conf_unref(conf);
	conf_unref(again);
	conf_unref(proxy);
}

static void
people_do_not_see_what_is_in_them(void **state)
{
	struct conf *conf = load("tls = { ca = \"@/ca.pem\"; certificate = \"@/own.pem\"; };");
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	conf_print(conf, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "/ca.pem\";"));
	assert_null(strstr(text, "base64"));
	free(text);
	conf_unref(conf);
}

static void
what_cannot_be_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{"tls = { ca = \"@/none.pem\"; };", "none.pem: No such file or directory"},
		{"tls = { ca = \"@/bad.pem\"; };", "bad.pem: no authority"},
		{"tls = { crl = \"@/bad.pem\"; };", "bad.pem: no list"},
		{"tls = { certificate = \"@/bad.pem\"; };", "bad.pem: no certificate"},
		{"tls = { certificate = \"@\"; };", "is a folder; allowed: a file"},
		{"tls = { key = \"@/own.key\"; };", "certificate: missing; a key is of a certificate"},
		{"tls = { verify = \"none\"; ca = \"@/ca.pem\"; };", "ca: of no use with verify"},
		{"tls = { verify = \"some\"; };", "allowed: full, chain, none"},
		{"tls = { name = \"a b\"; };", "bad name \"a b\"; allowed: a host name"},
		{"tls = { }; backends = ( { name = \"b\"; address = \"unix:/x\"; } );",
		 "tls: name is missing: the address of backends[0] has none"},
		{"tls = { }; backends = ( { name = \"b\"; address = \"srv:_a._tcp.example\"; } );",
		 "tls: name is missing: the address of backends[0] has none"},
		{"tls = { }; health = { type = \"tcp\"; keep = true; };", "keep, but its checks speak TLS"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(load(cases[i][0]));
		if (strstr(told, cases[i][1]) == NULL)
			fail_msg("%s\n--- says\n%s", cases[i][0], told);
	}
}

static void
what_is_odd_is_told(void **state)
{
	struct conf *conf;

	(void)state;
	put("odd.pem", "CA odd");
	conf = load("tls = { ca = \"@/odd.pem\"; };");
	assert_non_null(strstr(told, "warning: services[0].tls.ca: "));
	conf_unref(conf);
	conf = load("tls = { verify = \"none\"; };");
	assert_non_null(strstr(told, "no certificate is checked"));
	conf_unref(conf);
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

static void
files_are_read_anew_and_bad_ones_left_out(void **state)
{
	struct conf *conf;
	struct conf *next;
	struct conf_changes changes;
	char *text = NULL;
	size_t n = 0;
	FILE *out;
	uint64_t look;
	size_t failed;

	(void)state;
	put("turns.pem", "CA first");
	put("turns.crl", "CRL first");
	conf = load("tls = { ca = \"@/turns.pem\"; crl = \"@/turns.crl\"; certificate = \"@/own.pem\"; };");
	look = conf_back_tls_look(&conf->services[0].tls);
	assert_int_equal(conf_back_tls_look(&conf->services[0].tls), look);
	put("turns.pem", "CA the second");
	put("turns.crl", "none");
	assert_int_not_equal(conf_back_tls_look(&conf->services[0].tls), look);
	next = renew(conf, &failed);
	assert_int_equal(failed, 1);
	assert_non_null(strstr(told, "service s: "));
	assert_string_equal(next->services[0].tls.ca.pem, "CA the second");
	assert_string_equal(next->services[0].tls.crl.pem, "CRL first");
	assert_string_equal(next->services[0].tls.own.key, "KEY own");
	assert_false(conf_service_equal(&conf->services[0], &next->services[0]));
	out = open_memstream(&text, &n);
	assert_int_equal(conf_compare(conf, next, out, &changes), 0);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "service s: changed: tls.ca renewed\n");
	assert_int_equal(changes.changed, 1);
	free(text);
	conf_unref(conf);
	conf_unref(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_is_written_it_is_on_and_trusts_the_system),
		cmocka_unit_test(files_are_read_and_handed_on_to_our_own_processes),
		cmocka_unit_test(people_do_not_see_what_is_in_them),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(what_is_odd_is_told),
		cmocka_unit_test(files_are_read_anew_and_bad_ones_left_out),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
