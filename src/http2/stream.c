/* A stream as a connection: text in and out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "http2/session_priv.h"

#define KEEP_STREAMS 1024u
/* Trailers, and what is left of a head that comes in pieces. */
#define TEXT_MAX TG_BUF_LARGE_BYTES

/* Heads before an answer, and what of them waits to be read. */
#define INTERIM_MAX   32u
#define INTERIM_BYTES TG_BUF_LARGE_BYTES

static const struct conn_filter_ops stream_ops;

static struct h2_stream *
stream_of(const struct conn_filter *f)
{
	return TG_CONTAINER(f, struct h2_stream, filter);
}

static struct buf_pool *
bufs_of(const struct h2_stream *st)
{
	return st->session->shared->bufs;
}

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

/* what comes */

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

	if (st->session->is_client && !is_final && !has_room_for_interim(st, buf_len(t->buf)))
		return false;
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

static ssize_t
stream_recv(struct conn *c, void *p, size_t n)
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

/* what goes */

static int
submit(struct h2_stream *st, const struct h2_fields *f)
{
	nghttp2_session *ng = st->session->ng;
	nghttp2_data_provider provider = {.source.ptr = st, .read_callback = h2_stream_read};

	if (f->status < 200 && !f->is_upgrade)
		return nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, st->id, NULL, f->nv, f->n,
					      NULL);
	return nghttp2_submit_response(ng, st->id, f->nv, f->n, st->is_whole ? NULL : &provider);
}

/* RFC 9110 10.1.4: whoever takes trailers from us has said so, or is not harmed. */
static void
add_te(struct h2_fields *f)
{
	f->nv[f->n++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t) "te",
				     .namelen = 2,
				     .value = (uint8_t *)(uintptr_t) "trailers",
				     .valuelen = 8};
}

