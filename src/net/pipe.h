/*
 * net/pipe.h: bytes on their way from one socket to another that never leave the kernel (splice(2)).
 *
 * Pipes are lent: who moves bytes has one while it has bytes in it, and gives it back empty. Not for
 * connections with a filter: what is in the socket is not what the other side said.
 */
#ifndef TG_NET_PIPE_H
#define TG_NET_PIPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/gauge.h"
#include "net/conn.h"

/* Bytes a pipe takes, where the system lets it have as many. */
#define TG_PIPE_BYTES (512u * 1024u)
/* A spliced piece smaller than this is no bulk any more: copying is cheaper. */
#define TG_PIPE_SMALL_PIECE 4096

/* Pipes of one worker, empty between uses. Beyond `max` open ones bytes are copied. */
#define TG_PIPES_KEPT 32
struct pipe_pool {
	int fds[TG_PIPES_KEPT][2];
	unsigned n;      /* kept */
	unsigned n_open; /* kept and in use */
	unsigned max;
	_Atomic int64_t *in_use;  /* of all pools; NULL: not counted */
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

/* All zero: there is no pipe. */
struct piped {
	int out; /* where bytes come out */
	int in;
	uint32_t n; /* bytes in it */
};

static inline bool
piped_is_open(const struct piped *p)
{
	return p->out != p->in;
}

/* True: there is a pipe now. False: there are as many as may be, or the system has none. */
bool piped_open(struct piped *p, struct pipe_pool *pool);
/* One that still holds bytes of a dead stream is closed, not kept. Idempotent. */
void piped_close(struct piped *p, struct pipe_pool *pool);
/*
 * Into an empty one, `most` bytes at most: how many; 0: the other side's end, which is still to be read;
 * -TG_EAGAIN; -TG_EIO (errno; the flags of `src` say so too); -TG_ENOTSUP: the kernel refuses this socket.
 */
ssize_t piped_fill(struct piped *p, struct conn *src, uint32_t most);
/* Sends of what is in it: how many bytes; -TG_EAGAIN; -TG_EIO (errno). */
ssize_t piped_drain(struct piped *p, struct conn *dst);

#endif
