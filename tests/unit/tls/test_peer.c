/* tls/peer.c: whose files are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake/tls.h"
#include "tls/peer.h"

static struct conf_pem ours;
static char certificate[FAKE_FILE_SIZE];
static char key[FAKE_FILE_SIZE];
static char locked[FAKE_FILE_SIZE];
static char others[FAKE_FILE_SIZE];

static int
setup(void **state)
{
	const struct fake_certificate wanted = {.common_name = "a"};
	struct conf_pem other = fake_certificate(&wanted);

	(void)state;
	ours = fake_certificate(&wanted);
	fake_file(ours.chain, ours.chain_n, certificate);
	fake_file(ours.key, ours.key_n, key);
	fake_file(other.key, other.key_n, others);
	fake_locked_key(&ours, locked);
	fake_pem_free(&other);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fake_pem_free(&ours);
	return 0;
}

static void
assert_refused(const char *ca, const char *with_key, const char *why)
{
	struct tls_peer *peer;
	struct err err = {""};

	assert_int_equal(tls_peer_new(ca, certificate, with_key, &peer, &err), -TG_EINVAL);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s", err.text);
}

static void
files_are_taken_or_refused(void **state)
{
	struct tls_peer *peer;
	struct err err = {""};

	(void)state;
	assert_int_equal(tls_peer_new(certificate, NULL, NULL, &peer, &err), 0);
	tls_peer_free(peer);
	assert_int_equal(tls_peer_new(certificate, certificate, key, &peer, &err), 0);
	tls_peer_free(peer);
	assert_refused(key, key, "no certificates");
	assert_refused(certificate, others, "no key in PEM of that certificate");
	/* Nobody is asked for it at a terminal, where this process would stand still. */
	assert_refused(certificate, locked, "passphrase");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_taken_or_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