/* RFC 8441 3: the other side must have said that it takes such requests. */
static bool
may_upgrade(struct h2_stream *st, const struct h2_fields *f)
{
	struct h2_session *s = st->session;

	return s->ops != NULL && s->ops->accept != NULL && f->key.n > 0 &&
	       slice_equal_fold(f->protocol, SLICE("websocket")) &&
	       nghttp2_session_get_remote_settings(s->ng,
						   NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1 &&
	       s->ops->accept(f->key.p, f->key.n, st->accept) == 0;
}

/* Nobody needs to honour Upgrade (RFC 9110 7.8): without it, it is the request it is. */
static void
drop_upgrade(struct h2_fields *f)
{
	size_t i = 0;

	f->nv[0].value = (uint8_t *)(uintptr_t)f->method.p;
	f->nv[0].valuelen = f->method.n;
	while (f->nv[i].namelen != sizeof(":protocol") - 1 ||
	       memcmp(f->nv[i].name, ":protocol", f->nv[i].namelen) != 0)
		i++;
	f->n--;
	memmove(f->nv + i, f->nv + i + 1, (f->n - i) * sizeof(*f->nv));
	f->is_upgrade = false;
	f->body = HTTP_BODY_NONE;
}

static bool
submit_request(struct h2_stream *st, struct h2_fields *f)
{
	struct h2_session *s = st->session;
	nghttp2_data_provider provider = {.source.ptr = st, .read_callback = h2_stream_read};

	add_te(f);
	st->id = nghttp2_submit_request(s->ng, NULL, f->nv, f->n, st->is_whole ? NULL : &provider,
					st);
	if (st->id < 0)
		s->is_going = true;
	return st->id >= 0;
}

static bool
send_request_head(struct h2_stream *st, const char *text, size_t n)
{
	struct h2_session *s = st->session;
	struct h2_fields f;
	struct http_head head;

	if (s->is_going || h2_to_fields(H2_HEAD_REQUEST, text, n, false,
					s->has_tls ? SLICE("https") : SLICE("http"),
					s->shared->fields, FIELDS_ROOM - 1, &f) < 0)
		return false;
	st->asks_upgrade = f.is_upgrade && may_upgrade(st, &f);
	if (f.is_upgrade && !st->asks_upgrade)
		drop_upgrade(&f);
	head = (struct http_head){.body = f.body, .content_length = f.content_length};
	http1_body_init(&st->body, &head, 0, TEXT_MAX, TEXT_MAX);
	st->has_head = true;
	st->is_whole = st->body.done;
	st->to_head = f.is_head_method;
	return submit_request(st, &f);
}

/* False: it is none, or there is no memory. */
static bool
send_head(struct h2_stream *st, const char *text, size_t n)
{
	struct h2_shared *shared = st->session->shared;
	struct h2_fields f;
	struct http_head head;

	if (st->session->is_client)
		return send_request_head(st, text, n);
	if (h2_to_fields(H2_HEAD_ANSWER, text, n, st->to_head, SLICE(""), shared->fields,
			 FIELDS_ROOM, &f) < 0)
		return false;
	if (f.status >= 200 || f.is_upgrade) {
		head = (struct http_head){
			.is_answer = true, .body = f.body, .content_length = f.content_length};
		http1_body_init(&st->body, &head, 0, TEXT_MAX, TEXT_MAX);
		st->has_head = true;
		st->is_whole = st->body.done;
		if (!f.is_upgrade)
			st->is_upgrade = false;
	}
	return submit(st, &f) == 0;
}

/* A head that is not whole waits. How many bytes were taken; 0: failed. */
static size_t
give_head(struct h2_stream *st, const char *p, size_t n)
{
	struct buf_pool *bufs = bufs_of(st);
	size_t before = st->head != NULL ? buf_len(st->head) : 0;
	size_t head_n;

	if (st->head == NULL) {
		st->head_seen = 0;
		head_n = h2_head_length(p, n, &st->head_seen);
		if (head_n > 0)
			return send_head(st, p, head_n) ? head_n : 0;
		st->head = buf_get(bufs, buf_size_for(n));
	}
	while (st->head != NULL && !buf_is_large(st->head) && buf_room(st->head) < n)
		if (buf_grow(bufs, &st->head) < 0)
			return 0;
	if (st->head == NULL || !buf_append(st->head, p, n))
		return 0;
	head_n =
		h2_head_length((const char *)buf_data(st->head), buf_len(st->head), &st->head_seen);
	if (head_n == 0)
		return n;
	if (!send_head(st, (const char *)buf_data(st->head), head_n))
		return 0;
	buf_put(bufs, &st->head);
	return head_n - before;
}

/* The last `n` bytes before `end` are trailers. */
static bool
keep_trailers(struct h2_stream *st, const unsigned char *end, size_t n)
{
	struct buf_pool *bufs = bufs_of(st);

	if (st->out_trailers == NULL)
		st->out_trailers = buf_get(bufs, buf_size_for(n));
	if (st->out_trailers == NULL)
		return false;
	if (buf_room(st->out_trailers) < n && !buf_is_large(st->out_trailers) &&
	    buf_grow(bufs, &st->out_trailers) < 0)
		return false;
	return buf_append(st->out_trailers, end - n, n);
}

/* Takes the framing off where it stands. How many bytes were taken; 0: no room, or failed. */
static ssize_t
give_body(struct h2_stream *st, const char *p, size_t n)
{
	uint32_t trailers = st->body.trailer_bytes;
	size_t room = TG_H2_OUT_BYTES - (st->out.n < TG_H2_OUT_BYTES ? st->out.n : TG_H2_OUT_BYTES);
	enum http_fault fault;
	unsigned char *to;
	size_t used = 0;
	size_t packed = 0;

	if (room == 0)
		return 0;
	to = h2_fifo_room(&st->out, bufs_of(st), n < room ? n : room, &room);
	if (to == NULL)
		return -TG_EIO;
	memcpy(to, p, room);
	if (st->body.kind == HTTP_BODY_CHUNKED) {
		fault = http1_body_unchunk(&st->body, (char *)to, room, &used, &packed);
	} else {
		fault = http1_body_scan(&st->body, (const char *)to, room, &used);
		packed = used;
	}
	h2_fifo_add(&st->out, packed);
	if (fault != HTTP_FAULT_NONE ||
	    (st->body.trailer_bytes > trailers &&
	     !keep_trailers(st, to + used, st->body.trailer_bytes - trailers)))
		return -TG_EIO;
	st->is_whole = st->body.done;
	return (ssize_t)room;
}

static ssize_t
give(struct h2_stream *st, const char *p, size_t n)
{
	size_t total = 0;
	ssize_t took = 1;

	while (total < n && took > 0) {
		/* Behind the end there is nothing that anybody asked for. */
		if (st->is_whole)
			return (ssize_t)n;
		if (st->has_head) {
			took = give_body(st, p + total, n - total);
		} else {
			took = (ssize_t)give_head(st, p + total, n - total);
			took = took > 0 ? took : -TG_EIO;
		}
		if (took > 0)
			total += (size_t)took;
	}
	return took < 0 ? took : (ssize_t)total;
}

static void
resume(struct h2_stream *st)
{
	if (st->is_deferred && (st->out.n > 0 || st->is_whole || st->is_cut)) {
		st->is_deferred = false;
		(void)nghttp2_session_resume_data(st->session->ng, st->id);
	}
	h2_session_wake(st->session);
}

/* There is no answer to what could not be said. */
static void
fail_request(struct h2_stream *st, struct conn *c)
{
	st->is_reset = st->session->is_client;
	if (st->session->is_client && st->id < 0)
		c->flags |= CONN_UNPROCESSED;
}

static ssize_t
stream_sendv(struct conn *c, const struct iovec *iov, int n)
{
	struct h2_stream *st = stream_of(c->filter);
	size_t total = 0;
	ssize_t took = 0;

	if (st->is_closed) {
		conn_write_failed(c, ECONNRESET);
		errno = ECONNRESET;
		return -TG_EIO;
	}
	for (int i = 0; i < n; i++) {
		took = give(st, iov[i].iov_base, iov[i].iov_len);
		if (took > 0)
			total += (size_t)took;
		if (took < (ssize_t)iov[i].iov_len)
			break;
	}
	if (took < 0) {
		fail_request(st, c);
		conn_write_failed(c, ENOMEM);
		errno = ENOMEM;
		return -TG_EIO;
	}
	if (!st->is_whole && st->out.n >= TG_H2_OUT_BYTES)
		c->flags &= ~CONN_WRITABLE;
	resume(st);
	return (ssize_t)total;
}

/* Behind the last byte. -1: no memory. */
static int
submit_trailers(struct h2_stream *st)
{
	struct h2_fields f;

	if (st->out_trailers == NULL)
		return 0;
	if (h2_to_fields(H2_HEAD_TRAILERS, (const char *)buf_data(st->out_trailers),
			 buf_len(st->out_trailers), false, SLICE(""), st->session->shared->fields,
			 FIELDS_ROOM, &f) < 0 ||
	    f.n == 0)
		return 0;
	if (nghttp2_submit_trailer(st->session->ng, st->id, f.nv, f.n) != 0)
		return -1;
	return 1;
}

ssize_t
h2_stream_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
	       nghttp2_data_source *source, void *user)
{
	struct h2_stream *st = source->ptr;
	size_t n = length < st->out.n ? length : st->out.n;
	int rc;

	(void)buf;
	(void)user;
	if (n == 0 && st->is_cut) {
		(void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (n == 0 && !st->is_whole) {
		st->is_deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < st->out.n || !st->is_whole)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	rc = submit_trailers(st);
	if (rc < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (rc > 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return (ssize_t)n;
}

void
h2_stream_sent(struct h2_stream *st, void *to, size_t n)
{
	struct conn *c = st->filter.conn;

	h2_fifo_take(&st->out, bufs_of(st), to, n);
	st->progress = h2_session_now(st->session);
	if (c != NULL && (c->flags & CONN_WRITABLE) == 0 && st->out.n <= TG_H2_OUT_BYTES / 2)
		conn_tell(c, CONN_WRITABLE);
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
	resume(st);
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
		resume(st);
	} else if (st->is_ended) {
		h2_stream_ended(st);
	}
	h2_session_wake(s);
}

static const struct conn_filter_ops stream_ops = {
	.recv = stream_recv,
	.sendv = stream_sendv,
	.on_writable = stream_on_writable,
	.has_unsent = stream_has_unsent,
	.shutdown = stream_shutdown,
	.goodbye = stream_goodbye,
	.abort = stream_abort,
	.free = stream_free,
};
