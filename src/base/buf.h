/*
 * base/buf.h: byte buffers from a per-worker pool.
 *
 * Two sizes, kept on free lists: an idle connection holds none, a busy one
 * takes the hottest. Not thread-safe: one pool per worker, a buffer goes back
 * to the pool it came from.
 */
#ifndef TG_BASE_BUF_H
#define TG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"

/* Usable bytes. Large holds the largest configurable head and what is added to it. */
#define TG_BUF_SMALL (16u * 1024u - 64u)
#define TG_BUF_LARGE (80u * 1024u - 64u)

/* Bytes [r, w) are held; [w, cap) is room. */
struct buf {
	SLIST_ENTRY(buf) link;
	uint32_t cap;
	uint32_t r;
	uint32_t w;
	unsigned char bytes[];
};

SLIST_HEAD(buf_list, buf);

struct buf_pool {
	struct buf_list free_small;
	struct buf_list free_large;
	unsigned n_free_small;
	unsigned n_free_large;
	unsigned in_use;
};

void buf_pool_init(struct buf_pool *pool);
/* Every buffer must be back. */
void buf_pool_fini(struct buf_pool *pool);

/* NULL: no memory. Empty. Owned by the caller until buf_put(). */
struct buf *buf_get(struct buf_pool *pool, bool large);
/* Clears the caller's pointer; NULL inside allowed. */
void buf_put(struct buf_pool *pool, struct buf **buf);

static inline unsigned char *buf_data(struct buf *b)
{
	return b->bytes + b->r;
}

static inline uint32_t buf_len(const struct buf *b)
{
	return b->w - b->r;
}

static inline uint32_t buf_room(const struct buf *b)
{
	return b->cap - b->w;
}

static inline bool buf_is_large(const struct buf *b)
{
	return b->cap == TG_BUF_LARGE;
}

/* Takes `n` held bytes from the front; an emptied buffer starts over. */
static inline void buf_consume(struct buf *b, uint32_t n)
{
	b->r += n;
	if (b->r == b->w)
		b->r = b->w = 0;
}

/* Moves the held bytes to the start, so all room is at the end. */
void buf_compact(struct buf *b);
/* Swaps a small buffer for a large one with the same content. -TG_ENOMEM leaves it as it is. */
TG_MUST_CHECK int buf_grow(struct buf_pool *pool, struct buf **buf);
/* Appends; false (and nothing written) when the room is too small. */
TG_MUST_CHECK bool buf_append(struct buf *b, const void *p, size_t n);

#endif
