/* What goes on a stream: text that is given, as heads, bodies and trailers for the other side. */
#include <errno.h>
#include <string.h>

#include "http2/session_priv.h"

/* Trailers, and what is left of a head that comes in pieces. */
#define TEXT_MAX TG_BUF_LARGE_BYTES

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

void
h2_stream_resume(struct h2_stream *st)
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

ssize_t
h2_stream_sendv(struct conn *c, const struct iovec *iov, int n)
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
	h2_stream_resume(st);
	return (ssize_t)total;
}

bool
h2_stream_finish(struct conn *c, const char *trailers, size_t n)
{
	struct h2_stream *st = stream_of(c->filter);

	if (st->is_closed || !st->has_head || st->is_whole || st->is_upgrade ||
	    st->body.kind == HTTP_BODY_LENGTH)
		return false;
	buf_put(bufs_of(st), &st->out_trailers);
	if (!keep_trailers(st, (const unsigned char *)trailers + n, n))
		return false;
	st->is_whole = true;
	h2_stream_resume(st);
	return true;
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
