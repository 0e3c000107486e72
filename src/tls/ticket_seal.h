/*
 * tls/ticket_seal.h: the seed of ticket keys, as text that tells nobody anything who has not the same secret (AES-256-GCM).
 */
#ifndef TG_TLS_TICKET_SEAL_H
#define TG_TLS_TICKET_SEAL_H

#include "tls/ticket.h"

/* Text with its NUL: base64 of hour, nonce, secret, tag. */
#define TG_SEALED_SIZE 93u
/* What those who have the secret call it. */
#define TG_SEALED_NAME_SIZE 23u

/* -TG_EIO: the library refused. */
TG_MUST_CHECK int ticket_seal_name(const char *secret, char ret[TG_SEALED_NAME_SIZE]);
TG_MUST_CHECK int ticket_seal(const struct ticket_seed *seed, const char *secret,
			      char ret[TG_SEALED_SIZE]);
/* -TG_EPROTO: it is none that was sealed with this secret. */
TG_MUST_CHECK int ticket_unseal(const char *text, const char *secret, struct ticket_seed *ret);

#endif
