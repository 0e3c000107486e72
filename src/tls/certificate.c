#include "tls/certificate.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/ocsp.h"
#include "tls/placeholder.h"
#include "tls/settings.h"
#include "tls/trust.h"

/* Certificates of one chain. */
#define CHAIN_MAX 16

/* reading */

static int
fail_of_library(struct err *err, const char *what)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());
	int rc = err_set(err, TG_EINVAL, "%s: %s", what, text != NULL ? text : "unknown error");

	ERR_clear_error();
	return rc;
}

static bool
is_end_of_text(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int
read_chain(BIO *bio, struct certificate *c, struct err *err)
{
	X509 *x;

	c->chain = sk_X509_new_null();
	if (c->chain == NULL)
		return err_no_memory(err);
	c->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (c->leaf == NULL && is_end_of_text())
		return err_set(err, TG_EINVAL, "there is no certificate in it (PEM)");
	if (c->leaf == NULL)
		return fail_of_library(err, "the certificate cannot be read");
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_num(c->chain) == CHAIN_MAX - 1 || sk_X509_push(c->chain, x) == 0) {
			X509_free(x);
			return err_set(err, TG_EINVAL, "more than %d certificates in it",
				       CHAIN_MAX);
		}
	}
	if (!is_end_of_text())
		return fail_of_library(err, "a certificate of the chain cannot be read");
	ERR_clear_error();
	return 0;
}

static int
read_key(BIO *bio, struct certificate *c, struct err *err)
{
	bool has_passphrase = false;

	c->key = PEM_read_bio_PrivateKey(bio, NULL, tls_refuse_passphrase, &has_passphrase);
	if (c->key != NULL)
		return 0;
	if (has_passphrase) {
		ERR_clear_error();
		return err_set(err, TG_EINVAL,
			       "the key has a passphrase, which nobody can give here; without one: "
			       "openssl pkey -in FILE -out NEW");
	}
	return fail_of_library(err, "the key cannot be read");
}

/* What the library says of a text without a key depends on what else is in it. */
static bool
has_key(const char *text, size_t n)
{
	static const char label[] = "PRIVATE KEY-----";

	return memmem(text, n, label, sizeof(label) - 1) != NULL;
}

/* TLS 1.3 has no signatures over others (RFC 8446 4.2.3), and clients of TLS 1.2 offer no others. */
static int
check_curve(const EVP_PKEY *key, struct err *err)
{
	static const char *const taken[] = {SN_X9_62_prime256v1, SN_secp384r1, SN_secp521r1};
	char name[64] = "";

	(void)EVP_PKEY_get_group_name(key, name, sizeof(name), NULL);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(name, taken[i]) == 0)
			return 0;
	}
	ERR_clear_error();
	return err_set(err, TG_EINVAL,
		       "the key is on a curve that clients do not take: %s; allowed: prime256v1 (P-256), "
		       "secp384r1 (P-384), secp521r1 (P-521)",
		       name[0] != '\0' ? name : "one without a name");
}

static int
check_key(const struct certificate *c, struct err *err)
{
	int kind = EVP_PKEY_get_base_id(c->key);

	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_RSA_PSS && kind != EVP_PKEY_EC &&
	    kind != EVP_PKEY_ED25519 && kind != EVP_PKEY_ED448)
		return err_set(err, TG_EINVAL, "a key of this kind is not taken; allowed: RSA, "
					       "ECDSA, Ed25519, Ed448");
	if ((kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS) &&
	    EVP_PKEY_get_bits(c->key) < TG_TLS_RSA_MIN)
		return err_set(err, TG_EINVAL, "the RSA key has %d bits; allowed: %d and more",
			       EVP_PKEY_get_bits(c->key), TG_TLS_RSA_MIN);
	if (kind == EVP_PKEY_EC && check_curve(c->key, err) < 0)
		return -TG_EINVAL;
	if (X509_check_private_key(c->leaf, c->key) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, TG_EINVAL, "the key is not that of the certificate");
}

int
certificate_read(const char *chain, size_t chain_n, const char *key, size_t key_n,
		 struct certificate *ret, struct err *err)
{
	struct certificate c = {.leaf = NULL};
	BIO *bio = chain_n <= INT_MAX ? BIO_new_mem_buf(chain, (int)chain_n) : NULL;
	int rc = bio != NULL ? read_chain(bio, &c, err) : err_no_memory(err);

	BIO_free(bio);
	if (rc == 0 && key != NULL && !has_key(key, key_n))
		rc = err_set(err, TG_ENOENT, "there is no private key in it (PEM)");
	if (rc == 0 && key != NULL) {
		bio = key_n <= INT_MAX ? BIO_new_mem_buf(key, (int)key_n) : NULL;
		rc = bio != NULL ? read_key(bio, &c, err) : err_no_memory(err);
		BIO_free(bio);
		if (rc == 0)
			rc = check_key(&c, err);
	}
	if (rc == 0)
		*ret = c;
	else
		certificate_fini(&c);
	return rc;
}

void
certificate_fini(struct certificate *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct certificate){.leaf = NULL};
}

/* what is in it */

/* False: it holds a NUL, or is no text; a name cut there would be another one. */
static bool
tell_name(const ASN1_STRING *s, void (*fn)(void *user, const char *name), void *user)
{
	const unsigned char *p = ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);
	char name[256];

	if (n <= 0 || (size_t)n >= sizeof(name) || memchr(p, '\0', (size_t)n) != NULL)
		return false;
	memcpy(name, p, (size_t)n);
	name[n] = '\0';
	fn(user, name);
	return true;
}

