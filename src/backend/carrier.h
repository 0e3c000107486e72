/*
 * backend/carrier.h: connections to backends that carry many exchanges at a time: HTTP/2.
 *
 *	CONNECTING --> GREETING --> OPEN --> closed
 *	 (TCP, TLS)     (its SETTINGS        (with GOAWAY from either side, or after an address that it does not lead to any
 *	  are awaited)    are awaited)       more, it takes no more and is closed with its last exchange)
 *
 * A carrier has a back of its own for its line (backend/back.h: connecting, TLS, counters), a client's session over it
 * (http2/session.h), and a list of backs that are streams of that. It belongs to its worker_backend, and is freed with the last of them.
 *
 * A back waits, as for a connection, until its carrier is OPEN and the backend allows one more. What has no room then goes to another
 * carrier, and where none can be made it goes on waiting. A backend whose first SETTINGS allow none is given no other carrier:
 * who comes waits for that one to allow some.
 *
 * Bounds: a carrier is made only where those there are have no room: max_streams of the service, and what the backend
 * allows. One without exchanges counts as an idle connection and rests as long. So a worker has at most as many as it has
 * exchanges, and idle ones as of HTTP/1.1.
 */
#ifndef TG_BACKEND_CARRIER_H
#define TG_BACKEND_CARRIER_H

#include "backend/back.h"

/* Room on a connection that is open, or NULL. `own`: of those that have told of this client, NULL: of nobody. `careful`: for
 * requests that cannot be repeated: one that rests is asked whether it still lives. */
struct back *carrier_take(struct worker_backend *home, const struct back_place *own, bool careful);
/* As back_connect(): on one that is open, one that is being made, or a new one. */
struct back *carrier_connect(struct worker_backend *home, const struct addr *to,
			     struct back_place *own, void (*on_ready)(struct back *b),
			     void *stream);
/* Whether it is to tell of a client, and does not know yet what; and what: it goes out first. -TG_ENOMEM. */
bool carrier_lacks_greeting(const struct carrier *c);
TG_MUST_CHECK int carrier_greet(struct carrier *c, struct buf *header);
/* The client connection is at its end. */
void carrier_forsake_all(struct back_place *own);
/* As back_connected(), of one of its backs. */
TG_MUST_CHECK int carrier_connected(const struct back *b);
/* As back_timed_out(): nobody waits for it any longer. */
void carrier_timed_out(struct carrier *c);
uint64_t carrier_id(const struct carrier *c);
bool carrier_is_refused(const struct carrier *c);
uint8_t carrier_tls_version(const struct carrier *c);
/* This back's connection is closed. */
void carrier_leave(struct back *b);
/* None of a backend takes anything new. */
void carrier_retire_all(struct worker_backend *home);

#endif
