/* Long bodies from a plain backend to a plain client stay in the kernel: doc/internals/data-path.md. */
#include "l7/stream_priv.h"

/* The end of a body is read: only there it is seen that nothing comes behind it which is not asked for, before the
 * connection serves somebody else. */
#define SEEN_BYTES TG_BUF_LARGE_BYTES

static bool
passes_unseen(const struct stream_answer *ans)
{
	return ans->has_head && !ans->is_held && !ans->is_buffered && !ans->no_splice &&
	       (ans->coding == CODING_PASS || ans->coding == CODING_STRIP) &&
	       http1_body_run(&ans->body) > SEEN_BYTES;
}

bool
bulk_may_read(struct stream *s)
{
	struct stream_answer *ans = &s->ans;

	if (!ans->was_full || !passes_unseen(ans) || s->front->conn.filter != NULL ||
	    s->back->conn.filter != NULL || (s->back->conn.flags & CONN_READABLE) == 0 ||
	    !piped_open(&ans->piped, &s->worker->pipes))
		return false;
	buf_put(&s->worker->bufs, &ans->in);
	return true;
}

ssize_t
bulk_read(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	uint64_t most = http1_body_run(&ans->body) - SEEN_BYTES;
	uint32_t ceiling = s->front->listener->conf->buffer_bytes;
	ssize_t n =
		piped_fill(&ans->piped, &s->back->conn, most < ceiling ? (uint32_t)most : ceiling);

	if (n > 0) {
		http1_body_skip(&ans->body, (uint64_t)n);
		s->back_bytes_in += (uint64_t)n;
		s->down_progress = stream_now(s);
	}
	if (n >= 0 && n < TG_PIPE_SMALL_PIECE)
		ans->was_full = false;
	if (n == -TG_ENOTSUP)
		ans->no_splice = true;
	return n == -TG_ENOTSUP ? 0 : n;
}

enum step
bulk_flush(struct stream *s)
{
	struct piped *piped = &s->ans.piped;
	ssize_t n;

	while (piped->n > 0) {
		n = piped_drain(piped, &s->front->conn);
		if (n == -TG_EAGAIN)
			return STEP_PARKED;
		if (n < 0)
			return stream_end(s, TG_END_CLIENT_ABORT, false);
		s->bytes_out += (uint64_t)n;
		s->down_progress = stream_now(s);
	}
	return STEP_MORE;
}
