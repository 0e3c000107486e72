#include "tls/inventory.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"

#define DAY_US (INT64_C(86400) * 1000000)

static void
add_name(void *user, const char *name)
{
	FILE *out = user;

	fprintf(out, "%s%s", ftell(out) > 0 ? "," : "", name);
}

static char *
names_of(const struct certificate *c)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	certificate_names(c, add_name, out);
	return fclose(out) == 0 ? text : NULL;
}

static char *
issuer_of(const struct certificate *c)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *p;
	long n;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, X509_get_issuer_name(c->leaf), 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &p);
		text = calloc(1, (size_t)n + 1);
		if (text != NULL && n > 0)
			memcpy(text, p, (size_t)n);
	}
	BIO_free(bio);
	return text;
}

static void
set_kind(struct inventory_entry *e, const struct certificate *c)
{
	const EVP_PKEY *key = X509_get0_pubkey(c->leaf);
	int id = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
	const char *word = id == EVP_PKEY_EC        ? "ecdsa"
			   : id == EVP_PKEY_ED25519 ? "ed25519"
			   : id == EVP_PKEY_ED448   ? "ed448"
						    : "rsa";

	snprintf(e->kind, sizeof(e->kind), "%s-%d", word, key != NULL ? EVP_PKEY_get_bits(key) : 0);
}

static void
set_fingerprint(struct inventory_entry *e, const struct certificate *c)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(c->leaf, EVP_sha256(), digest, &n) != 1)
		n = 0;
	for (unsigned i = 0; i < n && 2 * i + 1 < TG_FINGERPRINT_LEN; i++)
		snprintf(e->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

/* False: no memory. */
static bool
describe(struct inventory *inventory, const struct conf_listener *l, const struct conf_loaded *loaded)
{
	struct inventory_entry *e = &inventory->list[inventory->n];
	struct certificate c;
	struct err err;

	if (certificate_read(loaded->pem.chain, loaded->pem.chain_n, NULL, 0, &c, &err) < 0)
		return true;
	*e = (struct inventory_entry){
		.listener = l->name,
		.file = loaded->file,
		.names = names_of(&c),
		.issuer = issuer_of(&c),
		.not_before = certificate_not_before(&c),
		.not_after = certificate_not_after(&c),
	};
	if (loaded->ocsp == NULL || ocsp_read(loaded->ocsp, loaded->ocsp_n, &c, &e->ocsp, &err) < 0)
		e->ocsp = (struct ocsp_said){.until = {0}};
	set_kind(e, &c);
	set_fingerprint(e, &c);
	certificate_fini(&c);
	ERR_clear_error();
	inventory->n++;
	return e->names != NULL && e->issuer != NULL;
}

static bool
describe_listener(struct inventory *inventory, const struct conf_listener *l)
{
	for (size_t i = 0; i < l->tls.n_certificates; i++) {
		const struct conf_certificate *c = &l->tls.certificates[i];

		for (size_t j = 0; j < c->n_loaded; j++) {
			if (!describe(inventory, l, &c->loaded[j]))
				return false;
		}
	}
	return true;
}

static size_t
count(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_listeners; i++)
		for (size_t j = 0; j < conf->listeners[i].tls.n_certificates; j++)
			n += conf->listeners[i].tls.certificates[j].n_loaded;
	return n;
}

struct inventory *
inventory_new(const struct conf *conf)
{
	struct inventory *inventory =
		calloc(1, sizeof(*inventory) + count(conf) * sizeof(inventory->list[0]));

	for (size_t i = 0; inventory != NULL && i < conf->n_listeners; i++) {
		if (!describe_listener(inventory, &conf->listeners[i])) {
			inventory_free(inventory);
			return NULL;
		}
	}
	return inventory;
}

void
inventory_free(struct inventory *inventory)
{
	for (size_t i = 0; inventory != NULL && i < inventory->n; i++) {
		free(inventory->list[i].names);
		free(inventory->list[i].issuer);
	}
	free(inventory);
}

long long
inventory_days_left(struct wall t, struct wall now)
{
	int64_t left = (int64_t)t.us - (int64_t)now.us;

	return left >= 0 ? left / DAY_US : -1 - (-left - 1) / DAY_US;
}
