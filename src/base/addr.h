/*
 * base/addr.h: socket addresses and network prefixes as values; no sockets.
 */
#ifndef TG_BASE_ADDR_H
#define TG_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

/* Longest text addr_format() writes, with its NUL. */
#define TG_ADDR_STRLEN 128

/* An IPv4, IPv6 or unix stream address. A value: copy it freely. `len` 0: unset. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
};

/* An IPv4 or IPv6 address alone, small enough for connection state; v4 is kept v4-mapped. */
struct ip {
	uint8_t b[16];
};

struct prefix {
	struct ip ip;
	uint8_t bits; /* 0..128 over the mapped form: 10.0.0.0/8 has bits = 104 */
};

/* What a piece of address text turned out to be. */
enum endpoint_kind {
	TG_ENDPOINT_ADDR = 0, /* numeric address or unix path: `addr` is set */
	TG_ENDPOINT_NAME = 1, /* host name: resolve `host`, use `port` */
	TG_ENDPOINT_SRV = 2,  /* service name: SRV records of `host` say where and which port */
	TG_ENDPOINT_KIND_COUNT
};

struct endpoint {
	enum endpoint_kind kind;
	struct addr addr;
	char host[254]; /* RFC 1035 2.3.4: 253 octets of text */
	uint16_t port;
};

/* Flags for endpoint_parse(). */
#define TG_ENDPOINT_WILDCARD (1u << 0) /* "*:port" is allowed (listeners) */
#define TG_ENDPOINT_NAMES    (1u << 1) /* host and service names are allowed (backends) */

/*
 * "1.2.3.4:80", "[::1]:80", "*:80", "name.example:80", "unix:/path",
 * "srv:_http._tcp.example"; "srv:80" is a host named srv.
 * "*" becomes the unspecified IPv6 address (bound dual-stack).
 * Ports are 1..65535; 0 is refused. Returns 0, or -TG_EINVAL with the reason
 * (what is wrong with the text and what is allowed) in `err`.
 */
TG_MUST_CHECK int endpoint_parse(const char *text, unsigned flags, struct endpoint *ret,
				 struct err *err);

/* "10.0.0.0/8", "::1", "fd00::/8". Host bits set below the prefix are an error. */
TG_MUST_CHECK int prefix_parse(const char *text, struct prefix *ret, struct err *err);
bool prefix_has(const struct prefix *p, const struct ip *ip);

/* Bare address text ("1.2.3.4", "::1") to ip; -TG_EINVAL when it is not one. */
TG_MUST_CHECK int ip_parse(const char *text, size_t n, struct ip *ret);
/* Writes "1.2.3.4" or "::1" (v4-mapped shown as v4). Returns the length. */
size_t ip_format(const struct ip *ip, char *buf, size_t size);
bool ip_is_v4(const struct ip *ip);
/* To bind to, or connect to, with this port. */
struct addr ip_addr(const struct ip *ip, uint16_t port);
/* Somebody can be there: not unspecified, multicast, broadcast or reserved. */
bool ip_is_unicast(const struct ip *ip);
/* False (and all zero) for unix addresses. */
bool addr_ip(const struct addr *a, struct ip *ret);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port); /* one without a port stays as it is */
/* "1.2.3.4:80", "[::1]:80", "unix:/path". Returns `buf`. */
const char *addr_format(const struct addr *a, char *buf, size_t size);
/* A unix path of any kind, relative ones too. -TG_ERANGE: too long. */
TG_MUST_CHECK int addr_set_path(struct addr *ret, const char *path);
/* Only this machine can reach it: a unix socket, or a loopback address. */
bool addr_is_local(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);

#endif
