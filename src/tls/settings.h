/*
 * tls/settings.h: which ciphers and groups are spoken.
 *
 * Mozilla's "intermediate" (Server Side TLS 5.7), without its DHE ciphers: a stranger can make those cost a server
 * far more than himself, and all clients of that list but those that are out of support have ECDHE.
 */
#ifndef TG_TLS_SETTINGS_H
#define TG_TLS_SETTINGS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"

/* Of TLS 1.2, as OpenSSL writes them. */
#define TG_TLS_CIPHERS                                                                             \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define TG_TLS_GROUPS "X25519:P-256:P-384"

/* `ciphers` NULL: those above. False: the library knows none of them, or refused. */
bool tls_set_ciphers(SSL_CTX *ssl, const char *ciphers);
/* -TG_EINVAL with what is wrong. */
TG_MUST_CHECK int tls_check_ciphers(const char *ciphers, struct err *err);
/* HTTP/2 may be spoken with it: one of TLS 1.2 has ephemeral keys, and is authenticated encryption. All others of 1.2 are what
 * RFC 9113 9.2.2, appendix A, prohibits. */
bool tls_is_for_h2(const SSL_CIPHER *cipher);
/* The same of ciphers that are to do with signatures alone. */
TG_MUST_CHECK int tls_check_isolated(const char *ciphers, struct err *err);
/* A pem_password_cb: nobody is asked at a terminal. *has_passphrase: one was wanted. */
int tls_refuse_passphrase(char *buf, int size, int for_writing, void *has_passphrase);

#endif
