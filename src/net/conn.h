/*
 * net/conn.h: a non-blocking stream socket and what is known of its readiness.
 *
 * Registered once, edge-triggered. A flag says what the kernel last told, so
 * that no call is made only to be told EAGAIN: a read shorter than its room
 * means "drained" unless a hang-up is pending. Where an error hides behind
 * the bytes just read, no new edge comes: whoever waits for *more of the same
 * message* must conn_recheck() once before it parks.
 *
 * A virtual connection has no socket of its own: its filter is one of many streams of a carrier, which
 * tells by conn_tell() what the kernel tells of others.
 */
#ifndef TG_NET_CONN_H
#define TG_NET_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"

#define CONN_READABLE   (1u << 0) /* reading may give bytes, an end or an error */
#define CONN_WRITABLE   (1u << 1) /* writing may take bytes */
#define CONN_HANGUP     (1u << 2) /* the end is in the receive queue: read until 0 */
#define CONN_ENDED      (1u << 3) /* 0 was read */
#define CONN_FAILED     (1u << 4) /* an error was read: nothing more to expect */
#define CONN_SHUT       (1u << 5) /* we sent our end */
#define CONN_CONNECTING (1u << 6)
#define CONN_BROKEN                                                                                \
	(1u << 7) /* writing failed; what the other side said before may still be read */

#define CONN_RESET                                                                                 \
	(1u << 8) /* writing met a reset; the kernel says so once: a 0 read now is no end */
#define CONN_INPUT     (1u << 9)  /* as CONN_READABLE, of the socket below a filter; a filter clears it */
#define CONN_TRUNCATED (1u << 10) /* with CONN_ENDED: the other side did not say that this was all */
#define CONN_VIRTUAL   (1u << 11) /* a stream of a carrier; `fd` is that of the carrier */
/* With CONN_RESET, of a virtual one: the other side has not looked at what was written. */
#define CONN_UNPROCESSED (1u << 12)
/* With CONN_RESET, of a virtual one: by us, for what the other side said is no message. */
#define CONN_MALFORMED (1u << 13)

/*
 * What bytes pass through between their owner and the socket: a connection without one has NULL,
 * and pays for one comparison a call. The flags stay those of what the owner sees.
 */
struct conn;
struct conn_filter {
	const struct conn_filter_ops *ops;
	struct conn *conn; /* NULL: of none yet */
};

struct conn_filter_ops {
	/* As conn_recv(), with CONN_READABLE set and neither end nor error read. */
	ssize_t (*recv)(struct conn *c, void *p, size_t n);
	/* As conn_sendv(), with CONN_WRITABLE set. What it says is taken is the filter's to deliver. */
	ssize_t (*sendv)(struct conn *c, const struct iovec *iov, int n);
	/* The socket takes bytes again: sends what is taken and not sent, and what waits behind it. */
	void (*on_writable)(struct conn *c);
	/* Whether bytes, or our end, are taken and not with the kernel yet. */
	bool (*has_unsent)(const struct conn *c);
	/* Sends our end, then FIN; later, if bytes wait before it. Once. */
	void (*shutdown)(struct conn *c);
	/* The last words, if any is due and the kernel takes it; the socket is still open. */
	void (*goodbye)(struct conn *c);
	/* Of a virtual connection, instead of goodbye(): the other side is to see a reset. */
	void (*abort)(struct conn *c);
	/* After the connection is closed, or instead of it. */
	void (*free)(struct conn_filter *f);
};

/* Storage is the owner's. `fd` -1: closed. */
struct conn {
	struct watch watch;
	struct loop *loop;
	int fd;
	unsigned flags;
	struct conn_filter *filter; /* NULL: none; owned, freed when it closes */
};

/* Takes over `fd`, on failure too (closed). Not connecting: assumed readable and writable. */
TG_MUST_CHECK int conn_open(struct conn *c, struct loop *loop, int fd, watch_cb *cb);
/* A virtual one; `f` is taken over. Not readable yet, writable. `fd`: the carrier's, for who asks for its addresses; it
 * stays the carrier's. */
void conn_open_virtual(struct conn *c, struct loop *loop, int fd, struct conn_filter *f,
		       watch_cb *cb);
