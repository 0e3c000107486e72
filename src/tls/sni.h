/*
 * tls/sni.h: the name in a ClientHello (RFC 6066 3).
 */
#ifndef TG_TLS_SNI_H
#define TG_TLS_SNI_H

#include <stddef.h>

#include "base/err.h"

#define TG_SNI_MAX 255u

/* From the body of extension server_name: in lower case, without a final dot, NUL-terminated. -TG_EPROTO: it is none that
 * is well-formed; -TG_EINVAL: it is, but holds what no host name does, or is too long. */
TG_MUST_CHECK int sni_parse(const unsigned char *extension, size_t n, char ret[TG_SNI_MAX + 1]);

#endif
