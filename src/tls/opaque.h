/*
 * tls/opaque.h: private keys that another process keeps (key_isolation), as OpenSSL wants them.
 *
 * A provider of OpenSSL 3 in a library context of its own, so that nothing else ever comes upon it: its keys have what their public
 * half has, and a signature by one is asked for over the line of the thread (tls/sign_line.h). No decryption: key exchange by
 * RSA does without a signature, and is not to be had.
 */
#ifndef TG_TLS_OPAQUE_H
#define TG_TLS_OPAQUE_H

#include <openssl/types.h>

#include "tls/sign_request.h"

/* The key of this certificate; the caller's, by EVP_PKEY_free(). -TG_EINVAL: of a kind there is not here; -TG_ENOMEM. */
TG_MUST_CHECK int opaque_key(const X509 *certificate, enum sign_use use, EVP_PKEY **ret,
			     struct err *err);

#endif
