/*
 * http2/fifo.h: bytes of a stream that wait, in pooled buffers.
 */
#ifndef TG_HTTP2_FIFO_H
#define TG_HTTP2_FIFO_H

#include "base/buf.h"

/* Zeroed: empty. Owned by its stream; what it holds is given back by h2_fifo_drop(). */
struct h2_fifo {
	struct buf *first;
	struct buf *last;
	uint32_t n; /* bytes held */
};

/* Room behind the last byte, for up to `n`: *ret_n of them at `return`. NULL: no memory. */
unsigned char *h2_fifo_room(struct h2_fifo *f, struct buf_pool *pool, size_t n, size_t *ret_n);
/* So many bytes were written there. */
void h2_fifo_add(struct h2_fifo *f, size_t n);
/* All of p[n]; false: no memory, and some of it may be there. */
bool h2_fifo_put(struct h2_fifo *f, struct buf_pool *pool, const void *p, size_t n);
/* The first `n` bytes, which it has, to `to`. */
void h2_fifo_take(struct h2_fifo *f, struct buf_pool *pool, void *to, size_t n);
void h2_fifo_drop(struct h2_fifo *f, struct buf_pool *pool);

#endif
