#include "net/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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

static bool
make_pipe(struct pipe_pool *pool, int ret[2])
{
	if (pool->n_open >= pool->max || pipe2(ret, O_NONBLOCK | O_CLOEXEC) != 0) {
		if (pool->gauges != NULL)
			gauge_add(&pool->gauges[TG_PIPE_GAUGE_FAILURES], 1);
		return false;
	}
	pool->n_open++;
	/* A refused size leaves the default one: smaller pieces, nothing else. */
	(void)fcntl(ret[1], F_SETPIPE_SZ, TG_PIPE_BYTES);
	return true;
}

bool
piped_open(struct piped *p, struct pipe_pool *pool)
{
	int made[2];
	const int *fds = made;

	if (piped_is_open(p))
		return true;
	if (pool->n > 0)
		fds = pool->fds[--pool->n];
	else if (!make_pipe(pool, made))
		return false;
	*p = (struct piped){.out = fds[0], .in = fds[1]};
	count_in_use(pool, 1);
	return true;
}

void
piped_close(struct piped *p, struct pipe_pool *pool)
{
	if (!piped_is_open(p))
		return;
	if (p->n == 0 && pool->n < TG_PIPES_KEPT) {
		pool->fds[pool->n][0] = p->out;
		pool->fds[pool->n][1] = p->in;
		pool->n++;
	} else {
		close(p->out);
		close(p->in);
		pool->n_open--;
	}
	count_in_use(pool, -1);
	*p = (struct piped){.n = 0};
}

ssize_t
piped_fill(struct piped *p, struct conn *src, uint32_t most)
{
	ssize_t n;

	do {
		n = splice(src->fd, NULL, p->in, NULL, most < TG_PIPE_BYTES ? most : TG_PIPE_BYTES,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n >= 0) {
		p->n = (uint32_t)n;
		return n;
	}
	if (errno == EINVAL)
		return -TG_ENOTSUP;
	src->flags &= ~CONN_READABLE;
	if (errno == EAGAIN)
		return -TG_EAGAIN;
	/* The error of a socket is told once: a read after this would see an end. */
	src->flags |= CONN_FAILED;
	return -TG_EIO;
}

ssize_t
piped_drain(struct piped *p, struct conn *dst)
{
	ssize_t n;

	if ((dst->flags & CONN_WRITABLE) == 0)
		return -TG_EAGAIN;
	do {
		n = splice(p->out, NULL, dst->fd, NULL, p->n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		dst->flags &= ~CONN_WRITABLE;
		return -TG_EAGAIN;
	}
	if (n <= 0) {
		conn_write_failed(dst, errno);
		return -TG_EIO;
	}
	p->n -= (uint32_t)n;
	return n;
}
