/*
 * tls/certificate.h: a certificate with its chain and its key, from PEM (RFC 7468).
 */
#ifndef TG_TLS_CERTIFICATE_H
#define TG_TLS_CERTIFICATE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"

/* Shortest RSA key that is taken, in bits. */
#define TG_TLS_RSA_MIN 2048

/* Storage is the caller's. */
struct certificate {
	X509 *leaf;
	STACK_OF(X509) *chain; /* the others, in their order */
	EVP_PKEY *key;         /* NULL: it was not asked for */
};

/* From PEM text, the server's own first; other things between certificates are passed over. With `key` not
 * NULL with the key in that text, which may be the same. -TG_EINVAL with what is wrong, -TG_ENOENT: there is no key;
 * -TG_ENOMEM. */
TG_MUST_CHECK int certificate_read(const char *chain, size_t chain_n, const char *key, size_t key_n,
				   struct certificate *ret, struct err *err);
void certificate_fini(struct certificate *c); /* zeroed allowed */

/* Each name a client may ask for, as it stands there: of subjectAltName, or the common name where
 * there is none. */
void certificate_names(const struct certificate *c, void (*fn)(void *user, const char *name),
		       void *user);
/* When it ends; unset: it says nothing that could be read. */
struct wall certificate_not_after(const struct certificate *c);
struct wall certificate_not_before(const struct certificate *c);

/* Unset: it could not be read. */
struct wall certificate_time(const ASN1_TIME *t);

/* What conf/ asks while it reads a file. */
extern const struct conf_certificates certificate_conf;

#endif
