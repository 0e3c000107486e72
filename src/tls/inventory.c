#include "tls/inventory.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"
#include "tls/trust.h"

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

/* As RFC 2253 writes it. To free(); NULL: no memory. */
static char *
text_of(const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *p;
	long n;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &p);
		text = calloc(1, (size_t)n + 1);
		if (text != NULL && n > 0)
			memcpy(text, p, (size_t)n);
	}
	BIO_free(bio);
	return text;
}

static void
set_kind(struct inventory_entry *e, const X509 *x)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	int id = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
	const char *word = id == EVP_PKEY_EC        ? "ecdsa"
			   : id == EVP_PKEY_ED25519 ? "ed25519"
			   : id == EVP_PKEY_ED448   ? "ed448"
						    : "rsa";

	snprintf(e->kind, sizeof(e->kind), "%s-%d", word, key != NULL ? EVP_PKEY_get_bits(key) : 0);
}

static void
set_fingerprint(struct inventory_entry *e, const unsigned char *digest, unsigned n)
{
	for (unsigned i = 0; i < n && 2 * i + 1 < TG_FINGERPRINT_LEN; i++)
		snprintf(e->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

/* All but its names, and whose it is. */
static void
set_certificate(struct inventory_entry *e, const X509 *x)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	e->issuer = text_of(X509_get_issuer_name(x));
	e->not_before = certificate_time(X509_get0_notBefore(x));
	e->not_after = certificate_time(X509_get0_notAfter(x));
	set_kind(e, x);
	if (X509_digest(x, EVP_sha256(), digest, &n) == 1)
		set_fingerprint(e, digest, n);
}

static void
set_list(struct inventory_entry *e, const X509_CRL *list)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	e->issuer = text_of(X509_CRL_get_issuer(list));
	e->names = text_of(X509_CRL_get_issuer(list));
	e->not_before = certificate_time(X509_CRL_get0_lastUpdate(list));
	e->not_after = certificate_time(X509_CRL_get0_nextUpdate(list));
	snprintf(e->kind, sizeof(e->kind), "crl");
	if (X509_CRL_digest(list, EVP_sha256(), digest, &n) == 1)
		set_fingerprint(e, digest, n);
}

/* False: no memory. */
static bool
add(struct inventory *inventory, const struct inventory_entry *e)
{
	inventory->list[inventory->n++] = *e;
	return e->names != NULL && e->issuer != NULL;
}

/* One of our own. `e` says whose. */
static bool
add_own(struct inventory *inventory, struct inventory_entry e, const struct conf_loaded *loaded)
{
	struct certificate c;
	struct err err;

	if (certificate_read(loaded->pem.chain, loaded->pem.chain_n, NULL, 0, &c, &err) < 0)
		return true;
	e.file = loaded->file;
	if (loaded->is_placeholder)
		e.use = TG_INVENTORY_PLACEHOLDER;
	if (loaded->is_kept)
		e.state = TG_INVENTORY_KEPT;
	e.n_in_file = 1;
	e.names = names_of(&c);
	set_certificate(&e, c.leaf);
	if (loaded->ocsp == NULL || ocsp_read(loaded->ocsp, loaded->ocsp_n, &c, &e.ocsp, &err) < 0)
		e.ocsp = (struct ocsp_said){.until = {0}};
	certificate_fini(&c);
	ERR_clear_error();
	return add(inventory, &e);
}

/* The thing in a file that ends first. */
struct search {
	bool is_of_lists;
	struct wall now;
	struct wall end; /* of the best so far */
	unsigned n;
	X509 *best; /* a reference */
	X509_CRL *best_list;
};

/* What is over counts only where all is; then the last of it. No end is later than any. */
static bool
is_better(const struct search *s, struct wall end)
{
	uint64_t a = end.us != 0 ? end.us : UINT64_MAX;
	uint64_t b = s->end.us != 0 ? s->end.us : UINT64_MAX;

	if (s->n == 1)
		return true;
	if ((a >= s->now.us) != (b >= s->now.us))
		return a >= s->now.us;
	return a >= s->now.us ? a < b : a > b;
}

static int
look_at(void *user, X509_INFO *thing, struct err *err)
{
	struct search *s = user;
	struct wall end;

	(void)err;
	if (s->is_of_lists ? thing->crl == NULL : thing->x509 == NULL)
		return 0;
	s->n++;
	end = certificate_time(s->is_of_lists ? X509_CRL_get0_nextUpdate(thing->crl)
					      : X509_get0_notAfter(thing->x509));
	if (!is_better(s, end))
		return 0;
	s->end = end;
	X509_free(s->best);
	X509_CRL_free(s->best_list);
	s->best = s->is_of_lists ? NULL : thing->x509;
	s->best_list = s->is_of_lists ? thing->crl : NULL;
	if (s->is_of_lists)
		(void)X509_CRL_up_ref(thing->crl);
	else
		(void)X509_up_ref(thing->x509);
	return 0;
}

/* One that was looked at already: many services believe the same. NULL: none. */
static const struct inventory_entry *
find_same(const struct inventory *inventory, const struct inventory_entry *e)
{
	for (size_t i = 0; i < inventory->n; i++) {
		const struct inventory_entry *other = &inventory->list[i];

		if (other->use == e->use && strcmp(other->file, e->file) == 0)
			return other;
	}
	return NULL;
}

