/*
 * tls/inventory.h: which certificates, authorities and lists of what is revoked are in use, for the eyes of operators. No keys.
 */
#ifndef TG_TLS_INVENTORY_H
#define TG_TLS_INVENTORY_H

#include <stddef.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "tls/ocsp.h"

#define TG_FINGERPRINT_LEN 64u /* SHA-256 of the certificate, in hexadecimal */

enum inventory_use {
	TG_INVENTORY_SERVER = 0,      /* what clients are shown */
	TG_INVENTORY_CLIENT = 1,      /* what backends are shown */
	TG_INVENTORY_AUTHORITIES = 2, /* a file of those that are believed */
	TG_INVENTORY_REVOKED = 3,     /* a file of lists of what these have revoked */
	TG_INVENTORY_PLACEHOLDER = 4, /* what clients are shown until there is such a file */
	TG_INVENTORY_USE_COUNT
};
/* "server", "client", "authorities", "revoked", "placeholder". */
const char *inventory_use_str(enum inventory_use use);

/* What came of its file when that was looked at last. */
enum inventory_state {
	TG_INVENTORY_READ = 0,
	TG_INVENTORY_KEPT = 1,	   /* it was of no use: this is of before */
	TG_INVENTORY_LEFT_OUT = 2, /* the same, of one that is new in a folder: nothing is in use of it, and nothing known */
	TG_INVENTORY_STATE_COUNT
};
/* "read", "kept", "left-out". */
const char *inventory_state_str(enum inventory_state state);

/*
 * One that is in use. Of a file of authorities, or of lists, the one that ends first, of those that have not ended: so a
 * file is one entry, whatever is in it.
 */
struct inventory_entry {
	enum inventory_use use;
	enum inventory_state state;
	const char *listener; /* of the configuration it was made of; NULL: of a service */
	const char *service;  /* NULL: of a listener */
	const char *file;
	char *names; /* with commas between them; "": none. Of authorities, and of who wrote a list: the subject (RFC 2253) */
	char *issuer;  /* as RFC 2253 writes it */
	char kind[24]; /* "rsa-2048", "ecdsa-256", ...; "crl" */
	char fingerprint[TG_FINGERPRINT_LEN + 1];
	unsigned n_in_file; /* certificates, or lists; of SERVER and CLIENT not counted: 1 */
	struct wall not_before;
	struct wall not_after; /* of a list when the next one is due; unset: it does not say */
	struct ocsp_said ocsp; /* `until` unset: clients get no OCSP response */
};

struct inventory {
	size_t n;
	struct inventory_entry list[];
};

/* Listeners, then services, in the order of the configuration; authorities of the system, which no file names, are left out. The
 * configuration outlives it. What cannot be read any more is left out. NULL: no memory. */
struct inventory *inventory_new(const struct conf *conf, struct wall now);
void inventory_free(struct inventory *inventory); /* NULL allowed */

/* Whole days until `t`; below 0: it is over. */
long long inventory_days_left(struct wall t, struct wall now);

#endif
