/* A stream as a connection: text in (stream_in.c) and out (stream_out.c). */
#include <stdlib.h>
#include <string.h>

#include "http2/session_priv.h"

#define KEEP_STREAMS 1024u
static const struct conn_filter_ops stream_ops;

struct h2_stream *
h2_stream_get(struct h2_session *s, int32_t id)
{
	struct h2_shared *shared = s->shared;
	struct h2_stream *st = LIST_FIRST(&shared->free);

	if (st != NULL) {
		LIST_REMOVE(st, link);
		shared->n_free--;
	} else {
		st = malloc(sizeof(*st));
	}
	if (st == NULL)
		return NULL;
	memset(st, 0, sizeof(*st));
	st->filter.ops = &stream_ops;
	st->session = s;
	st->id = id;
	LIST_INSERT_HEAD(&s->streams, st, link);
	s->n_streams++;
	return st;
}

/* What of the window its bytes had is the other side's again. */
static void
drop_input(struct h2_stream *st)
{
	uint32_t n = st->in.n - st->text_n;

	h2_fifo_drop(&st->in, bufs_of(st));
	st->text_n = 0;
	if (n > 0 && st->session->ng != NULL)
		(void)nghttp2_session_consume_connection(st->session->ng, n);
}

static void
stream_put(struct h2_stream *st)
{
	struct h2_session *s = st->session;
	struct h2_shared *shared = s->shared;

	drop_input(st);
	h2_fifo_drop(&st->out, shared->bufs);
	buf_put(shared->bufs, &st->trailers);
	buf_put(shared->bufs, &st->head);
	buf_put(shared->bufs, &st->out_trailers);
	LIST_REMOVE(st, link);
	s->n_streams--;
	if (shared->n_free < KEEP_STREAMS) {
		LIST_INSERT_HEAD(&shared->free, st, link);
		shared->n_free++;
	} else {
		free(st);
	}
}

void
h2_stream_open(struct h2_stream *st, struct conn *c, watch_cb *cb)
{
	conn_open_virtual(c, st->session->carrier->loop, st->session->carrier->fd, &st->filter, cb);
	conn_tell(c, CONN_READABLE);
}

bool
h2_stream_ask(struct h2_session *s, struct conn *c, watch_cb *cb)
{
	struct h2_stream *st = h2_stream_get(s, -1);

	if (st == NULL)
		return false;
	conn_open_virtual(c, s->carrier->loop, s->carrier->fd, &st->filter, cb);
	return true;
}

void
h2_stream_move(struct conn *c, struct h2_session *to)
{
	struct h2_stream *st = stream_of(c->filter);

	LIST_REMOVE(st, link);
	st->session->n_streams--;
	st->session = to;
	LIST_INSERT_HEAD(&to->streams, st, link);
	to->n_streams++;
	c->fd = to->carrier->fd;
}

/* the end */

void
h2_stream_ended(struct h2_stream *st)
{
	st->is_ended = true;
	/* Nobody wants the rest of what comes (RFC 9113 8.1). */
	if (st->filter.conn == NULL && !st->in_has_end)
		(void)nghttp2_submit_rst_stream(st->session->ng, NGHTTP2_FLAG_NONE, st->id,
						NGHTTP2_NO_ERROR);
}

void
h2_stream_closed(struct h2_stream *st, bool is_reset)
{
	struct conn *c = st->filter.conn;

	st->is_closed = true;
	if (c == NULL) {
		stream_put(st);
		return;
	}
	h2_fifo_drop(&st->out, bufs_of(st));
	if (!is_reset && st->is_ended && st->in_has_end)
		return;
	/* RFC 9113 8.1: an answer is whole, also where the rest of its request is not wanted. */
	if (st->session->is_client && st->in_has_end) {
		conn_tell(c, CONN_WRITABLE);
		return;
	}
	st->is_reset = true;
	drop_input(st);
	if (st->session->is_client && (st->is_refused || !st->is_begun))
		c->flags |= CONN_UNPROCESSED;
	conn_tell(c, CONN_READABLE | CONN_WRITABLE | CONN_RESET | CONN_BROKEN);
}

static void
stream_on_writable(struct conn *c)
{
	(void)c;
}

/* What is taken is delivered, also behind the end of the connection. */
static bool
stream_has_unsent(const struct conn *c)
{
	(void)c;
	return false;
}

static void
stream_shutdown(struct conn *c)
{
	struct h2_stream *st = stream_of(c->filter);

	if (!st->has_head || st->is_closed || st->body.kind != HTTP_BODY_UNTIL_CLOSE)
		return;
	st->body.done = true;
	st->is_whole = true;
	h2_stream_resume(st);
}

static void
stream_goodbye(struct conn *c)
{
	stream_shutdown(c);
}

static void
stream_abort(struct conn *c)
{
	stream_of(c->filter)->is_aborted = true;
}

/* A tunnel is no exchange that its answer ends: what was taken of it goes out, where the other side has room for it. */
static bool
is_last_word(const struct h2_stream *st)
{
	nghttp2_session *ng = st->session->ng;

	return st->is_upgrade && st->is_whole &&
	       (int64_t)st->out.n <= nghttp2_session_get_stream_remote_window_size(ng, st->id) &&
	       (int64_t)st->out.n <= nghttp2_session_get_remote_window_size(ng);
}

/* What of it is of no use to anybody is not sent, nor received. With the reset goes what is left in `out`. */
static void
give_up(struct h2_stream *st)
{
	if (st->id < 0) {
		stream_put(st);
	} else if (!st->in_has_end || (!st->is_ended && !is_last_word(st))) {
		(void)nghttp2_submit_rst_stream(st->session->ng, NGHTTP2_FLAG_NONE, st->id,
						NGHTTP2_CANCEL);
		h2_session_wake(st->session);
	}
}

static void
stream_free(struct conn_filter *f)
{
	struct h2_stream *st = stream_of(f);
	struct h2_session *s = st->session;

	f->conn = NULL;
	if (st->is_closed) {
		stream_put(st);
		return;
	}
	drop_input(st);
	st->progress = h2_session_now(s);
	if (st->session->is_client) {
		give_up(st);
		return;
	}
	if (st->is_malformed)
		return;
	if (st->is_aborted || (!st->is_whole && !st->has_head)) {
		(void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, st->id,
						st->is_aborted ? NGHTTP2_CANCEL
							       : NGHTTP2_INTERNAL_ERROR);
	} else if (!st->is_whole) {
		/* Behind what was taken of it. */
		st->is_cut = true;
		h2_stream_resume(st);
	} else if (st->is_ended) {
		h2_stream_ended(st);
	}
	h2_session_wake(s);
}

static const struct conn_filter_ops stream_ops = {
	.recv = h2_stream_recv,
	.sendv = h2_stream_sendv,
	.on_writable = stream_on_writable,
	.has_unsent = stream_has_unsent,
	.shutdown = stream_shutdown,
	.goodbye = stream_goodbye,
	.abort = stream_abort,
	.free = stream_free,
};
