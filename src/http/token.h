/*
 * http/token.h: character classes of RFC 9110 and RFC 3986.
 */
#ifndef TG_HTTP_TOKEN_H
#define TG_HTTP_TOKEN_H

#include <stdbool.h>

#define HTTP_CHAR_TCHAR      (1u << 0) /* RFC 9110 5.6.2 tchar */
#define HTTP_CHAR_PATH       (1u << 1) /* may stand raw in a path */
#define HTTP_CHAR_QUERY      (1u << 2) /* may stand raw in a query */
#define HTTP_CHAR_UNRESERVED (1u << 3) /* RFC 3986 2.3 */
#define HTTP_CHAR_HOST       (1u << 4) /* letters, digits, "-._~" */
#define HTTP_CHAR_VALUE      (1u << 5) /* RFC 9110 5.5 field-value: VCHAR, obs-text, SP, HTAB */

extern const unsigned char http_char_class[256];

static inline bool
http_is_tchar(unsigned char c)
{
	return (http_char_class[c] & HTTP_CHAR_TCHAR) != 0;
}

static inline bool
http_is(unsigned char c, unsigned char_class)
{
	return (http_char_class[c] & char_class) != 0;
}

/* 0..15, or -1. */
static inline int
http_hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
