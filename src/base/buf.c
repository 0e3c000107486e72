#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Free buffers kept beyond these go back to the allocator. */
#define KEEP_SMALL 1024u
#define KEEP_LARGE 64u

void buf_pool_init(struct buf_pool *pool)
{
	*pool = (struct buf_pool){.n_free_small = 0};
	SLIST_INIT(&pool->free_small);
	SLIST_INIT(&pool->free_large);
}

static void list_free(struct buf_list *list)
{
	struct buf *b;

	while ((b = SLIST_FIRST(list)) != NULL) {
		SLIST_REMOVE_HEAD(list, link);
		free(b);
	}
}

void buf_pool_fini(struct buf_pool *pool)
{
	assert(pool->in_use == 0);
	list_free(&pool->free_small);
	list_free(&pool->free_large);
}

static struct buf *list_take(struct buf_list *list, unsigned *n)
{
	struct buf *b = SLIST_FIRST(list);

	if (b != NULL) {
		SLIST_REMOVE_HEAD(list, link);
		(*n)--;
	}
	return b;
}

struct buf *buf_get(struct buf_pool *pool, bool large)
{
	uint32_t cap = large ? TG_BUF_LARGE : TG_BUF_SMALL;
	struct buf *b = large ? list_take(&pool->free_large, &pool->n_free_large)
			      : list_take(&pool->free_small, &pool->n_free_small);

	if (b == NULL)
		b = malloc(sizeof(*b) + cap);
	if (b == NULL)
		return NULL;
	b->cap = cap;
	b->r = b->w = 0;
	pool->in_use++;
	return b;
}

void buf_put(struct buf_pool *pool, struct buf **buf)
{
	struct buf *b = *buf;

	if (b == NULL)
		return;
	*buf = NULL;
	pool->in_use--;
	if (buf_is_large(b) && pool->n_free_large < KEEP_LARGE) {
		SLIST_INSERT_HEAD(&pool->free_large, b, link);
		pool->n_free_large++;
	} else if (!buf_is_large(b) && pool->n_free_small < KEEP_SMALL) {
		SLIST_INSERT_HEAD(&pool->free_small, b, link);
		pool->n_free_small++;
	} else {
		free(b);
	}
}

void buf_compact(struct buf *b)
{
	if (b->r == 0)
		return;
	memmove(b->bytes, b->bytes + b->r, b->w - b->r);
	b->w -= b->r;
	b->r = 0;
}

int buf_grow(struct buf_pool *pool, struct buf **buf)
{
	struct buf *old = *buf;
	struct buf *b;

	if (buf_is_large(old))
		return 0;
	b = buf_get(pool, true);
	if (b == NULL)
		return -TG_ENOMEM;
	memcpy(b->bytes, buf_data(old), buf_len(old));
	b->w = buf_len(old);
	buf_put(pool, buf);
	*buf = b;
	return 0;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
	if (n > buf_room(b))
		return false;
	memcpy(b->bytes + b->w, p, n);
	b->w += (uint32_t)n;
	return true;
}
