/*
 * net/relay.h: bytes from one connection to another, one direction, with
 * backpressure: nothing is read while the far side takes nothing.
 *
 * Holds at most one buffer (or one pipe) under way. A direction that proves to
 * be bulk moves to splice(2) and back again. An end is passed on as an end once
 * everything before it was sent.
 */
#ifndef TG_NET_RELAY_H
#define TG_NET_RELAY_H

#include <stdint.h>

#include "base/buf.h"
#include "net/conn.h"
#include "net/pipe.h"

enum relay_result {
	RELAY_PARKED = 0,     /* waits for a report on either connection */
	RELAY_AGAIN = 1,      /* its share of the turn is used up: step again next turn */
	RELAY_ENDED = 2,      /* the end was passed on: nothing more this way */
	RELAY_SRC_FAILED = 3, /* errno says why */
	RELAY_DST_FAILED = 4,
	RELAY_NO_RESOURCE = 5
};

struct relay {
	struct conn *src;
	struct conn *dst;
	struct buf *buf;    /* bytes read, not yet sent; NULL: none */
	struct piped piped; /* bytes spliced, not yet sent */
	uint32_t max_bytes; /* under way at most; at least TG_BUF_SMALL_BYTES */
	uint8_t n_full;     /* reads in a row that filled the buffer */
	bool no_splice;     /* the kernel refused it for these descriptors */
	bool ended;
	uint64_t bytes; /* taken by dst */
};

/* `first` (may be NULL) holds bytes already read from src; the relay takes it. */
void relay_init(struct relay *r, struct conn *src, struct conn *dst, struct buf **first,
		uint32_t max_bytes);
/* Moves what can be moved now. */
enum relay_result relay_step(struct relay *r, struct buf_pool *bufs, struct pipe_pool *pipes);
/* Gives buffer and pipe back. */
void relay_fini(struct relay *r, struct buf_pool *bufs, struct pipe_pool *pipes);

#endif
