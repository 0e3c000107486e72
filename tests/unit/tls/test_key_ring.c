#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/tls.h"
#include "ipc/channel.h"
#include "tls/certificate.h"
#include "tls/key_id.h"
#include "tls/key_ring.h"
#include "tls/opaque.h"
#include "tls/sign_line.h"

static const struct mono start = {1000000};

struct text {
	char *p;
	size_t n;
};

static struct text
text_of(enum sign_use use, const struct conf_pem *pem)
{
	struct text t = {.p = NULL};
	FILE *out = open_memstream(&t.p, &t.n);

	key_ring_write(out, use, pem->key, pem->key_n);
	fclose(out);
	return t;
}

static int
load(struct key_ring *r, enum sign_use use, const struct conf_pem *pem, struct mono now)
{
	struct text t = text_of(use, pem);
	struct err err;
	int rc = key_ring_load(r, t.p, t.n, now, &err);

	free(t.p);
	return rc;
}

static struct sign_request
request(const struct conf_pem *pem, enum sign_use use, enum sign_scheme scheme)
{
	static unsigned char verify[130];
	struct sign_request q = {
		.head = {.n = 130, .scheme = (uint16_t)scheme, .use = (uint16_t)use},
		.bytes = verify};
	struct certificate c;
	struct err err;

	memset(verify, ' ', 64);
	memcpy(verify + 64,
	       use == SIGN_AS_SERVER ? "TLS 1.3, server CertificateVerify"
				     : "TLS 1.3, client CertificateVerify",
	       34);
	assert_int_equal(certificate_read(pem->chain, pem->chain_n, NULL, 0, &c, &err), 0);
	assert_int_equal(key_id(X509_get0_pubkey(c.leaf), q.head.id), 0);
	certificate_fini(&c);
	return q;
}

static enum sign_status
ask(struct key_ring *r, const struct sign_request *q)
{
	unsigned char signature[TG_SIGNATURE_MAX];
	size_t n = 0;

	return key_ring_sign(r, q, signature, &n);
}

static void
signs_by_the_key_that_is_named_and_for_its_use(void **state)
{
	struct conf_pem pem =
		fake_certificate(&(struct fake_certificate){.names = "DNS:a.example"});
	struct conf_pem other =
		fake_certificate(&(struct fake_certificate){.names = "DNS:b.example"});
	struct key_ring *r = key_ring_new();
	struct sign_request q = request(&pem, SIGN_AS_SERVER, SIGN_ECDSA_SHA256);
	struct sign_request as_client = request(&pem, SIGN_AS_CLIENT, SIGN_ECDSA_SHA256);
	struct sign_request of_other = request(&other, SIGN_AS_SERVER, SIGN_ECDSA_SHA256);

	(void)state;
	assert_int_equal(load(r, SIGN_AS_SERVER, &pem, start), 0);
	q = request(&pem, SIGN_AS_SERVER, SIGN_ECDSA_SHA256);
	assert_int_equal(ask(r, &q), SIGN_DONE);
	assert_int_equal(ask(r, &of_other), SIGN_NO_KEY);
	q.head.scheme = SIGN_RSA_PSS_RSAE_SHA256;
	assert_int_equal(ask(r, &q), SIGN_FAILED);
	q.head.scheme = SIGN_ECDSA_SHA256;
	q.head.n--;
	assert_int_equal(ask(r, &q), SIGN_REFUSED);
	as_client = request(&pem, SIGN_AS_CLIENT, SIGN_ECDSA_SHA256);
	assert_int_equal(ask(r, &as_client), SIGN_NO_KEY);
	key_ring_free(r);
	fake_pem_free(&pem);
	fake_pem_free(&other);
}

