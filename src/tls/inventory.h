/*
 * tls/inventory.h: which certificates are in use, for the eyes of operators. No keys.
 */
#ifndef TG_TLS_INVENTORY_H
#define TG_TLS_INVENTORY_H

#include <stddef.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "tls/ocsp.h"

#define TG_FINGERPRINT_LEN 64u /* SHA-256 of the certificate, in hexadecimal */

/* One that a listener has. */
struct inventory_entry {
	const char *listener; /* of the configuration it was made of */
	const char *file;
	char *names;   /* with commas between them; "": none */
	char *issuer;  /* as RFC 2253 writes it */
	char kind[24]; /* "rsa-2048", "ecdsa-256", ... */
	char fingerprint[TG_FINGERPRINT_LEN + 1];
	struct wall not_before;
	struct wall not_after;
	struct ocsp_said ocsp; /* `until` unset: clients get no OCSP response */
};

struct inventory {
	size_t n;
	struct inventory_entry list[];
};

/* By listener, in the order of their files. The configuration outlives it. What cannot be read any more is left out.
 * NULL: no memory. */
struct inventory *inventory_new(const struct conf *conf);
void inventory_free(struct inventory *inventory); /* NULL allowed */

/* Whole days until `t`; below 0: it is over. */
long long inventory_days_left(struct wall t, struct wall now);

#endif