static void
tell_common_name(const X509 *leaf, void (*fn)(void *user, const char *name), void *user)
{
	const X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at >= 0)
		(void)tell_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), fn,
				user);
}

void
certificate_names(const struct certificate *c, void (*fn)(void *user, const char *name), void *user)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	int i;

	ERR_clear_error();
	if (names == NULL) {
		tell_common_name(c->leaf, fn, user);
		return;
	}
	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			(void)tell_name(name->d.dNSName, fn, user);
	}
	GENERAL_NAMES_free(names);
}

struct wall
certificate_time(const ASN1_TIME *t)
{
	struct tm tm;
	time_t seconds;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return (struct wall){0};
	seconds = timegm(&tm);
	return (struct wall){seconds > 0 ? (uint64_t)seconds * 1000000 : 0};
}

struct wall
certificate_not_after(const struct certificate *c)
{
	return certificate_time(X509_get0_notAfter(c->leaf));
}

struct wall
certificate_not_before(const struct certificate *c)
{
	return certificate_time(X509_get0_notBefore(c->leaf));
}

/* what conf/ asks */

struct oddities {
	void (*warn)(void *user, const char *text);
	void *user;
	unsigned n_names;
};

static void
warn_of_time(const struct oddities *o, const char *what, struct wall when)
{
	time_t seconds = (time_t)(when.us / 1000000);
	char text[128];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		return;
	snprintf(text, sizeof(text), "%s %04d-%02d-%02d %02d:%02d:%02d UTC", what,
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	o->warn(o->user, text);
}

static void
count_name(void *user, const char *name)
{
	(void)name;
	((struct oddities *)user)->n_names++;
}

/* What is no error: clients will say so, but other certificates do their work. */
static void
warn_of_oddities(const struct certificate *c, struct oddities *o)
{
	struct wall now = wall_read();
	struct wall begin = certificate_not_before(c);
	struct wall end = certificate_not_after(c);
	X509 *below = c->leaf;
	int i;

	if (end.us < now.us)
		warn_of_time(o, "the certificate has expired at", end);
	if (begin.us > now.us)
		warn_of_time(o, "the certificate is not valid before", begin);
	certificate_names(c, count_name, o);
	if (o->n_names == 0)
		o->warn(o->user, "the certificate has no host name: only as the first of the list "
				 "is it of use");
	for (i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *above = sk_X509_value(c->chain, i);

		if (X509_check_issued(above, below) != X509_V_OK) {
			o->warn(o->user, "the certificates behind the first do not vouch for each "
					 "other in their order");
			break;
		}
		below = above;
	}
	ERR_clear_error();
}

/* By a context of its own: what a worker would refuse is told now. */
static int
try_it(const struct certificate *c, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc = 0;

	if (ctx == NULL)
		return err_no_memory(err);
	if (SSL_CTX_use_cert_and_key(ctx, c->leaf, c->key, c->chain, 1) != 1)
		rc = fail_of_library(err, "the certificate cannot be used");
	SSL_CTX_free(ctx);
	return rc;
}

/* *ret is to be freed. */
static int
text_of(BIO *bio, bool is_written, char **ret, struct err *err)
{
	char *p;
	long n = is_written ? BIO_get_mem_data(bio, &p) : 0;

	if (n <= 0)
		return err_no_memory(err);
	*ret = malloc((size_t)n + 1);
	if (*ret == NULL)
		return err_no_memory(err);
	memcpy(*ret, p, (size_t)n);
	(*ret)[n] = '\0';
	return 0;
}

static int
write_chain(const struct certificate *c, char **ret, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio != NULL && PEM_write_bio_X509(bio, c->leaf) == 1;
	int rc;
	int i;

	for (i = 0; ok && i < sk_X509_num(c->chain); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(c->chain, i)) == 1;
	rc = text_of(bio, ok, ret, err);
	BIO_free(bio);
	return rc;
}

static int
write_key(const struct certificate *c, char **ret, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool ok = bio != NULL &&
		  PEM_write_bio_PrivateKey(bio, c->key, NULL, NULL, 0, NULL, NULL) == 1;
	int rc = text_of(bio, ok, ret, err);

	BIO_free(bio);
	return rc;
}

static int
take(const struct conf_pem *pem, void (*warn)(void *user, const char *text), void *user,
     struct conf_pem *ret, struct err *err)
{
	struct oddities o = {.warn = warn, .user = user};
	struct certificate c;
	char *chain = NULL;
	char *key = NULL;
	int rc = certificate_read(pem->chain, pem->chain_n, pem->key, pem->key_n, &c, err);

	if (rc < 0)
		return rc;
	rc = try_it(&c, err);
	if (rc == 0)
		rc = write_chain(&c, &chain, err);
	if (rc == 0)
		rc = write_key(&c, &key, err);
	if (rc == 0) {
		warn_of_oddities(&c, &o);
		*ret = (struct conf_pem){chain, strlen(chain), key, strlen(key)};
	} else {
		free(chain);
		free(key);
	}
	certificate_fini(&c);
	return rc;
}

static bool
is_of_key(const struct conf_pem *pem)
{
	struct certificate c;
	struct err err;

	if (certificate_read(pem->chain, pem->chain_n, NULL, 0, &c, &err) < 0)
		return false;
	certificate_fini(&c);
	return true;
}

const struct conf_certificates certificate_conf = {
	.take = take,
	.is_of_key = is_of_key,
	.check_ciphers = tls_check_ciphers,
	.check_isolated = tls_check_isolated,
	.check_authorities = trust_check_authorities,
	.check_revoked = trust_check_revoked,
	.check_ocsp = ocsp_check,
	.make_placeholder = placeholder_make,
};