static bool
add_same(struct inventory *inventory, struct inventory_entry e, const struct inventory_entry *same)
{
	const struct inventory_entry whose = e;

	e = *same;
	e.listener = whose.listener;
	e.service = whose.service;
	e.names = strdup(same->names);
	e.issuer = strdup(same->issuer);
	return add(inventory, &e);
}

/* A file that one of `conf` names. */
static bool
add_file(struct inventory *inventory, struct inventory_entry e, enum inventory_use use,
	 const struct conf_pem_file *f, struct wall now)
{
	struct search s = {.is_of_lists = use == TG_INVENTORY_REVOKED, .now = now};
	const struct inventory_entry *same;
	struct err err;

	if (f->file == NULL || f->pem == NULL)
		return true;
	e.use = use;
	e.file = f->file;
	same = find_same(inventory, &e);
	if (same != NULL)
		return add_same(inventory, e, same);
	if (trust_read(f->pem, f->pem_n, look_at, &s, &err) < 0)
		s.n = 0;
	e.n_in_file = s.n;
	if (s.best != NULL) {
		e.names = text_of(X509_get_subject_name(s.best));
		set_certificate(&e, s.best);
	} else if (s.best_list != NULL) {
		set_list(&e, s.best_list);
	}
	X509_free(s.best);
	X509_CRL_free(s.best_list);
	ERR_clear_error();
	return s.n == 0 || add(inventory, &e);
}

static bool
add_left_out(struct inventory *inventory, struct inventory_entry e, const char *file)
{
	e.state = TG_INVENTORY_LEFT_OUT;
	e.file = file;
	e.names = strdup("");
	e.issuer = strdup("");
	snprintf(e.kind, sizeof(e.kind), "-");
	snprintf(e.fingerprint, sizeof(e.fingerprint), "-");
	return add(inventory, &e);
}

static bool
add_listener(struct inventory *inventory, const struct conf_listener *l, struct wall now)
{
	const struct inventory_entry whose = {.use = TG_INVENTORY_SERVER, .listener = l->name};
	bool ok = true;

	for (size_t i = 0; i < l->tls.n_certificates; i++) {
		const struct conf_certificate *c = &l->tls.certificates[i];

		for (size_t j = 0; j < c->n_loaded && ok; j++)
			ok = add_own(inventory, whose, &c->loaded[j]);
		for (size_t j = 0; j < c->n_left_out && ok; j++)
			ok = add_left_out(inventory, whose, c->left_out[j]);
	}
	return ok &&
	       (!conf_asks_clients(l) ||
		(add_file(inventory, whose, TG_INVENTORY_AUTHORITIES, &l->tls.client_ca, now) &&
		 add_file(inventory, whose, TG_INVENTORY_REVOKED, &l->tls.client_crl, now)));
}

static bool
add_service(struct inventory *inventory, const struct conf_service *s, struct wall now)
{
	const struct inventory_entry whose = {.use = TG_INVENTORY_CLIENT, .service = s->name};
	const struct conf_loaded own = {.file = s->tls.certificate.file, .pem = s->tls.own};

	return (s->tls.own.chain == NULL || add_own(inventory, whose, &own)) &&
	       add_file(inventory, whose, TG_INVENTORY_AUTHORITIES, &s->tls.ca, now) &&
	       add_file(inventory, whose, TG_INVENTORY_REVOKED, &s->tls.crl, now);
}

/* As many as there may be. */
static size_t
count(const struct conf *conf)
{
	size_t n = 2 * conf->n_listeners + 3 * conf->n_services;

	for (size_t i = 0; i < conf->n_listeners; i++)
		for (size_t j = 0; j < conf->listeners[i].tls.n_certificates; j++)
			n += conf->listeners[i].tls.certificates[j].n_loaded +
			     conf->listeners[i].tls.certificates[j].n_left_out;
	return n;
}

struct inventory *
inventory_new(const struct conf *conf, struct wall now)
{
	struct inventory *inventory =
		calloc(1, sizeof(*inventory) + count(conf) * sizeof(inventory->list[0]));
	bool ok = inventory != NULL;

	for (size_t i = 0; i < conf->n_listeners && ok; i++)
		ok = add_listener(inventory, &conf->listeners[i], now);
	for (size_t i = 0; i < conf->n_services && ok; i++)
		ok = !conf->services[i].tls.enable ||
		     add_service(inventory, &conf->services[i], now);
	if (ok)
		return inventory;
	inventory_free(inventory);
	return NULL;
}

const char *
inventory_state_str(enum inventory_state state)
{
	static const char *const words[TG_INVENTORY_STATE_COUNT] = {
		[TG_INVENTORY_READ] = "read",
		[TG_INVENTORY_KEPT] = "kept",
		[TG_INVENTORY_LEFT_OUT] = "left-out",
	};

	return words[state];
}

const char *
inventory_use_str(enum inventory_use use)
{
	static const char *const words[TG_INVENTORY_USE_COUNT] = {
		[TG_INVENTORY_SERVER] = "server",
		[TG_INVENTORY_CLIENT] = "client",
		[TG_INVENTORY_AUTHORITIES] = "authorities",
		[TG_INVENTORY_REVOKED] = "revoked",
		[TG_INVENTORY_PLACEHOLDER] = "placeholder",
	};

	return words[use];
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
