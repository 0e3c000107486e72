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

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/gauge.h"
#include "net/conn.h"

/*
 * Pipes of one worker, empty between uses. A direction holds one only while it
 * has bytes in it: what rests holds none. Beyond `max` open ones bytes are copied.
 */
#define TG_PIPES_KEPT 32
struct pipe_pool {
	int fds[TG_PIPES_KEPT][2];
	unsigned n;      /* kept */
	unsigned n_open; /* kept and in use */
	unsigned max;
	_Atomic int64_t *in_use; /* of all pools; NULL: not counted */
	_Atomic uint64_t *gauges; /* [TG_PIPE_GAUGE_COUNT]; NULL: nobody asks */
};
enum pipe_gauge {
	TG_PIPE_GAUGE_USED = 0,
	TG_PIPE_GAUGE_HELD = 1, /* used and kept */
	TG_PIPE_GAUGE_FAILURES = 2,
	TG_PIPE_GAUGE_COUNT
};
/* Both outlive it; NULL allowed. */
void pipe_pool_init(struct pipe_pool *pool, unsigned max, _Atomic int64_t *in_use,
		    _Atomic uint64_t *gauges);
void pipe_pool_fini(struct pipe_pool *pool);

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
	int pipe[2];        /* -1: not splicing */
	uint32_t piped;     /* bytes in the pipe */
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
