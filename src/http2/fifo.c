#include "http2/fifo.h"

#include <string.h>

unsigned char *
h2_fifo_room(struct h2_fifo *f, struct buf_pool *pool, size_t n, size_t *ret_n)
{
	struct buf *b = f->last;

	if (b == NULL || buf_room(b) == 0) {
		/* What comes at once is mostly all, or part of much. */
		b = buf_get(pool, n <= TG_BUF_HEAD_BYTES ? TG_BUF_HEAD : TG_BUF_SMALL);
		if (b == NULL)
			return NULL;
		SLIST_NEXT(b, link) = NULL;
		if (f->last != NULL)
			SLIST_NEXT(f->last, link) = b;
		else
			f->first = b;
		f->last = b;
	}
	*ret_n = n < buf_room(b) ? n : buf_room(b);
	return b->bytes + b->w;
}

void
h2_fifo_add(struct h2_fifo *f, size_t n)
{
	f->last->w += (uint32_t)n;
	f->n += (uint32_t)n;
}

bool
h2_fifo_put(struct h2_fifo *f, struct buf_pool *pool, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t piece;

	while (n > 0) {
		unsigned char *to = h2_fifo_room(f, pool, n, &piece);

		if (to == NULL)
			return false;
		memcpy(to, from, piece);
		h2_fifo_add(f, piece);
		from += piece;
		n -= piece;
	}
	return true;
}

static void
drop_first(struct h2_fifo *f, struct buf_pool *pool)
{
	struct buf *b = f->first;

	f->first = SLIST_NEXT(b, link);
	if (f->first == NULL)
		f->last = NULL;
	buf_put(pool, &b);
}

void
h2_fifo_take(struct h2_fifo *f, struct buf_pool *pool, void *to, size_t n)
{
	unsigned char *p = to;

	f->n -= (uint32_t)n;
	while (n > 0) {
		struct buf *b = f->first;
		uint32_t piece = n < buf_len(b) ? (uint32_t)n : buf_len(b);

		memcpy(p, buf_data(b), piece);
		p += piece;
		b->r += piece;
		n -= piece;
		if (buf_len(b) == 0)
			drop_first(f, pool);
	}
}

void
h2_fifo_drop(struct h2_fifo *f, struct buf_pool *pool)
{
	while (f->first != NULL)
		drop_first(f, pool);
	f->n = 0;
}
