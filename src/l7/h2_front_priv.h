/*
 * l7/h2_front_priv.h: client connections that speak HTTP/2.
 *
 *	OPEN --> LINGER --> closed
 *
 * Each request is a front of its own, over a stream of the session: a connection that has one request, and whose end is
 * the end of that stream.
 */
#ifndef TG_L7_H2_FRONT_PRIV_H
#define TG_L7_H2_FRONT_PRIV_H

#include "http2/session.h"
#include "l7/stream_priv.h"

struct h2_front {
	struct front_link link; /* first */
	struct conn conn;
	struct h2_session session;
	struct worker_listener *listener;
	struct origin *origin;       /* NULL: there was no PROXY header */
	const struct tls_facts *tls; /* NULL: plain */
	struct ip ip;
	uint16_t port;
	bool draining;
	bool is_lingering;       /* our end is sent */
	bool is_ending;          /* the client was told that nothing more is taken */
	bool is_further;         /* a request has come */
	bool is_checked;         /* nothing has come since the quiet check */
	struct h2_fronts fronts; /* requests that run */
	struct back_place place; /* of them all */
	struct mono rested;      /* since when none does: accepted, or the last has ended */
	struct mono drain_end; /* the client is told the last of its requests then at the latest */
	struct timer timer;
	struct deferred deferred;
};

/* Takes over what was accepted, and the bytes that were read of it, also when it fails. */
void h2_front_open(struct worker *w, struct worker_listener *l, const struct accepted *a);
/* One of its fronts is closed. */
void h2_front_left(struct h2_front *h, struct front *f);

/* front.c */

/* NULL: no memory. */
struct front *front_open_over(struct h2_front *h, struct h2_stream *stream);
/* A new one has nothing to do but to be told of, as a request that could not be read: it is closed. */
void front_refuse_over(struct front *f, const struct h2_malformed *what);
/* Whatever it does, ends. Where no request runs a stream is reset, and a connection of its own closed. */
void front_stop(struct front *f, enum end_reason reason);

#endif