/* Starts connecting; completion is a LOOP_WRITE or LOOP_READ report, then conn_connected(). */
TG_MUST_CHECK int conn_connect(struct conn *c, struct loop *loop, const struct addr *to,
			       watch_cb *cb);
/* 0: connected; -TG_EAGAIN: still under way; -TG_EIO: failed, errno says why. */
TG_MUST_CHECK int conn_connected(struct conn *c);
/* From now on bytes pass through `f`, which is taken over. */
void conn_attach(struct conn *c, struct conn_filter *f);
/* Merges what a watch reported into the flags; a filter sends what waited. */
static inline void
conn_note(struct conn *c, unsigned what)
{
	if ((what & LOOP_READ) != 0)
		c->flags |= CONN_READABLE | CONN_INPUT;
	if ((what & LOOP_HANGUP) != 0)
		c->flags |= CONN_HANGUP;
	if ((what & LOOP_WRITE) == 0)
		return;
	c->flags |= CONN_WRITABLE;
	if (c->filter != NULL)
		c->filter->ops->on_writable(c);
}
/* From the carrier of a virtual connection: these flags are set, and its watch is called with 0, in this turn or the
 * next. */
static inline void
conn_tell(struct conn *c, unsigned flags)
{
	c->flags |= flags;
	watch_again(c->loop, &c->watch);
}
/* Whether a filter has bytes that were taken and are not with the kernel: closing would lose them. */
static inline bool
conn_has_unsent(const struct conn *c)
{
	return c->filter != NULL && c->filter->ops->has_unsent(c);
}

/* The filter is the caller's. NULL: it has none. */
struct conn_filter *conn_detach(struct conn *c);
/* The descriptor, open and not watched any more, is the caller's; `c` is closed. -1: it was.
 * Not with a filter. */
int conn_give(struct conn *c);
/* Whether the other side has reset it, as far as can be seen without reading. */
bool conn_is_reset(struct conn *c);
/* >0 bytes; 0 the other side's end; -TG_EAGAIN; -TG_EIO (errno). Needs CONN_READABLE, else -TG_EAGAIN. */
ssize_t conn_recv(struct conn *c, void *p, size_t n);
/* As conn_recv(), whatever was reported; the bytes stay where they are, and conn_recv() may take them. Not with a
 * filter. */
ssize_t conn_peek(struct conn *c, void *p, size_t n);
/* A short read may have hidden an error: let the next conn_recv() ask the kernel. */
static inline void
conn_recheck(struct conn *c)
{
	c->flags |= CONN_READABLE | CONN_INPUT;
}
/* Whether nothing, no end and no error waits to be read. Through a filter: what waits is read, so that
 * one that is not quiet is of no use any more; what the filter itself was told counts for nothing. */
bool conn_is_quiet(struct conn *c);
/* A write failed with this errno: reading will tell the rest. */
void conn_write_failed(struct conn *c, int error);
/* >=0 bytes taken, fewer than given when full; -TG_EAGAIN; -TG_EIO (errno). */
ssize_t conn_send(struct conn *c, const void *p, size_t n);
ssize_t conn_sendv(struct conn *c, const struct iovec *iov, int n);
/*
 * `n` bytes of a file from `at` on. >0 bytes taken, fewer than given also when there is room
 * for more; -TG_EAGAIN; -TG_EIO (errno); -TG_ENOENT: the file cannot be read (errno).
 */
ssize_t conn_sendfile(struct conn *c, int fd, uint64_t at, size_t n);
/* Sends our end (FIN). Once. */
void conn_shutdown(struct conn *c);
/* Leaves the loop and closes. Idempotent. */
void conn_close(struct conn *c);
/* The same, with RST where the kernel allows. */
void conn_abort(struct conn *c);

static inline bool
conn_is_open(const struct conn *c)
{
	return c->fd >= 0;
}

/* Bytes of ours the other side's kernel has acknowledged, or -1 where that
 * cannot be known (not TCP, virtual). Works on a failed connection (TCP_INFO). */
int64_t conn_acked_bytes(const struct conn *c);

#endif
