/* What comes on a stream: heads, bodies and trailers of the other side, as text. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http2/session_priv.h"

/* Heads before an answer, and what of them waits to be read. */
#define INTERIM_MAX   32u
#define INTERIM_BYTES TG_BUF_LARGE_BYTES

static void
tell_readable(struct h2_stream *st)
{
	if (st->filter.conn != NULL)
		conn_tell(st->filter.conn, CONN_READABLE);
}

/* They come faster than they are read. */
static bool
has_room_for_interim(struct h2_stream *st, uint32_t n)
{
	return ++st->n_interim <= INTERIM_MAX && n <= INTERIM_BYTES - st->text_n;
}

bool
h2_stream_add_head(struct h2_stream *st, const struct h2_to_text *t, bool is_chunked)
{
	bool is_final = t->status >= 200 || t->status == 101;

	if (st->session->is_client && !is_final && !has_room_for_interim(st, buf_len(t->buf))) {
		h2_account_fault(st->session, st);
		return false;
	}
	if (!h2_fifo_put(&st->in, bufs_of(st), buf_data(t->buf), buf_len(t->buf)))
		return false;
	st->text_n += buf_len(t->buf);
	if (st->session->is_client)
		st->has_answer = is_final;
	else
		st->to_head = t->is_head_method;
	st->in_is_chunked = is_chunked;
	st->is_upgrade = t->is_upgrade && (is_final || !st->session->is_client);
	tell_readable(st);
	return true;
}

bool
h2_stream_add_data(struct h2_stream *st, const void *p, size_t n)
{
	if (st->filter.conn == NULL) {
		/* Nobody reads it any more. */
		(void)nghttp2_session_consume(st->session->ng, st->id, n);
		return true;
	}
	if (!h2_fifo_put(&st->in, bufs_of(st), p, n))
		return false;
	tell_readable(st);
	return true;
}

bool
h2_stream_add_trailers(struct h2_stream *st, struct buf **lines)
{
	/* Behind a length there is no place for them in HTTP/1.1. */
	if (st->in_is_chunked && buf_len(*lines) > 0 && st->trailers == NULL) {
		st->trailers = buf_get(bufs_of(st), buf_size_for(buf_len(*lines)));
		if (st->trailers == NULL)
			return false;
		(void)!buf_append(st->trailers, buf_data(*lines), buf_len(*lines));
	}
	return true;
}

/* Its text does not say where it ends; or says it, and nghttp2 does not look: of answers to CONNECT. */
static bool
ends_by_itself(const struct h2_stream *st)
{
	return st->is_upgrade || (st->asks_upgrade && !st->in_is_chunked);
}

void
h2_stream_end(struct h2_stream *st)
{
	st->in_has_end = true;
	if (st->in_is_chunked || ends_by_itself(st))
		tell_readable(st);
}

/* Behind the last byte of the body. False: no memory. */
static bool
add_last_chunk(struct h2_stream *st)
{
	struct buf_pool *bufs = bufs_of(st);
	uint32_t n = st->trailers != NULL ? buf_len(st->trailers) : 0;

	st->in_end_is_told = true;
	if (!h2_fifo_put(&st->in, bufs, "0\r\n", 3) ||
	    (n > 0 && !h2_fifo_put(&st->in, bufs, buf_data(st->trailers), n)) ||
	    !h2_fifo_put(&st->in, bufs, "\r\n", 2))
		return false;
	st->text_n = st->in.n;
	buf_put(bufs, &st->trailers);
	return true;
}

static size_t
take_text(struct h2_stream *st, unsigned char *p, size_t n)
{
	n = n < st->text_n ? n : st->text_n;
	h2_fifo_take(&st->in, bufs_of(st), p, n);
	st->text_n -= (uint32_t)n;
	return n;
}