static void
former_keys_linger_and_what_cannot_be_read_changes_nothing(void **state)
{
	struct conf_pem pem =
		fake_certificate(&(struct fake_certificate){.names = "DNS:a.example"});
	struct conf_pem next =
		fake_certificate(&(struct fake_certificate){.names = "DNS:a.example"});
	struct key_ring *r = key_ring_new();
	struct sign_request q;
	struct err err;

	(void)state;
	assert_int_equal(load(r, SIGN_AS_SERVER, &pem, start), 0);
	assert_int_equal(load(r, SIGN_AS_SERVER, &next, start), 0);
	q = request(&pem, SIGN_AS_SERVER, SIGN_ECDSA_SHA256);
	assert_int_equal(ask(r, &q), SIGN_DONE);
	assert_int_equal(key_ring_load(r, "server 9\nnonsense", 16, start, &err), -TG_EINVAL);
	assert_int_equal(key_ring_load(r, "server 8\nnonsense", 17, start, &err), -TG_EINVAL);
	assert_int_equal(key_ring_load(r, "clown 8\nnonsense", 16, start, &err), -TG_EINVAL);
	assert_int_equal(key_ring_count(r), 2);
	key_ring_purge(r, mono_add_ms(start, TG_KEY_LINGER_MS - 1));
	assert_int_equal(key_ring_count(r), 2);
	/* Back again: no time runs. */
	assert_int_equal(load(r, SIGN_AS_SERVER, &pem, start), 0);
	key_ring_purge(r, mono_add_ms(start, TG_KEY_LINGER_MS));
	assert_int_equal(key_ring_count(r), 1);
	assert_int_equal(ask(r, &q), SIGN_DONE);
	key_ring_free(r);
	fake_pem_free(&pem);
	fake_pem_free(&next);
}

/* the other end of a line, as the signer has it */

struct end {
	struct key_ring *ring;
	int fd;
};

static void *
serve(void *arg)
{
	static unsigned char message[sizeof(struct sign_head) + TG_SIGN_BYTES_MAX];
	struct end *e = arg;
	struct sign_answer a;
	ssize_t got;

	while ((got = recv(e->fd, message, sizeof(message), 0)) > 0) {
		struct sign_request q;
		size_t n = 0;

		if (sign_request_parse(message, (size_t)got, &q) < 0)
			break;
		a.number = q.head.number;
		a.status = key_ring_sign(e->ring, &q, a.bytes, &n);
		a.n = (uint32_t)n;
		if (send(e->fd, &a, TG_SIGN_ANSWER_BYTES(n), MSG_NOSIGNAL) < 0)
			break;
	}
	close(e->fd);
	return NULL;
}

static bool
sign(EVP_PKEY *key, const char *digest, bool is_pss, const struct sign_request *q,
     unsigned char *signature, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	bool ok = EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL) == 1 &&
		  (!is_pss ||
		   (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		  EVP_DigestSign(ctx, signature, n, q->bytes, q->head.n) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static void
check_kind(struct end *e, const struct conf_pem *pem, bool is_pss, enum sign_scheme scheme)
{
	struct sign_request q = request(pem, SIGN_AS_SERVER, scheme);
	unsigned char signature[TG_SIGNATURE_MAX];
	size_t n = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	struct certificate c;
	EVP_PKEY *key;
	struct err err;

	assert_int_equal(load(e->ring, SIGN_AS_SERVER, pem, start), 0);
	assert_int_equal(certificate_read(pem->chain, pem->chain_n, NULL, 0, &c, &err), 0);
	assert_int_equal(opaque_key(c.leaf, SIGN_AS_SERVER, &key, &err), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(c.leaf), key), 1);
	assert_int_equal(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(X509_get0_pubkey(c.leaf)));
	assert_true(sign(key, "SHA256", is_pss, &q, signature, &n));
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, &pctx, "SHA256", NULL, NULL,
						 X509_get0_pubkey(c.leaf), NULL),
			 1);
	if (is_pss)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_DigestVerify(ctx, signature, n, q.bytes, q.head.n), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	certificate_fini(&c);
}

