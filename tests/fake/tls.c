#include "fake/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DAY 86400L

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fake/tls: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

static char *
text_of(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *text = calloc(1, (size_t)n + 1);

	must(text != NULL, "no memory");
	memcpy(text, p, (size_t)n);
	BIO_free(bio);
	return text;
}

static void
add_extension(X509 *x, int nid, const char *text)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, text);

	must(e != NULL && X509_add_ext(x, e, -1) == 1, "extension");
	X509_EXTENSION_free(e);
}

static X509 *
certificate_of(const struct conf_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->chain, (int)pem->chain_n);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	must(x != NULL, "certificate");
	return x;
}

static EVP_PKEY *
key_of(const struct conf_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->key, (int)pem->key_n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	must(key != NULL, "key");
	return key;
}

/* By itself, or by its signer. */
static void
sign(X509 *x, const struct fake_certificate *wanted, EVP_PKEY *own)
{
	X509 *signer = wanted->signer != NULL ? certificate_of(wanted->signer) : NULL;
	EVP_PKEY *key = signer != NULL ? key_of(wanted->signer) : own;

	X509_set_issuer_name(x, X509_get_subject_name(signer != NULL ? signer : x));
	must(X509_sign(x, key, EVP_sha256()) > 0, "signing");
	if (signer != NULL)
		EVP_PKEY_free(key);
	X509_free(signer);
}

static long n_made;

static X509 *
make(const struct fake_certificate *wanted, EVP_PKEY *key)
{
	const char *name = wanted->common_name != NULL ? wanted->common_name : "fake";
	long to = wanted->to_days != 0 ? wanted->to_days : 30;
	long from = wanted->from_days != 0 ? wanted->from_days : -1;
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);

	must(X509_set_version(x, X509_VERSION_3) == 1, "version");
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++n_made);
	X509_gmtime_adj(X509_getm_notBefore(x), from * DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), to * DAY);
	must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
					-1, -1, 0) == 1,
	     "subject");
	X509_set_pubkey(x, key);
	if (wanted->names != NULL)
		add_extension(x, NID_subject_alt_name, wanted->names);
	if (wanted->is_authority)
		add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	sign(x, wanted, key);
	return x;
}

struct conf_pem
fake_certificate(const struct fake_certificate *wanted)
{
	EVP_PKEY *key = wanted->rsa_bits != 0 ? EVP_RSA_gen((unsigned)wanted->rsa_bits)
					      : EVP_EC_gen("P-256");
	X509 *x;
	BIO *chain = BIO_new(BIO_s_mem());
	BIO *secret = BIO_new(BIO_s_mem());
	struct conf_pem pem;

	must(key != NULL, "a key");
	x = make(wanted, key);
	must(PEM_write_bio_X509(chain, x) == 1, "writing");
	must(PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1, "writing");
	X509_free(x);
	EVP_PKEY_free(key);
	pem.chain = text_of(chain);
	pem.key = text_of(secret);
	pem.chain_n = strlen(pem.chain);
	pem.key_n = strlen(pem.key);
	return pem;
}

void
fake_pem_free(struct conf_pem *pem)
{
	free(pem->chain);
	free(pem->key);
	*pem = (struct conf_pem){.chain = NULL};
}

void
fake_file(const char *bytes, size_t n, char ret[FAKE_FILE_SIZE])
{
	int fd = memfd_create("fake", 0);

	must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "a file");
	snprintf(ret, FAKE_FILE_SIZE, "/proc/self/fd/%d", fd);
}

void
fake_locked_key(const struct conf_pem *pem, char ret[FAKE_FILE_SIZE])
{
	static char passphrase[] = "passphrase";
	BIO *plain = BIO_new_mem_buf(pem->key, (int)pem->key_n);
	BIO *locked = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(plain, NULL, NULL, NULL);
	char *text;

	must(PEM_write_bio_PKCS8PrivateKey(locked, key, EVP_aes_128_cbc(), passphrase,
					   (int)strlen(passphrase), NULL, NULL) == 1,
	     "locking a key");
	text = text_of(locked);
	fake_file(text, strlen(text), ret);
	free(text);
	EVP_PKEY_free(key);
	BIO_free(plain);
}

