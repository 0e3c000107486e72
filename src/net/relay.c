#include "net/relay.h"

/* Rounds of read and write in one step before others get their turn. */
#define ROUNDS 16
/* Full reads in a row that prove bulk. */
#define BULK_READS 3

void
relay_init(struct relay *r, struct conn *src, struct conn *dst, struct buf **first,
	   uint32_t max_bytes)
{
	*r = (struct relay){
		.src = src,
		.dst = dst,
		.max_bytes = max_bytes,
		/* The kernel does not know what a filter makes of bytes. */
		.no_splice = src->filter != NULL || dst->filter != NULL,
	};
	if (first != NULL) {
		r->buf = *first;
		*first = NULL;
	}
}

void
relay_fini(struct relay *r, struct buf_pool *bufs, struct pipe_pool *pipes)
{
	buf_put(bufs, &r->buf);
	piped_close(&r->piped, pipes);
}

/* Sends what is held. RELAY_AGAIN: all of it is gone. */
static enum relay_result
flush_buf(struct relay *r, struct buf_pool *bufs)
{
	ssize_t n;

	while (r->buf != NULL && buf_len(r->buf) > 0) {
		n = conn_send(r->dst, buf_data(r->buf), buf_len(r->buf));
		if (n == -TG_EAGAIN)
			return RELAY_PARKED;
		if (n < 0)
			return RELAY_DST_FAILED;
		buf_consume(r->buf, (uint32_t)n);
		r->bytes += (uint64_t)n;
	}
	buf_put(bufs, &r->buf);
	return RELAY_AGAIN;
}

static enum relay_result
flush_pipe(struct relay *r)
{
	ssize_t n;

	while (r->piped.n > 0) {
		n = piped_drain(&r->piped, r->dst);
		if (n == -TG_EAGAIN)
			return RELAY_PARKED;
		if (n < 0)
			return RELAY_DST_FAILED;
		r->bytes += (uint64_t)n;
	}
	return RELAY_AGAIN;
}

/* RELAY_AGAIN: something was read, or the way of reading changed. */
static enum relay_result
fill_pipe(struct relay *r, struct pipe_pool *pipes)
{
	ssize_t n = piped_fill(&r->piped, r->src, r->max_bytes);

	if (n == -TG_EIO)
		return RELAY_SRC_FAILED;
	if (n >= 0 && n < TG_PIPE_SMALL_PIECE)
		r->n_full = 0;
	if (n == -TG_ENOTSUP)
		r->no_splice = true;
	/* At the end, and where splice is refused, the plain read goes on. */
	if (n <= 0)
		piped_close(&r->piped, pipes);
	return n == -TG_EAGAIN ? RELAY_PARKED : RELAY_AGAIN;
}

static void
count_full(struct relay *r, bool was_full)
{
	if (!was_full)
		r->n_full = 0;
	else if (r->n_full < BULK_READS)
		r->n_full++;
}

/* Bulk, something is there to read, and there is a pipe for it. */
static bool
may_splice(struct relay *r, struct pipe_pool *pipes)
{
	if (r->n_full < BULK_READS || r->no_splice || (r->src->flags & CONN_READABLE) == 0)
		return false;
	return piped_open(&r->piped, pipes);
}

/* After a read that filled its buffer, if the ceiling allows. */
static bool
may_read_large(const struct relay *r)
{
	return r->n_full > 0 && r->max_bytes >= TG_BUF_LARGE_BYTES;
}

static enum relay_result
fill_buf(struct relay *r, struct buf_pool *bufs)
{
	ssize_t n;

	if ((r->src->flags & (CONN_READABLE | CONN_ENDED)) == 0)
		return RELAY_PARKED;
	r->buf = buf_get(bufs, may_read_large(r) ? TG_BUF_LARGE : TG_BUF_SMALL);
	if (r->buf == NULL)
		return RELAY_NO_RESOURCE;
	n = conn_recv(r->src, r->buf->bytes, r->buf->cap);
	if (n > 0) {
		r->buf->w = (uint32_t)n;
		count_full(r, r->buf->w == r->buf->cap);
		return RELAY_AGAIN;
	}
	buf_put(bufs, &r->buf);
	if (n == -TG_EAGAIN)
		return RELAY_PARKED;
	/* Nobody may take what was cut for all of it. */
	if (n < 0 || (r->src->flags & CONN_TRUNCATED) != 0)
		return RELAY_SRC_FAILED;
	r->ended = true;
	conn_shutdown(r->dst);
	return conn_has_unsent(r->dst) ? RELAY_PARKED : RELAY_ENDED;
}

static enum relay_result
relay_round(struct relay *r, struct buf_pool *bufs, struct pipe_pool *pipes)
{
	enum relay_result result = flush_buf(r, bufs);

	if (result == RELAY_AGAIN)
		result = flush_pipe(r);
	if (result != RELAY_AGAIN)
		return result;
	if (piped_is_open(&r->piped) && r->n_full == 0)
		piped_close(&r->piped, pipes);
	return may_splice(r, pipes) ? fill_pipe(r, pipes) : fill_buf(r, bufs);
}

enum relay_result
relay_step(struct relay *r, struct buf_pool *bufs, struct pipe_pool *pipes)
{
	enum relay_result result = RELAY_ENDED;
	int i;

	if (r->ended)
		return conn_has_unsent(r->dst) ? RELAY_PARKED : RELAY_ENDED;
	for (i = 0; i < ROUNDS; i++) {
		result = relay_round(r, bufs, pipes);
		if (result != RELAY_AGAIN)
			break;
	}
	return result;
}