static void
consume(struct h2_stream *st, size_t n)
{
	struct h2_session *s = st->session;

	if (s->ng == NULL)
		return;
	if (st->is_closed)
		(void)nghttp2_session_consume_connection(s->ng, n);
	else
		(void)nghttp2_session_consume(s->ng, st->id, n);
	if (nghttp2_session_want_write(s->ng) != 0)
		h2_session_wake(s);
}

/* All that is there is one. */
static void
begin_chunk(struct h2_stream *st)
{
	st->chunk_left = st->in.n;
	st->frame_at = 0;
	st->frame_n = (uint8_t)snprintf(st->frame, sizeof(st->frame), "%x\r\n", st->chunk_left);
}

static void
end_chunk(struct h2_stream *st)
{
	st->frame_at = 0;
	st->frame_n = 2;
	memcpy(st->frame, "\r\n", 2);
}

static size_t
take_frame(struct h2_stream *st, unsigned char *p, size_t n)
{
	size_t left = (size_t)(st->frame_n - st->frame_at);

	n = n < left ? n : left;
	memcpy(p, st->frame + st->frame_at, n);
	st->frame_at = (uint8_t)(st->frame_at + n);
	return n;
}

static size_t
take_bytes(struct h2_stream *st, unsigned char *p, size_t n, size_t most)
{
	n = n < most ? n : most;
	if (n > 0)
		h2_fifo_take(&st->in, bufs_of(st), p, n);
	return n;
}

/* In chunks: *ret_bytes of them are of the body. */
static size_t
take_chunks(struct h2_stream *st, unsigned char *p, size_t n, size_t *ret_bytes)
{
	size_t got = 0;
	size_t piece;

	for (;;) {
		got += take_frame(st, p + got, n - got);
		if (got == n)
			break;
		piece = take_bytes(st, p + got, n - got, st->chunk_left);
		got += piece;
		*ret_bytes += piece;
		st->chunk_left -= (uint32_t)piece;
		if (piece > 0 && st->chunk_left == 0) {
			end_chunk(st);
		} else if (st->chunk_left == 0 && st->in.n > 0) {
			begin_chunk(st);
		} else {
			break;
		}
	}
	return got;
}

/* What there is of it. False: no memory. */
static bool
take(struct h2_stream *st, unsigned char *p, size_t n, size_t *ret)
{
	size_t got = take_text(st, p, n);
	size_t bytes = 0;

	if (st->text_n == 0 && st->in_is_chunked) {
		got += take_chunks(st, p + got, n - got, &bytes);
	} else if (st->text_n == 0) {
		bytes = take_bytes(st, p + got, n - got, st->in.n);
		got += bytes;
	}
	if (bytes > 0)
		consume(st, bytes);
	*ret = got;
	if (st->in.n > 0 || st->frame_at < st->frame_n || !st->in_has_end || !st->in_is_chunked ||
	    st->in_end_is_told)
		return true;
	if (!add_last_chunk(st))
		return false;
	*ret += take_text(st, p + got, n - got);
	return true;
}

/* Whether there is more for who reads. */
static bool
has_input(const struct h2_stream *st)
{
	return st->in.n > 0 || st->frame_at < st->frame_n || (ends_by_itself(st) && st->in_has_end);
}

static ssize_t
fail(struct conn *c, int error)
{
	c->flags = (c->flags & ~CONN_READABLE) | CONN_FAILED;
	errno = error;
	return -TG_EIO;
}

ssize_t
h2_stream_recv(struct conn *c, void *p, size_t n)
{
	struct h2_stream *st = stream_of(c->filter);
	size_t got = 0;

	if (st->is_reset)
		return fail(c, ECONNRESET);
	if (!take(st, p, n, &got))
		return fail(c, ENOMEM);
	if (!has_input(st))
		c->flags &= ~CONN_READABLE;
	if (got > 0)
		return (ssize_t)got;
	if (st->in.n > 0 || (c->flags & CONN_READABLE) == 0)
		return -TG_EAGAIN;
	c->flags = (c->flags & ~CONN_READABLE) | CONN_ENDED;
	return 0;
}
