#include "tls/trust.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/hash.h"

int
trust_read(const char *pem, size_t n, int (*fn)(void *user, X509_INFO *thing, struct err *err),
	   void *user, struct err *err)
{
	BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
	STACK_OF(X509_INFO) *things =
		bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
	int rc = 0;

	BIO_free(bio);
	if (bio == NULL)
		return err_no_memory(err);
	if (things == NULL) {
		const char *text = ERR_reason_error_string(ERR_peek_last_error());

		rc = err_set(err, TG_EINVAL, "cannot be read (PEM): %s",
			     text != NULL ? text : "unknown error");
		ERR_clear_error();
		return rc;
	}
	for (int i = 0; i < sk_X509_INFO_num(things) && rc == 0; i++)
		rc = fn(user, sk_X509_INFO_value(things, i), err);
	sk_X509_INFO_pop_free(things, X509_INFO_free);
	ERR_clear_error();
	return rc;
}

/* what conf/ asks */

struct looking {
	void (*warn)(void *user, const char *text);
	void *user;
	unsigned n;
	unsigned n_over;
	unsigned n_no_authority;
};

static int
look_at_authority(void *user, X509_INFO *thing, struct err *err)
{
	struct looking *l = user;

	(void)err;
	if (thing->x509 == NULL)
		return 0;
	l->n++;
	l->n_over += X509_cmp_current_time(X509_get0_notAfter(thing->x509)) < 0;
	l->n_no_authority += X509_check_ca(thing->x509) == 0;
	return 0;
}

int
trust_check_authorities(const char *pem, size_t n, void (*warn)(void *user, const char *text),
			void *user, struct err *err)
{
	struct looking l = {.warn = warn, .user = user};
	int rc = trust_read(pem, n, look_at_authority, &l, err);

	if (rc < 0)
		return rc;
	if (l.n == 0)
		return err_set(err, TG_EINVAL, "there is no certificate in it (PEM)");
	if (l.n_over == l.n)
		warn(user, l.n == 1 ? "the authority has expired" : "all authorities have expired");
	if (l.n_no_authority == l.n)
		warn(user, "no certificate in it is that of an authority: only itself is taken");
	return 0;
}

static int
look_at_revoked(void *user, X509_INFO *thing, struct err *err)
{
	struct looking *l = user;
	const ASN1_TIME *next;

	(void)err;
	if (thing->crl == NULL)
		return 0;
	l->n++;
	next = X509_CRL_get0_nextUpdate(thing->crl);
	l->n_over += next != NULL && X509_cmp_current_time(next) < 0;
	return 0;
}

int
trust_check_revoked(const char *pem, size_t n, void (*warn)(void *user, const char *text),
		    void *user, struct err *err)
{
	struct looking l = {.warn = warn, .user = user};
	int rc = trust_read(pem, n, look_at_revoked, &l, err);

	if (rc < 0)
		return rc;
	if (l.n == 0)
		return err_set(err, TG_EINVAL,
			       "there is no list of revoked certificates in it "
			       "(CRL in PEM)");
	if (l.n_over > 0)
		warn(user, "a list in it is older than it says: no certificate of its authority "
			   "is taken");
	return 0;
}

/* making */

static int
add_authority(void *user, X509_INFO *thing, struct err *err)
{
	X509_STORE *store = user;

	if (thing->x509 != NULL && X509_STORE_add_cert(store, thing->x509) != 1)
		return err_no_memory(err);
	return 0;
}

static int
add_revoked(void *user, X509_INFO *thing, struct err *err)
{
	X509_STORE *store = user;

	if (thing->crl != NULL && X509_STORE_add_crl(store, thing->crl) != 1)
		return err_no_memory(err);
	return 0;
}

int
trust_new(const char *ca, size_t ca_n, const char *crl, size_t crl_n, X509_STORE **ret,
	  struct err *err)
{
	X509_STORE *store = X509_STORE_new();
	/* What is given is trusted, be it in the middle of a chain or a server's own. */
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	int rc;

	if (store == NULL)
		return err_no_memory(err);
	rc = trust_read(ca, ca_n, add_authority, store, err);
	if (rc == 0 && crl != NULL) {
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
		rc = trust_read(crl, crl_n, add_revoked, store, err);
	}
	if (rc == 0 && X509_STORE_set_flags(store, flags) != 1)
		rc = err_no_memory(err);
	if (rc == 0)
		*ret = store;
	else
		X509_STORE_free(store);
	return rc;
}

int
trust_get(struct trust_cache *cache, const char *ca, size_t ca_n, const char *crl, size_t crl_n,
	  X509_STORE **ret, struct err *err)
{
	uint64_t mark = hash_bytes(ca, ca_n, crl != NULL ? hash_bytes(crl, crl_n, 1) : 0);
	X509_STORE *store;
	int rc;

	if (cache->store == NULL || cache->mark != mark) {
		rc = trust_new(ca, ca_n, crl, crl_n, &store, err);
		if (rc < 0)
			return rc;
		X509_STORE_free(cache->store);
		cache->store = store;
		cache->mark = mark;
	}
	if (X509_STORE_up_ref(cache->store) != 1)
		return err_no_memory(err);
	*ret = cache->store;
	return 0;
}

void
trust_cache_fini(struct trust_cache *cache)
{
	X509_STORE_free(cache->store);
	cache->store = NULL;
}
