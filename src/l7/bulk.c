/* Long bodies between plain connections stay in the kernel: doc/internals/data-path.md. */
#include "l7/stream_priv.h"

/* The end of a body is read: only there it is seen that nothing comes behind it which is not asked for, before the
 * connection serves somebody else. */
#define SEEN_BYTES TG_BUF_LARGE_BYTES

bool
bulk_may_read(struct stream *s, struct bulk *b, const struct http1_body *body,
	      const struct conn *from, const struct conn *to)
{
	return b->was_full && !b->no_splice && http1_body_run(body) > SEEN_BYTES &&
	       from->filter == NULL && to->filter == NULL && (from->flags & CONN_READABLE) != 0 &&
	       piped_open(&b->piped, &s->worker->pipes);
}

ssize_t
bulk_read(struct stream *s, struct bulk *b, struct http1_body *body, struct conn *from)
{
	uint64_t most = http1_body_run(body) - SEEN_BYTES;
	uint32_t ceiling = s->front->listener->conf->buffer_bytes;
	ssize_t n = piped_fill(&b->piped, from, most < ceiling ? (uint32_t)most : ceiling);

	if (n > 0)
		http1_body_skip(body, (uint64_t)n);
	if (n < TG_PIPE_SMALL_PIECE && n != -TG_EAGAIN)
		b->was_full = false;
	if (n == -TG_ENOTSUP)
		b->no_splice = true;
	return n == -TG_ENOTSUP ? 0 : n;
}

void
bulk_rest(struct stream *s, struct bulk *b)
{
	if (b->piped.n == 0)
		piped_close(&b->piped, &s->worker->pipes);
}

int
bulk_send(struct stream *s, struct bulk *b, struct conn *to, uint64_t *sent, struct mono *progress)
{
	ssize_t n;

	while (b->piped.n > 0) {
		n = piped_drain(&b->piped, to);
		if (n < 0)
			return (int)n;
		*sent += (uint64_t)n;
		*progress = stream_now(s);
	}
	return 0;
}
