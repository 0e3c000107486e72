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
#include "proc/keeper_certificates.h"

#define DAY 86400L

static struct conf_pem authority;
static char told[512];

void __wrap_hooks_tell(struct hooks *hooks, const struct hook_event *event);

void
__wrap_hooks_tell(struct hooks *hooks, const struct hook_event *event)
{
	size_t n = strlen(told);

	(void)hooks;
	snprintf(told + n, sizeof(told) - n, "%s: %s\n", conf_hook_event_str(event->event),
		 event->reason);
}

/* A listener with one certificate, for so many days, and a response from then until then. */
struct given {
	struct conf conf;
	struct conf_listener listener;
	struct conf_certificate certificate;
	struct conf_loaded loaded;
};

static void
give(struct given *g, long days, long from_seconds, long to_seconds)
{
	struct conf_pem leaf = fake_certificate(&(struct fake_certificate){
		.names = "DNS:a", .to_days = days, .signer = &authority});
	const struct fake_ocsp said = {V_OCSP_CERTSTATUS_GOOD, from_seconds, to_seconds, NULL};

	memset(g, 0, sizeof(*g));
	g->loaded.file = (char *)(uintptr_t) "a.pem";
	if (asprintf(&g->loaded.pem.chain, "%s%s", leaf.chain, authority.chain) < 0)
		fail();
	g->loaded.pem.chain_n = strlen(g->loaded.pem.chain);
	g->loaded.ocsp = fake_ocsp(&authority, &leaf, &said, &g->loaded.ocsp_n);
	g->certificate.loaded = &g->loaded;
	g->certificate.n_loaded = 1;
	g->listener.name = (char *)(uintptr_t) "front";
	g->listener.tls.certificates = &g->certificate;
	g->listener.tls.n_certificates = 1;
	g->conf.listeners = &g->listener;
	g->conf.n_listeners = 1;
	fake_pem_free(&leaf);
}

static void
take_back(struct given *g)
{
	free(g->loaded.ocsp);
	fake_pem_free(&g->loaded.pem);
}

static void
tick(struct keeper_certificates *c, struct given *g, uint64_t hours)
{
	told[0] = '\0';
	keeper_certificates_tick(c, &g->conf, NULL,
				 (struct mono){1 + hours * UINT64_C(3600) * 1000000});
}

static int
group_setup(void **state)
{
	(void)state;
	authority = fake_certificate(
		&(struct fake_certificate){.common_name = "ca", .is_authority = true});
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	fake_pem_free(&authority);
	return 0;
}

static void
a_response_that_is_not_renewed_is_told_once(void **state)
{
	struct keeper_certificates c = {.conf = NULL};
	struct given late;
	struct given over;
	struct given renewed;

	(void)state;
	give(&late, 60, -8 * DAY, 2 * DAY);
	give(&over, 60, -8 * DAY, -1);
	give(&renewed, 60, -DAY, 9 * DAY);
	tick(&c, &late, 0);
	assert_int_equal(
		strncmp(told,
			"ocsp-expires: listener front: a.pem (a): the OCSP response is good until 20",
			75),
		0);
	tick(&c, &late, 2);
	assert_string_equal(told, "");
	tick(&c, &over, 2);
	assert_non_null(strstr(told, "the OCSP response was good until 20"));
	tick(&c, &renewed, 3);
	assert_string_equal(told, "");
	keeper_certificates_fini(&c);
	take_back(&late);
	take_back(&over);
	take_back(&renewed);
}

static void
a_certificate_that_ends_is_told_apart(void **state)
{
	struct keeper_certificates c = {.conf = NULL};
	struct given g;

	(void)state;
	give(&g, 5, -DAY, 9 * DAY);
	tick(&c, &g, 0);
	assert_string_equal(
		told, "certificate-expires: listener front: a.pem (a) expires within 5 days\n");
	keeper_certificates_fini(&c);
	take_back(&g);
}

/* A service that has them. */
struct behind {
	struct conf conf;
	struct conf_service services[2];
	struct conf_pem own;
	char *revoked;
};

static void
give_behind(struct behind *b, long days, long list_days)
{
	memset(b, 0, sizeof(*b));
	b->own = fake_certificate(&(struct fake_certificate){
		.common_name = "we", .to_days = days, .signer = &authority});
	b->revoked = fake_revoked(&authority, NULL, list_days);
	for (size_t i = 0; i < 2; i++) {
		struct conf_back_tls *tls = &b->services[i].tls;

		b->services[i].name = (char *)(uintptr_t)(i == 0 ? "api" : "site");
		tls->enable = true;
		tls->ca = (struct conf_pem_file){.file = (char *)(uintptr_t) "ca.pem",
						 .pem = authority.chain,
						 .pem_n = authority.chain_n};
		tls->crl = (struct conf_pem_file){.file = (char *)(uintptr_t) "crl.pem",
						  .pem = b->revoked,
						  .pem_n = strlen(b->revoked)};
	}
	b->services[0].tls.certificate.file = (char *)(uintptr_t) "we.pem";
	b->services[0].tls.own = b->own;
	b->conf.services = b->services;
	b->conf.n_services = 2;
}

static void
take_behind(struct behind *b)
{
	fake_pem_free(&b->own);
	free(b->revoked);
}

static void
what_services_have_is_told_once(void **state)
{
	struct keeper_certificates c = {.conf = NULL};
	struct behind b;

	(void)state;
	give_behind(&b, 5, 5);
	told[0] = '\0';
	keeper_certificates_tick(&c, &b.conf, NULL, (struct mono){1});
	assert_string_equal(
		told,
		"certificate-expires: service api: we.pem (we) expires within 5 days\n"
		"certificate-expires: service api: authorities of ca.pem (CN=ca) expires within 30 days\n");
	keeper_certificates_fini(&c);
	take_behind(&b);
	give_behind(&b, 5, -1);
	told[0] = '\0';
	keeper_certificates_tick(&c, &b.conf, NULL, (struct mono){1});
	assert_non_null(strstr(
		told,
		"crl-expires: service api: revoked certificates of crl.pem (CN=ca) was to be renewed\n"));
	assert_null(strstr(told, "service site"));
	keeper_certificates_fini(&c);
	take_behind(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_that_is_not_renewed_is_told_once),
		cmocka_unit_test(a_certificate_that_ends_is_told_apart),
		cmocka_unit_test(what_services_have_is_told_once),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
