#include "net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Rounds of read and write in one step before others get their turn. */
#define ROUNDS 16
/* Full reads in a row that prove bulk, and a pipe's size then. */
#define BULK_READS 3
#define PIPE_BYTES (512u * 1024u)
/* A spliced piece this small is no bulk any more: copying is cheaper. */
#define SMALL_PIECE 4096

void
pipe_pool_init(struct pipe_pool *pool, unsigned max, _Atomic int64_t *in_use,
	       _Atomic uint64_t *gauges)
{
	*pool = (struct pipe_pool){.max = max, .in_use = in_use, .gauges = gauges};
}

void
pipe_pool_fini(struct pipe_pool *pool)
{
	while (pool->n > 0) {
		pool->n--;
		close(pool->fds[pool->n][0]);
		close(pool->fds[pool->n][1]);
	}
}

/* Behind each change. */
static void
count_in_use(struct pipe_pool *pool, int64_t change)
{
	if (pool->in_use != NULL)
		atomic_fetch_add_explicit(pool->in_use, change, memory_order_relaxed);
	if (pool->gauges == NULL)
		return;
	gauge_set(&pool->gauges[TG_PIPE_GAUGE_USED], pool->n_open - pool->n);
	gauge_set(&pool->gauges[TG_PIPE_GAUGE_HELD], pool->n_open);
}

/* False: there are as many as may be, or the system has none. */
static bool
pipe_take(struct pipe_pool *pool, int ret[2])
{
	if (pool->n > 0) {
		pool->n--;
		ret[0] = pool->fds[pool->n][0];
		ret[1] = pool->fds[pool->n][1];
		count_in_use(pool, 1);
		return true;
	}
	if (pool->n_open >= pool->max || pipe2(ret, O_NONBLOCK | O_CLOEXEC) != 0) {
		if (pool->gauges != NULL)
			gauge_add(&pool->gauges[TG_PIPE_GAUGE_FAILURES], 1);
		return false;
	}
	pool->n_open++;
	count_in_use(pool, 1);
	/* A refused size leaves the default one: smaller pieces, nothing else. */
	(void)fcntl(ret[1], F_SETPIPE_SZ, PIPE_BYTES);
	return true;
}

/* A pipe that still holds bytes of a dead stream is closed, not kept. */
static void
pipe_give(struct pipe_pool *pool, int pipe[2], bool empty)
{
	if (empty && pool->n < TG_PIPES_KEPT) {
		pool->fds[pool->n][0] = pipe[0];
		pool->fds[pool->n][1] = pipe[1];
		pool->n++;
	} else {
		close(pipe[0]);
		close(pipe[1]);
		pool->n_open--;
	}
	count_in_use(pool, -1);
	pipe[0] = pipe[1] = -1;
}

void
relay_init(struct relay *r, struct conn *src, struct conn *dst, struct buf **first,
	   uint32_t max_bytes)
{
	*r = (struct relay){
		.src = src,
		.dst = dst,
		.pipe = {-1, -1},
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
	if (r->pipe[0] >= 0)
		pipe_give(pipes, r->pipe, r->piped == 0);
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

	while (r->piped > 0) {
		if ((r->dst->flags & CONN_WRITABLE) == 0)
			return RELAY_PARKED;
		n = splice(r->pipe[0], NULL, r->dst->fd, NULL, r->piped,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r->dst->flags &= ~CONN_WRITABLE;
			return RELAY_PARKED;
		}
		if (n <= 0) {
			conn_write_failed(r->dst, errno);
			return RELAY_DST_FAILED;
		}
		r->piped -= (uint32_t)n;
		r->bytes += (uint64_t)n;
	}
	return RELAY_AGAIN;
}

/* RELAY_AGAIN: something was read, or the way of reading changed. */
static enum relay_result
fill_pipe(struct relay *r, struct pipe_pool *pipes)
{
	ssize_t n;

	do {
		n = splice(r->src->fd, NULL, r->pipe[1], NULL,
			   r->max_bytes < PIPE_BYTES ? r->max_bytes : PIPE_BYTES,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		r->src->flags &= ~CONN_READABLE;
		pipe_give(pipes, r->pipe, true);
		return RELAY_PARKED;
	}
	/* The error of a socket is told once: a read after this would see an end. */
	if (n < 0 && errno != EINVAL) {
		r->src->flags &= ~CONN_READABLE;
		r->src->flags |= CONN_FAILED;
		return RELAY_SRC_FAILED;
	}
	if (n > 0)
		r->piped = (uint32_t)n;
	if (n < SMALL_PIECE)
		r->n_full = 0;
	if (n < 0)
		r->no_splice = true;
	/* At the end, and where splice is refused, the plain read goes on. */
	if (n <= 0)
		pipe_give(pipes, r->pipe, true);
	return RELAY_AGAIN;
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
	return r->pipe[0] >= 0 || pipe_take(pipes, r->pipe);
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
	if (r->pipe[0] >= 0 && r->n_full == 0)
		pipe_give(pipes, r->pipe, true);
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
