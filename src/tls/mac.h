/*
 * tls/mac.h: a code that only who has the key can make for some bytes
 * (HMAC-SHA-256, RFC 2104, RFC 6234), as text.
 */
#ifndef TG_TLS_MAC_H
#define TG_TLS_MAC_H

#include <stddef.h>

#include "base/err.h"

/* All of the code. -TG_EIO: the library refused. `ret` may be the key. */
#define TG_MAC_BYTES 32u
TG_MUST_CHECK int mac_bytes(const void *key, size_t key_n, const void *bytes, size_t n,
			    unsigned char ret[TG_MAC_BYTES]);
/* 128 bits of the code in base64url (RFC 4648 5), without padding. */
#define TG_MAC_TEXT_LEN 22u

/* Writes TG_MAC_TEXT_LEN characters and a NUL. -TG_EIO: the library refused. */
TG_MUST_CHECK int mac_text(const void *key, size_t key_n, const void *bytes, size_t n,
			   char ret[TG_MAC_TEXT_LEN + 1]);
/* All 256 bits of it in hexadecimal: TG_MAC_HEX_LEN characters and a NUL. -TG_EIO, as above. */
#define TG_MAC_HEX_LEN 64u
TG_MUST_CHECK int mac_hex(const void *key, size_t key_n, const void *bytes, size_t n,
			  char ret[TG_MAC_HEX_LEN + 1]);
/* The value of Sec-WebSocket-Accept for a key (RFC 6455 4.2.2), which is no secret, and a NUL. -TG_EIO, as above. */
#define TG_WEBSOCKET_ACCEPT_LEN 28u
TG_MUST_CHECK int mac_websocket(const char *key, size_t key_n, char ret[TG_WEBSOCKET_ACCEPT_LEN + 1]);
/* Fills with bytes nobody can guess. -TG_EIO: there is no randomness. */
TG_MUST_CHECK int mac_random(void *ret, size_t n);

#endif