static void
list_one(X509_CRL *crl, const struct conf_pem *pem)
{
	X509 *x = certificate_of(pem);
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);

	must(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x)) == 1 &&
		     X509_REVOKED_set_revocationDate(entry, now) == 1 &&
		     X509_CRL_add0_revoked(crl, entry) == 1,
	     "revoking");
	ASN1_TIME_free(now);
	X509_free(x);
}

char *
fake_revoked(const struct conf_pem *authority, const struct conf_pem *revoked, long to_days)
{
	X509 *signer = certificate_of(authority);
	EVP_PKEY *key = key_of(authority);
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, -2 * DAY);
	ASN1_TIME *to = X509_gmtime_adj(NULL, to_days * DAY);
	BIO *out = BIO_new(BIO_s_mem());

	must(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		     X509_CRL_set_issuer_name(crl, X509_get_subject_name(signer)) == 1 &&
		     X509_CRL_set1_lastUpdate(crl, from) == 1 &&
		     X509_CRL_set1_nextUpdate(crl, to) == 1,
	     "a list");
	if (revoked != NULL)
		list_one(crl, revoked);
	must(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0 &&
		     PEM_write_bio_X509_CRL(out, crl) == 1,
	     "signing a list");
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_CRL_free(crl);
	X509_free(signer);
	EVP_PKEY_free(key);
	return text_of(out);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct fake_client *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

void
fake_client_open(struct fake_client *c, int fd, const char *name, int version)
{
	*c = (struct fake_client){.ctx = SSL_CTX_new(TLS_client_method())};
	must(c->ctx != NULL, "a context");
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT |
						       SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	/* Below what servers take too, so that a test can be refused. */
	SSL_CTX_set_security_level(c->ctx, 0);
	must(SSL_CTX_set_min_proto_version(c->ctx, version) == 1 &&
		     SSL_CTX_set_max_proto_version(c->ctx, version) == 1,
	     "a version");
	c->ssl = SSL_new(c->ctx);
	must(c->ssl != NULL && SSL_set_fd(c->ssl, fd) == 1, "a client");
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	must(name == NULL || SSL_set_tlsext_host_name(c->ssl, name) == 1, "a name");
}

SSL_SESSION *
fake_client_close(struct fake_client *c)
{
	SSL_SESSION *session = c->session;

	/* Else the library takes its session for a bad one. */
	if (c->ssl != NULL)
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	*c = (struct fake_client){.ssl = NULL};
	return session;
}

const char *
fake_client_sees(const struct fake_client *c)
{
	static char name[64];
	X509 *x = SSL_get1_peer_certificate(c->ssl);

	must(x != NULL && X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name,
						    sizeof(name)) > 0,
	     "no certificate");
	X509_free(x);
	return name;
}

char *
fake_ocsp(const struct conf_pem *authority, const struct conf_pem *about,
	  const struct fake_ocsp *said, size_t *ret_n)
{
	X509 *issuer = certificate_of(authority);
	X509 *leaf = certificate_of(about);
	X509 *signer = certificate_of(said->signer != NULL ? said->signer : authority);
	EVP_PKEY *key = key_of(said->signer != NULL ? said->signer : authority);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, said->from_seconds);
	ASN1_TIME *to = X509_gmtime_adj(NULL, said->to_seconds);
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);
	unsigned char *der = NULL;
	OCSP_RESPONSE *response;
	char *copy;
	int n;

	must(OCSP_basic_add1_status(basic, id, said->status, 0, said->status != 0 ? from : NULL,
				    from, said->to_seconds != 0 ? to : NULL) != NULL,
	     "a status");
	must(OCSP_basic_sign(basic, signer, key, EVP_sha256(), NULL, 0) == 1, "signing a response");
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	n = i2d_OCSP_RESPONSE(response, &der);
	copy = n > 0 ? malloc((size_t)n) : NULL;
	must(copy != NULL, "writing a response");
	memcpy(copy, der, (size_t)n);
	*ret_n = (size_t)n;
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	EVP_PKEY_free(key);
	X509_free(signer);
	X509_free(leaf);
	X509_free(issuer);
	return copy;
}
