#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint32_t bytes;
	unsigned keep; /* free ones beyond this go back to the allocator */
} sizes[TG_BUF_SIZE_COUNT] = {
	[TG_BUF_HEAD] = {TG_BUF_HEAD_BYTES, 16384},
	[TG_BUF_SMALL] = {TG_BUF_SMALL_BYTES, 2048},
	[TG_BUF_LARGE] = {TG_BUF_LARGE_BYTES, 128},
};

void
buf_pool_init(struct buf_pool *pool, _Atomic uint64_t *gauges)
{
	int i;

	*pool = (struct buf_pool){.gauges = gauges};
	for (i = 0; i < TG_BUF_SIZE_COUNT; i++)
		SLIST_INIT(&pool->free[i]);
}

void
buf_pool_fini(struct buf_pool *pool)
{
	struct buf *b;
	int i;

	assert(pool->in_use == 0);
	for (i = 0; i < TG_BUF_SIZE_COUNT; i++) {
		while ((b = SLIST_FIRST(&pool->free[i])) != NULL) {
			SLIST_REMOVE_HEAD(&pool->free[i], link);
			free(b);
		}
	}
}

static inline void
tell_used(const struct buf_pool *pool, enum buf_size size)
{
	if (pool->gauges != NULL)
		gauge_set(&pool->gauges[TG_BUF_GAUGE_USED + size], pool->n_used[size]);
}

/* Of memory that was taken, or is about to be given back: what goes in and out of the pool changes nothing. */
static void
tell_held(const struct buf_pool *pool, enum buf_size size)
{
	if (pool->gauges != NULL)
		gauge_set(&pool->gauges[TG_BUF_GAUGE_HELD + size],
			  pool->n_used[size] + pool->n_free[size]);
}

static struct buf *
buf_new(struct buf_pool *pool, enum buf_size size)
{
	struct buf *b = malloc(sizeof(*b) + sizes[size].bytes);

	if (b != NULL) {
		b->cap = sizes[size].bytes;
		b->size = size;
	} else if (pool->gauges != NULL) {
		gauge_add(&pool->gauges[TG_BUF_GAUGE_FAILURES + size], 1);
	}
	return b;
}

static inline struct buf *
hand_out(struct buf_pool *pool, struct buf *b, enum buf_size size)
{
	b->r = b->w = 0;
	pool->in_use++;
	pool->n_used[size]++;
	tell_used(pool, size);
	return b;
}

TG_RARE static struct buf *
get_new(struct buf_pool *pool, enum buf_size size)
{
	struct buf *b = buf_new(pool, size);

	if (b == NULL)
		return NULL;
	hand_out(pool, b, size);
	tell_held(pool, size);
	return b;
}

struct buf *
buf_get(struct buf_pool *pool, enum buf_size size)
{
	struct buf *b = SLIST_FIRST(&pool->free[size]);

	if (b == NULL)
		return get_new(pool, size);
	SLIST_REMOVE_HEAD(&pool->free[size], link);
	pool->n_free[size]--;
	return hand_out(pool, b, size);
}

TG_RARE static void
put_spare(struct buf_pool *pool, struct buf *b, enum buf_size size)
{
	free(b);
	tell_held(pool, size);
}

void
buf_put(struct buf_pool *pool, struct buf **buf)
{
	struct buf *b = *buf;
	enum buf_size size;

	if (b == NULL)
		return;
	*buf = NULL;
	size = b->size;
	pool->in_use--;
	pool->n_used[size]--;
	tell_used(pool, size);
	if (pool->n_free[size] >= sizes[size].keep) {
		put_spare(pool, b, size);
		return;
	}
	SLIST_INSERT_HEAD(&pool->free[size], b, link);
	pool->n_free[size]++;
}

enum buf_size
buf_size_for(size_t n)
{
	if (n <= TG_BUF_HEAD_BYTES)
		return TG_BUF_HEAD;
	return n <= TG_BUF_SMALL_BYTES ? TG_BUF_SMALL : TG_BUF_LARGE;
}

void
buf_compact(struct buf *b)
{
	if (b->r == 0)
		return;
	memmove(b->bytes, b->bytes + b->r, b->w - b->r);
	b->w -= b->r;
	b->r = 0;
}

int
buf_grow(struct buf_pool *pool, struct buf **buf)
{
	struct buf *old = *buf;
	struct buf *b;

	if (buf_is_large(old))
		return 0;
	b = buf_get(pool, TG_BUF_LARGE);
	if (b == NULL)
		return -TG_ENOMEM;
	memcpy(b->bytes, buf_data(old), buf_len(old));
	b->w = buf_len(old);
	buf_put(pool, buf);
	*buf = b;
	return 0;
}
