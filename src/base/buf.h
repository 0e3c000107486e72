/*
 * base/buf.h: byte buffers from a per-worker pool.
 *
 * Three sizes, kept on free lists: an idle connection holds none, a busy one
 * takes the hottest. Heads that wait for their answer fit the least: a thousand
 * of them stay in cache. Not thread-safe: one pool per worker, a buffer goes back
 * to the pool it came from.
 */
#ifndef TG_BASE_BUF_H
#define TG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/gauge.h"

enum buf_size {
	TG_BUF_HEAD = 0,  /* a usual head, rewritten */
	TG_BUF_SMALL = 1, /* a read */
	TG_BUF_LARGE = 2, /* a bulk read; the largest configurable head and what is added to it */
	TG_BUF_SIZE_COUNT
};

/* Usable bytes. */
#define TG_BUF_HEAD_BYTES  (2u * 1024u - 64u)
#define TG_BUF_SMALL_BYTES (16u * 1024u - 64u)
#define TG_BUF_LARGE_BYTES (80u * 1024u - 64u)

/* Bytes [r, w) are held; [w, cap) is room. */
struct buf {
	SLIST_ENTRY(buf) link;
	uint32_t cap;
	uint32_t r;
	uint32_t w;
	enum buf_size size;
	unsigned char bytes[];
};

SLIST_HEAD(buf_list, buf);

/* What a pool tells of itself: by size, that of the least first. */
enum buf_gauge {
	TG_BUF_GAUGE_USED = 0,
	TG_BUF_GAUGE_HELD = TG_BUF_SIZE_COUNT, /* used and free */
	TG_BUF_GAUGE_FAILURES = 2 * TG_BUF_SIZE_COUNT,
	TG_BUF_GAUGE_COUNT = 3 * TG_BUF_SIZE_COUNT
};

struct buf_pool {
	struct buf_list free[TG_BUF_SIZE_COUNT];
	unsigned n_free[TG_BUF_SIZE_COUNT];
	unsigned n_used[TG_BUF_SIZE_COUNT];
	unsigned in_use;
	_Atomic uint64_t *gauges; /* [TG_BUF_GAUGE_COUNT]; NULL: nobody asks */
};

/* `gauges` is zeroed and outlives it; NULL allowed. */
void buf_pool_init(struct buf_pool *pool, _Atomic uint64_t *gauges);
/* Every buffer must be back. */
void buf_pool_fini(struct buf_pool *pool);

/* NULL: no memory. Empty. Owned by the caller until buf_put(). */
struct buf *buf_get(struct buf_pool *pool, enum buf_size size);
/* The least size that holds `n` bytes; LARGE when none does. */
enum buf_size buf_size_for(size_t n);
/* Clears the caller's pointer; NULL inside allowed. */
void buf_put(struct buf_pool *pool, struct buf **buf);

static inline unsigned char *
buf_data(struct buf *b)
{
	return b->bytes + b->r;
}

static inline uint32_t
buf_len(const struct buf *b)
{
	return b->w - b->r;
}

static inline uint32_t
buf_room(const struct buf *b)
{
	return b->cap - b->w;
}

static inline bool
buf_is_large(const struct buf *b)
{
	return b->size == TG_BUF_LARGE;
}

/* Takes `n` held bytes from the front; an emptied buffer starts over. */
static inline void
buf_consume(struct buf *b, uint32_t n)
{
	b->r += n;
	if (b->r == b->w)
		b->r = b->w = 0;
}

/* Moves the held bytes to the start, so all room is at the end. */
void buf_compact(struct buf *b);
/* Swaps a buffer for a large one with the same content. -TG_ENOMEM leaves it as it is. */
TG_MUST_CHECK int buf_grow(struct buf_pool *pool, struct buf **buf);

/* Appends; false (and nothing written) when the room is too small. Here, so that a text whose length the
 * compiler knows is a store or two: heads are put together of many. */
TG_MUST_CHECK static inline bool
buf_append(struct buf *b, const void *p, size_t n)
{
	if (n > buf_room(b))
		return false;
	if (n > 0)
		memcpy(b->bytes + b->w, p, n);
	b->w += (uint32_t)n;
	return true;
}

#endif
