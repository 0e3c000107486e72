/*
 * tls/ocsp.h: what an authority says of a certificate, for a while, to be shown with it (RFC 6960; RFC 6066 8,
 * RFC 8446 4.4.2.1).
 */
#ifndef TG_TLS_OCSP_H
#define TG_TLS_OCSP_H

#include "tls/certificate.h"

/* Until when it holds; `from` is when it was so. */
struct ocsp_said {
	struct wall from;
	struct wall until;
};

/*
 * Takes what is in DER: that the certificate is good, by its issuer, which is in the chain, or by somebody it has named for
 * that. -TG_EINVAL with what is wrong; -TG_ENOENT: they say that it is revoked. Who says until when is told in *ret, also where that is over.
 */
TG_MUST_CHECK int ocsp_read(const char *der, size_t n, const struct certificate *c,
			    struct ocsp_said *ret, struct err *err);
/* Clients that look at it would take it. */
bool ocsp_holds(const struct ocsp_said *said, struct wall now);

/* What conf/ asks while it reads a file; see struct conf_certificates. */
TG_MUST_CHECK int ocsp_check(const struct conf_pem *pem, const char *der, size_t n,
			     void (*warn)(void *user, const char *text), void *user, struct err *err);

#endif
