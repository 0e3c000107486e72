#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/tls.h"
#include "tls/certificate.h"

static char warnings[512];

static void
on_warning(void *user, const char *text)
{
	size_t n = strlen(warnings);

	(void)user;
	snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

/* What conf/ is told; the error is in `err`. */
static int
take(const char *chain, const char *key, struct conf_pem *ret, struct err *err)
{
	const struct conf_pem pem = {(char *)(uintptr_t)chain, strlen(chain),
				     (char *)(uintptr_t)key, strlen(key)};

	warnings[0] = '\0';
	return certificate_conf.take(&pem, on_warning, NULL, ret, err);
}

static char *
join(const char *a, const char *b)
{
	char *text;

	assert_true(asprintf(&text, "Bag Attributes\n    friendlyName: x\n%s\n%s", a, b) > 0);
	return text;
}

static void
add_name(void *user, const char *name)
{
	char *text = user;
	size_t n = strlen(text);

	snprintf(text + n, 128 - n, "%s ", name);
}

static void
chain_and_key_are_taken_apart(void **state)
{
	struct conf_pem a = fake_certificate(&(struct fake_certificate){
		.names = "DNS:a.example,IP:192.0.2.1,DNS:*.b.example", .common_name = "CN"});
	char *both = join(a.key, a.chain);
	struct certificate c;
	struct conf_pem ret;
	char names[128] = "";
	struct err err;

	(void)state;
	assert_int_equal(take(both, both, &ret, &err), 0);
	assert_string_equal(warnings, "");
	assert_string_equal(ret.chain, a.chain);
	assert_null(strstr(ret.chain, "PRIVATE"));
	assert_null(strstr(ret.key, "CERTIFICATE"));
	assert_int_equal(certificate_read(ret.chain, ret.chain_n, ret.key, ret.key_n, &c, &err), 0);
	certificate_names(&c, add_name, names);
	assert_string_equal(names, "a.example *.b.example ");
	assert_true(certificate_not_after(&c).us > wall_read().us + UINT64_C(29) * 86400 * 1000000);
	certificate_fini(&c);
	free(both);
	fake_pem_free(&ret);
	fake_pem_free(&a);
}

static void
what_cannot_be_used_has_a_reason(void **state)
{
	struct conf_pem a = fake_certificate(&(struct fake_certificate){.names = "DNS:a"});
	struct conf_pem b = fake_certificate(&(struct fake_certificate){.names = "DNS:a"});
	struct conf_pem weak =
		fake_certificate(&(struct fake_certificate){.names = "DNS:a", .rsa_bits = 1024});
	static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				     "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhZy6nUYX0pTwICCAAw\n"
				     "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIpTn9CkLhkOLB6ThDxYQTgEgZBU\n"
				     "-----END ENCRYPTED PRIVATE KEY-----\n";
	char *cut = strndup(a.chain, a.chain_n / 2);
	const struct {
		const char *chain;
		const char *key;
		int rc;
		const char *why;
	} cases[] = {
		{"", a.key, -TG_EINVAL, "there is no certificate in it (PEM)"},
		{"nonsense", a.key, -TG_EINVAL, "there is no certificate in it (PEM)"},
		{cut, a.key, -TG_EINVAL, "the certificate cannot be read"},
		{a.chain, a.chain, -TG_ENOENT, "there is no private key in it (PEM)"},
		{a.chain, b.key, -TG_EINVAL, "the key is not that of the certificate"},
		{weak.chain, weak.key, -TG_EINVAL,
		 "the RSA key has 1024 bits; allowed: 2048 and more"},
	};
	struct conf_pem ret;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(take(cases[i].chain, cases[i].key, &ret, &err), cases[i].rc);
		assert_int_equal(strncmp(err.text, cases[i].why, strlen(cases[i].why)), 0);
	}
	assert_int_equal(take(a.chain, locked, &ret, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "the key"));
	free(cut);
	fake_pem_free(&a);
	fake_pem_free(&b);
	fake_pem_free(&weak);
}

static void
what_is_odd_is_told(void **state)
{
	static const struct {
		struct fake_certificate wanted;
		const char *begin;
	} cases[] = {
		{{.names = "DNS:a", .from_days = -9, .to_days = -2}, "the certificate has expired at 20"},
		{{.names = "DNS:a", .from_days = 2}, "the certificate is not valid before 20"},
		{{.names = "IP:192.0.2.1"}, "the certificate has no host name"},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_pem a = fake_certificate(&cases[i].wanted);
		struct conf_pem ret;

		assert_int_equal(take(a.chain, a.key, &ret, &err), 0);
		assert_int_equal(strncmp(warnings, cases[i].begin, strlen(cases[i].begin)), 0);
		assert_ptr_equal(strchr(warnings, '\n'), warnings + strlen(warnings) - 1);
		fake_pem_free(&ret);
		fake_pem_free(&a);
	}
}

static void
certificates_that_do_not_belong_together_are_told(void **state)
{
	struct conf_pem a = fake_certificate(&(struct fake_certificate){.names = "DNS:a"});
	struct conf_pem b =
		fake_certificate(&(struct fake_certificate){.names = "DNS:b", .common_name = "b"});
	char *both = join(a.chain, b.chain);
	struct conf_pem ret;
	struct err err;

	(void)state;
	assert_int_equal(take(both, a.key, &ret, &err), 0);
	assert_string_equal(warnings, "the certificates behind the first do not vouch for each other "
				      "in their order\n");
	free(both);
	fake_pem_free(&ret);
	fake_pem_free(&a);
	fake_pem_free(&b);
}

static void
ciphers_are_known_and_protect(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(certificate_conf.check_ciphers("ECDHE-RSA-AES128-GCM-SHA256", &err), 0);
	assert_int_equal(certificate_conf.check_ciphers("NO-SUCH-CIPHER", &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "no cipher in it is known; allowed: "));
	assert_int_equal(certificate_conf.check_ciphers("ALL:eNULL:@SECLEVEL=0", &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "protects nothing"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_and_key_are_taken_apart),
		cmocka_unit_test(what_cannot_be_used_has_a_reason),
		cmocka_unit_test(what_is_odd_is_told),
		cmocka_unit_test(certificates_that_do_not_belong_together_are_told),
		cmocka_unit_test(ciphers_are_known_and_protect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