static void
opaque_keys_sign_by_a_line(void **state)
{
	static struct segment_common common;
	static struct segment_rare rare;
	struct segment_counters counters = {.common = &common, .rare = &rare};
	struct conf_pem ecdsa =
		fake_certificate(&(struct fake_certificate){.names = "DNS:a.example"});
	struct conf_pem rsa = fake_certificate(
		&(struct fake_certificate){.names = "DNS:a.example", .rsa_bits = 2048});
	struct end e = {.ring = key_ring_new()};
	struct sign_request q = request(&ecdsa, SIGN_AS_SERVER, SIGN_ECDSA_SHA256);
	unsigned char signature[TG_SIGNATURE_MAX];
	struct sign_line line;
	pthread_t thread;
	struct err err;
	int ends[2];
	size_t n;

	(void)state;
	assert_int_equal(channel_pair(ends, &err), 0);
	sign_line_init(&line, &counters);
	assert_int_equal(sign_line_ask(&q.head, q.bytes, signature, &n), -TG_EIO); /* no line */
	sign_line_use(&line);
	sign_line_set(&line, ends[0]);
	e.fd = ends[1];
	/* Theirs blocks too. */
	sign_line_set(&(struct sign_line){.fd = -1}, ends[1]);
	assert_int_equal(pthread_create(&thread, NULL, serve, &e), 0);
	check_kind(&e, &ecdsa, false, SIGN_ECDSA_SHA256);
	check_kind(&e, &rsa, false, SIGN_RSA_PKCS1_SHA256);
	check_kind(&e, &rsa, true, SIGN_RSA_PSS_RSAE_SHA256);
	assert_false(sign_line_has_failed());
	q.head.id[0] ^= 1;
	assert_int_equal(sign_line_ask(&q.head, q.bytes, signature, &n), -TG_EIO);
	assert_true(sign_line_has_failed());
	sign_line_forgive();
	/* The other end goes away. */
	sign_line_set(&line, -1);
	pthread_join(thread, NULL);
	assert_int_equal(sign_line_ask(&q.head, q.bytes, signature, &n), -TG_EIO);
	assert_true(sign_line_has_failed());
	sign_line_fini(&line);
	key_ring_free(e.ring);
	fake_pem_free(&ecdsa);
	fake_pem_free(&rsa);
}

/* It costs the time of a wait once; and what comes late is nobody's answer. */
static void
who_does_not_answer_is_waited_for_once(void **state)
{
	static struct segment_common common;
	static struct segment_rare rare;
	struct segment_counters counters = {.common = &common, .rare = &rare};
	struct sign_head head = {.n = 1, .scheme = SIGN_ECDSA_SHA256};
	unsigned char signature[TG_SIGNATURE_MAX];
	struct sign_answer late = {.number = 1, .status = SIGN_DONE, .n = 1};
	struct sign_answer answer = {.number = 2, .status = SIGN_DONE, .n = 2};
	struct sign_line line;
	struct err err;
	int ends[2];
	size_t n = 0;

	(void)state;
	assert_int_equal(channel_pair(ends, &err), 0);
	sign_line_init(&line, &counters);
	sign_line_use(&line);
	sign_line_set(&line, ends[0]);
	assert_int_equal(sign_line_ask(&head, (const unsigned char *)"x", signature, &n), -TG_EIO);
	assert_int_equal(line.n_owed, 1);
	assert_int_equal(sign_line_ask(&head, (const unsigned char *)"x", signature, &n), -TG_EIO);
	assert_int_equal(line.number, 1); /* it was not even asked */
	assert_int_equal(send(ends[1], &late, TG_SIGN_ANSWER_BYTES(1), 0), TG_SIGN_ANSWER_BYTES(1));
	sign_line_forgive();
	/* The late one is read first; this answers the next request before it is made. */
	assert_int_equal(send(ends[1], &answer, TG_SIGN_ANSWER_BYTES(2), 0),
			 TG_SIGN_ANSWER_BYTES(2));
	assert_int_equal(sign_line_ask(&head, (const unsigned char *)"x", signature, &n), 0);
	assert_int_equal(n, 2);
	assert_false(sign_line_has_failed());
	close(ends[1]);
	sign_line_fini(&line);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_by_the_key_that_is_named_and_for_its_use),
		cmocka_unit_test(former_keys_linger_and_what_cannot_be_read_changes_nothing),
		cmocka_unit_test(opaque_keys_sign_by_a_line),
		cmocka_unit_test(who_does_not_answer_is_waited_for_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
