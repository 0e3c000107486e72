#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/tls.h"
#include "tls/ocsp.h"

#define DAY 86400L

static struct conf_pem authority;
static struct conf_pem leaf;
static struct conf_pem other;
static struct conf_pem whole; /* leaf with its authority behind it */
static char warned[256];

static int
group_setup(void **state)
{
	(void)state;
	authority = fake_certificate(
		&(struct fake_certificate){.common_name = "ca", .is_authority = true});
	leaf = fake_certificate(&(struct fake_certificate){.names = "DNS:a", .signer = &authority});
	other = fake_certificate(
		&(struct fake_certificate){.names = "DNS:b", .signer = &authority});
	if (asprintf(&whole.chain, "%s%s", leaf.chain, authority.chain) < 0)
		return -1;
	whole.chain_n = strlen(whole.chain);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	fake_pem_free(&authority);
	fake_pem_free(&leaf);
	fake_pem_free(&other);
	fake_pem_free(&whole);
	return 0;
}

static void
on_warning(void *user, const char *text)
{
	(void)user;
	snprintf(warned, sizeof(warned), "%s", text);
}

static int
look(const struct conf_pem *pem, const char *der, size_t n, struct ocsp_said *ret, struct err *err)
{
	struct certificate c;
	int rc;

	assert_int_equal(certificate_read(pem->chain, pem->chain_n, NULL, 0, &c, err), 0);
	rc = ocsp_read(der, n, &c, ret, err);
	certificate_fini(&c);
	return rc;
}

static void
what_is_good_says_until_when(void **state)
{
	const struct fake_ocsp wanted = {V_OCSP_CERTSTATUS_GOOD, -DAY, 3 * DAY, NULL};
	struct wall now = wall_read();
	struct ocsp_said said;
	struct err err = {""};
	size_t n;
	char *der = fake_ocsp(&authority, &leaf, &wanted, &n);

	(void)state;
	assert_int_equal(look(&whole, der, n, &said, &err), 0);
	assert_true(ocsp_holds(&said, now));
	assert_true(said.until.us > now.us + UINT64_C(2) * DAY * 1000000);
	assert_false(ocsp_holds(&said, said.until));
	assert_false(ocsp_holds(&said, (struct wall){said.from.us - UINT64_C(301) * 1000000}));
	warned[0] = '\0';
	assert_int_equal(ocsp_check(&whole, der, n, on_warning, NULL, &err), 0);
	assert_string_equal(warned, "");
	free(der);
}

static void
what_is_over_is_told(void **state)
{
	const struct fake_ocsp wanted = {V_OCSP_CERTSTATUS_GOOD, -3 * DAY, -DAY, NULL};
	struct ocsp_said said;
	struct err err = {""};
	size_t n;
	char *der = fake_ocsp(&authority, &leaf, &wanted, &n);

	(void)state;
	assert_int_equal(look(&whole, der, n, &said, &err), 0);
	assert_false(ocsp_holds(&said, wall_read()));
	assert_int_equal(ocsp_check(&whole, der, n, on_warning, NULL, &err), 0);
	assert_non_null(strstr(warned, "the OCSP response was good until 20"));
	free(der);
}

static void
what_is_of_no_use_has_a_reason(void **state)
{
	const struct {
		const struct conf_pem *about;
		const struct conf_pem *chain;
		struct fake_ocsp wanted;
		const char *why;
	} cases[] = {
		{&leaf,
		 &whole,
		 {V_OCSP_CERTSTATUS_REVOKED, -DAY, DAY, NULL},
		 "it says of the certificate: revoked"},
		{&leaf,
		 &whole,
		 {V_OCSP_CERTSTATUS_UNKNOWN, -DAY, DAY, NULL},
		 "it says of the certificate: unknown"},
		{&leaf,
		 &whole,
		 {V_OCSP_CERTSTATUS_GOOD, -DAY, 0, NULL},
		 "it does not say until when it holds"},
		{&other,
		 &whole,
		 {V_OCSP_CERTSTATUS_GOOD, -DAY, DAY, NULL},
		 "it is about another certificate"},
		{&leaf,
		 &whole,
		 {V_OCSP_CERTSTATUS_GOOD, -DAY, DAY, &other},
		 "its signature is not of who issued the certificate"},
		{&leaf, &leaf, {V_OCSP_CERTSTATUS_GOOD, -DAY, DAY, NULL}, "it cannot be checked"},
	};
	struct ocsp_said said;
	struct err err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *der = fake_ocsp(&authority, cases[i].about, &cases[i].wanted, &n);

		assert_int_equal(look(cases[i].chain, der, n, &said, &err),
				 cases[i].wanted.status == V_OCSP_CERTSTATUS_REVOKED ? -TG_ENOENT
										     : -TG_EINVAL);
		assert_int_equal(strncmp(err.text, cases[i].why, strlen(cases[i].why)), 0);
		free(der);
	}
}

static void
what_is_no_response_is_refused(void **state)
{
	const struct fake_ocsp wanted = {V_OCSP_CERTSTATUS_GOOD, -DAY, DAY, NULL};
	static const char try_later[] = "\x30\x03\x0a\x01\x03";
	struct ocsp_said said;
	struct err err;
	size_t n;
	char *der = fake_ocsp(&authority, &leaf, &wanted, &n);
	char *longer = calloc(1, n + 1);

	(void)state;
	assert_non_null(longer);
	memcpy(longer, der, n);
	assert_int_equal(look(&whole, longer, n + 1, &said, &err), -TG_EINVAL);
	assert_int_equal(look(&whole, der, n - 1, &said, &err), -TG_EINVAL);
	assert_int_equal(look(&whole, "", 0, &said, &err), -TG_EINVAL);
	assert_string_equal(err.text, "it is no OCSP response (DER)");
	assert_int_equal(look(&whole, try_later, sizeof(try_later) - 1, &said, &err), -TG_EINVAL);
	assert_string_equal(err.text, "it says: trylater");
	free(longer);
	free(der);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_good_says_until_when),
		cmocka_unit_test(what_is_over_is_told),
		cmocka_unit_test(what_is_of_no_use_has_a_reason),
		cmocka_unit_test(what_is_no_response_is_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
