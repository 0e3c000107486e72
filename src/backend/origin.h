/*
 * backend/origin.h: what a PROXY header told of a client connection.
 *
 * Most have none, and one pointer that is NULL. Owned by the arrival, then by what the mode makes of it, to the
 * end of the connection.
 */
#ifndef TG_BACKEND_ORIGIN_H
#define TG_BACKEND_ORIGIN_H

#include "net/conn.h"
#include "net/proxy_header.h"
#include "observe/access.h"

struct origin {
	struct addr peer; /* who connected, and sent it */
	struct proxy_header header; /* its texts lie in `bytes` */
	unsigned char bytes[];
};

/* Of the header that is `n` bytes at `p`, which proxy_header_parse() has taken. NULL: no memory. */
struct origin *origin_new(const unsigned char *p, size_t n, const struct addr *peer);
void origin_free(struct origin *o); /* NULL allowed */

/* Who the client is: as told, else the peer. */
struct addr origin_client(const struct origin *o);
/* Whether it says that the client spoke TLS. `o` NULL: no. */
static inline bool
origin_has_tls(const struct origin *o)
{
	return o != NULL && o->header.has_tls;
}
/* Whether it has addresses. `o` NULL: no. */
static inline bool
origin_has_addrs(const struct origin *o)
{
	return o != NULL && o->header.has_addrs;
}

/* For the access log. Bytes behind the other strings of a record. */
uint32_t origin_record_length(const struct origin *o);
/* Fills the field, and writes so many bytes at `p`. */
void origin_record_write(const struct origin *o, struct access_record *r, char *p);
/* The same; `o` NULL: there is nothing to tell. */
static inline uint32_t
origin_record_room(const struct origin *o)
{
	return o != NULL ? origin_record_length(o) : 0;
}
static inline void
origin_record_put(const struct origin *o, struct access_record *r, char *p)
{
	if (o != NULL)
		origin_record_write(o, r, p);
}

#endif
