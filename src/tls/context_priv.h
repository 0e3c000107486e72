/* tls/context_priv.h: what a stream needs of its context. */
#ifndef TG_TLS_CONTEXT_PRIV_H
#define TG_TLS_CONTEXT_PRIV_H

#include <openssl/bio.h>
#include <openssl/types.h>
#include <stdbool.h>

#include "tls/context.h"

/* That of the first certificate, which every stream begins with. Not counted. */
SSL_CTX *tls_context_ssl(const struct tls_context *ctx);
bool tls_context_takes_early(const struct tls_context *ctx);
const BIO_METHOD *tls_context_bio(const struct tls_context *ctx);

#endif
