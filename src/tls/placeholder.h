/*
 * tls/placeholder.h: a certificate for the while until an authority has given one: of the right names, self-signed.
 *
 * Without it a listener could not start on a machine that has none yet. Clients refuse it.
 */
#ifndef TG_TLS_PLACEHOLDER_H
#define TG_TLS_PLACEHOLDER_H

#include "conf/conf.h"

/* ECDSA, good for a year. Both texts of *ret are to be freed. -TG_ENOMEM, or -TG_EINVAL with what the library says. */
TG_MUST_CHECK int placeholder_make(char *const *names, size_t n, struct conf_pem *ret,
				   struct err *err);

#endif
