/*
 * net/proxy_header.h: the header of the PROXY protocol, versions 1 and 2, read and written. Pure.
 *
 * Source: "The PROXY protocol, Versions 1 & 2", doc/proxy-protocol.txt of HAProxy; numbers in comments are
 * its sections. It stands in front of all other bytes of a connection and says on whose behalf
 * that was made. Whether there is one is never guessed (5): the configuration says so.
 */
#ifndef TG_NET_PROXY_HEADER_H
#define TG_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* The longest that is read; one of version 1 has 107 bytes at most (2.1). */
#define TG_PROXY_HEADER_MAX 4096u
/* The longest that is written: less than any MSS, so that it goes out whole (2.2). */
#define TG_PROXY_WRITTEN_MAX 1024u
/* Of one text that is written; longer ones are left out. An id has 128 at most (2.2.5). */
#define TG_PROXY_TEXT_MAX 255u
#define TG_PROXY_ID_MAX   128u

/* Why there was none. The word is that of the counter. */
/* clang-format off */
#define TG_PROXY_FAULTS(X)                                                                      \
	X(NONE, "none", "there was one")                                                        \
	X(UNTRUSTED, "untrusted", "the peer is none of trusted_proxies")                        \
	X(CLOSED, "closed", "the peer closed or reset before its end")                          \
	X(TIMEOUT, "timeout", "it did not end in time")                                         \
	X(MISSING, "missing", "what the peer sent begins with no such header")                  \
	X(PROTOCOL, "protocol", "it is not well-formed")                                        \
	X(CHECKSUM, "checksum", "it has a checksum, of other bytes")                            \
	X(LENGTH, "length", "it is too long")                                                   \
	X(RESOURCE, "resource", "no memory, or no descriptor")

/* clang-format on */
enum proxy_fault {
#define TG_PROXY_FAULT_ENUM(id, word, help) TG_PROXY_FAULT_##id,
	TG_PROXY_FAULTS(TG_PROXY_FAULT_ENUM)
#undef TG_PROXY_FAULT_ENUM
		TG_PROXY_FAULT_COUNT
};
/* "?" outside the enum. */
const char *proxy_fault_str(unsigned fault);

/* Bytes in the header that was read, or of who writes one; any bytes. `n` 0: not told. */
struct proxy_text {
	const char *p;
	size_t n;
};

struct proxy_header {
	uint8_t version;  /* 1, 2 */
	bool is_local;    /* nobody's connection but the sender's own, as that of a check; version 2 */
	bool has_addrs;   /* false: those of the connection itself count */
	struct ip from;
	struct ip to;
	uint16_t from_port;
	uint16_t to_port;
	/* Version 2 alone. */
	struct proxy_text alpn;
	struct proxy_text authority;
	struct proxy_text id;
	bool has_tls;     /* the client spoke TLS; the rest is of it */
	bool is_verified; /* and has shown a certificate that holds */
	struct proxy_text tls_version;
	struct proxy_text tls_cipher;
	struct proxy_text tls_name; /* common name of the client's certificate */
};

/*
 * From the first `n` bytes of a connection. NONE and *ret_n its length: *ret is whole, its texts lie in `p`; NONE and
 * *ret_n 0: more is needed. All else: why it is none; never CLOSED, TIMEOUT, UNTRUSTED, RESOURCE.
 */
enum proxy_fault proxy_header_parse(const unsigned char *p, size_t n, struct proxy_header *ret,
				    size_t *ret_n);

/* In the version it has; returns the length. */
size_t proxy_header_write(const struct proxy_header *h, unsigned char to[TG_PROXY_WRITTEN_MAX]);

#endif
