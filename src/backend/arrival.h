/*
 * backend/arrival.h: a client connection between accept and the mode of its listener.
 *
 *	accept --> PROXY --> HANDSHAKE --> handed to front_ops.open(), an arrival no more
 *	                \             \--> REFUSED --> closed
 *	                 \--> HELLO --> handed over, or closed
 *
 * PROXY is where the listener has accept_proxy: a header that says who the client is. HANDSHAKE is that
 * of TLS, where the listener has any; its stream is made when the first bytes are there. HELLO is where it has none, mode tcp and routes: the beginning of a handshake says
 * whose it is, and is handed over with the connection. A front of its listener like all others, so it is counted, listed, drained and
 * ended as they are. What fails has no access record: there was no request. It is counted by reason, and the log
 * has a line, a few a second.
 *
 * Handshakes cost a worker's processor far more than anything else a client can ask for. So those of one turn of the
 * loop share TG_HANDSHAKE_TURN_US, one step at least; the others stand in line for the next turns, in
 * the order in which they came.
 */
#ifndef TG_BACKEND_ARRIVAL_H
#define TG_BACKEND_ARRIVAL_H

#include "backend/worker.h"
#include "net/conn.h"

#define TG_HANDSHAKE_TURN_US 2000u

/* Of a listener with arrivals: takes over an accepted descriptor, also when it fails (closed, counted). */
void arrival_open(struct worker *w, struct worker_listener *l, struct accepted *a);

/* For modes: what was accepted is `c` from now on. -TG_ENOMEM, -TG_EIO: it
 * is closed. */
TG_MUST_CHECK int accepted_open(const struct accepted *a, struct conn *c, struct loop *loop,
				watch_cb *cb);
/* Closes it. */
void accepted_drop(const struct accepted *a);

#endif
