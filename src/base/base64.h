/*
 * base/base64.h: bytes as text (RFC 4648, 4), padded.
 */
#ifndef TG_BASE_BASE64_H
#define TG_BASE_BASE64_H

#include <stddef.h>

#include "base/err.h"

/* Of n bytes, without a NUL; and at most so many bytes are in a text of n. */
#define TG_BASE64_LEN(n)   (((n) + 2) / 3 * 4)
#define TG_BASE64_BYTES(n) ((n) / 4 * 3)

/* `ret` has room for TG_BASE64_LEN(n) and a NUL. */
void base64_encode(const void *bytes, size_t n, char *ret);
/* `ret` has room for TG_BASE64_BYTES(n). -TG_EINVAL. */
TG_MUST_CHECK int base64_decode(const char *text, size_t n, unsigned char *ret, size_t *ret_n);

#endif
