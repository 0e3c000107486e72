/*
 * tls/trust.h: whose certificates are taken: authorities, and what they have revoked, from PEM.
 */
#ifndef TG_TLS_TRUST_H
#define TG_TLS_TRUST_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Calls `fn` with each thing in a text, until one is no 0, which is what it returns. -TG_EINVAL: not PEM, -TG_ENOMEM. */
TG_MUST_CHECK int trust_read(const char *pem, size_t n,
			     int (*fn)(void *user, X509_INFO *thing, struct err *err), void *user,
			     struct err *err);

/* What conf/ asks while it reads a file; see struct conf_certificates. */
TG_MUST_CHECK int trust_check_authorities(const char *pem, size_t n,
					  void (*warn)(void *user, const char *text), void *user,
					  struct err *err);
TG_MUST_CHECK int trust_check_revoked(const char *pem, size_t n,
				      void (*warn)(void *user, const char *text), void *user,
				      struct err *err);

/* Authorities, and with `crl` not NULL what is revoked, which then is asked of each certificate of a chain. *ret is
 * counted by the library: X509_STORE_free(). -TG_EINVAL, -TG_ENOMEM. */
TG_MUST_CHECK int trust_new(const char *ca, size_t ca_n, const char *crl, size_t crl_n,
			    X509_STORE **ret, struct err *err);

/* The last one made, for the next that is the same: many services trust those of the system, which are
 * a megabyte. Storage is the caller's, zeroed first. */
struct trust_cache {
	X509_STORE *store;
	uint64_t mark; /* of the bytes it was made of */
};
/* As trust_new(). */
TG_MUST_CHECK int trust_get(struct trust_cache *cache, const char *ca, size_t ca_n, const char *crl,
			    size_t crl_n, X509_STORE **ret, struct err *err);
void trust_cache_fini(struct trust_cache *cache);

#endif
