/*
 * tls/shown.h: what is told of the certificate that a client has shown, and that was taken.
 */
#ifndef TG_TLS_SHOWN_H
#define TG_TLS_SHOWN_H

#include <stddef.h>

#include "base/err.h"

/* Bytes of one that can be told of; one that is larger, or has a longer name, is refused. */
#define TG_SHOWN_MAX	     6144u
#define TG_SHOWN_SUBJECT_MAX 1024u
#define TG_SHOWN_SERIAL_MAX  64u /* digits: RFC 5280 4.1.2.2 allows 20 bytes */

struct tls_shown {
	char *base64; /* of its DER */
	size_t base64_n;
	char *subject; /* as RFC 2253 writes it: ASCII, no control characters */
	char serial[TG_SHOWN_SERIAL_MAX + 1]; /* both in hexadecimal */
	char sha256[65];
};

struct ssl_st;
/* *ret NULL: there is none. -TG_ELIMIT: it is too large; -TG_ENOMEM. */
TG_MUST_CHECK int tls_shown_read(const struct ssl_st *ssl, struct tls_shown **ret);
void tls_shown_free(struct tls_shown *shown); /* NULL allowed */

#endif
