/* tls/key_id.h: what a key is called between who asks for a signature and who has it. */
#ifndef TG_TLS_KEY_ID_H
#define TG_TLS_KEY_ID_H

#include <openssl/types.h>

#include "tls/sign_request.h"

/* SHA-256 of the SubjectPublicKeyInfo (DER). -TG_EINVAL. */
TG_MUST_CHECK int key_id(const EVP_PKEY *key, unsigned char ret[TG_SIGN_ID_BYTES]);

#endif
