/*
 * net/conn.h: a non-blocking stream socket and what is known of its readiness.
 *
 * Registered once, edge-triggered. A flag says what the kernel last told, so
 * that no call is made only to be told EAGAIN: a read shorter than its room
 * means "drained" unless a hang-up is pending. Where an error hides behind
 * the bytes just read, no new edge comes: whoever waits for *more of the same
 * message* must conn_recheck() once before it parks.
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

/* Storage is the owner's. `fd` -1: closed. */
struct conn {
	struct watch watch;
	struct loop *loop;
	int fd;
	unsigned flags;
};

/* Takes over `fd`, on failure too (closed). Not connecting: assumed readable and writable. */
TG_MUST_CHECK int conn_open(struct conn *c, struct loop *loop, int fd, watch_cb *cb);
/* Starts connecting; completion is a LOOP_WRITE or LOOP_READ report, then conn_connected(). */
TG_MUST_CHECK int conn_connect(struct conn *c, struct loop *loop, const struct addr *to,
			       watch_cb *cb);
/* 0: connected; -TG_EAGAIN: still under way; -TG_EIO: failed, errno says why. */
TG_MUST_CHECK int conn_connected(struct conn *c);
/* Merges what a watch reported into the flags. */
static inline void
conn_note(struct conn *c, unsigned what)
{
	if ((what & LOOP_READ) != 0)
		c->flags |= CONN_READABLE;
	if ((what & LOOP_WRITE) != 0)
		c->flags |= CONN_WRITABLE;
	if ((what & LOOP_HANGUP) != 0)
		c->flags |= CONN_HANGUP;
}

/* The descriptor, open and not watched any more, is the caller's; `c` is closed. -1: it was. */
int conn_give(struct conn *c);
/* Whether the other side has reset it, as far as can be seen without reading. */
bool conn_is_reset(struct conn *c);
/* >0 bytes; 0 the other side's end; -TG_EAGAIN; -TG_EIO (errno). Needs CONN_READABLE, else -TG_EAGAIN. */
ssize_t conn_recv(struct conn *c, void *p, size_t n);
/* A short read may have hidden an error: let the next conn_recv() ask the kernel. */
static inline void
conn_recheck(struct conn *c)
{
	c->flags |= CONN_READABLE;
}
/* Whether nothing, no end and no error waits to be read. */
bool conn_is_quiet(const struct conn *c);
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
 * cannot be known (not TCP). Works on a failed connection (TCP_INFO). */
int64_t conn_acked_bytes(const struct conn *c);

#endif
