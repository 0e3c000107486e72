/* Client to backend: the head written anew, then the body as it comes. */
#include "l7/stream_priv.h"

bool
request_scan(struct stream *s)
{
	struct stream_request *req = &s->req;
	struct buf *in = s->front->in;
	enum http_fault fault;
	size_t n = 0;

	if (in == NULL || req->body.done)
		return true;
	fault = http1_body_scan(&req->body, (const char *)buf_data(in) + req->ready,
				buf_len(in) - req->ready, &n);
	req->ready += (uint32_t)n;
	s->bytes_in += n;
	if (fault == HTTP_FAULT_NONE)
		return true;
	if (fault != HTTP_FAULT_BODY_LENGTH)
		front_capture(s->front, fault, req->ready);
	req->keep_alive = false;
	/* Part of it may be with the backend: its connection is of no more use either. */
	(void)stream_reply(s, http_fault_status(fault),
			   fault == HTTP_FAULT_BODY_LENGTH ? TG_END_REQUEST_LIMIT
							   : TG_END_BAD_REQUEST);
	return false;
}

void
request_take_expect(struct stream *s)
{
	forward_drop_expect(s);
	s->req.gives_continue = true;
	/* RFC 9110 10.1.1: no 100 to a client that did not wait for it. */
	s->req.owes_continue = !s->req.body.done && s->req.ready == 0;
}

/* The client's time for its body begins. */
static void
begin_body(struct stream *s)
{
	s->body_begin = stream_now(s);
	s->up_progress = s->body_begin;
}

bool
request_continue(struct stream *s)
{
	/* Inside an answer there is no place for it. */
	if (!s->req.owes_continue || s->ans.has_head)
		return true;
	s->req.owes_continue = false;
	begin_body(s);
	return forward_continue(s);
}

bool
request_awaits_word(const struct stream *s)
{
	const struct stream_request *req = &s->req;

	return req->expects_continue && !req->gives_continue && !req->is_let_in &&
	       req->ready == 0 && http1_body_received(&req->body) == 0;
}

void
request_is_let_in(struct stream *s)
{
	if (request_awaits_word(s))
		begin_body(s);
	s->req.is_let_in = true;
}

static bool
has_stored(const struct stream_request *req)
{
	return req->spool != NULL && spool_has_unread(req->spool);
}

/* Head, what is stored, what is in the front's buffer: in this order, of the last two one. */
static ssize_t
send_some(struct stream *s)
{
	struct stream_request *req = &s->req;
	struct iovec iov[2];
	int n = 0;

	if (req->head_sent == 0)
		forward_deadline(s);
	if (req->head_sent < req->head->w)
		iov[n++] = (struct iovec){req->head->bytes + req->head_sent,
					  req->head->w - req->head_sent};
	if (has_stored(req)) {
		if (n == 0)
			return store_send(s, req->spool, &s->back->conn);
	} else if (req->sent < req->ready) {
		iov[n++] =
			(struct iovec){buf_data(s->front->in) + req->sent, req->ready - req->sent};
	}
	return conn_sendv(&s->back->conn, iov, n);
}

static void
was_sent(struct stream *s, size_t took, bool was_stored)
{
	struct stream_request *req = &s->req;
	uint32_t head = req->head->w - req->head_sent;

	s->back->sent_bytes += took;
	s->up_progress = stream_now(s);
	if (head > took)
		head = (uint32_t)took;
	req->head_sent += head;
	if (!was_stored)
		req->sent += (uint32_t)took - head;
}

/* It takes no more. It may have answered before it stopped listening. */
static enum step
abandon(struct stream *s)
{
	s->req.is_abandoned = true;
	if (!mono_is_set(s->sent))
		s->sent = stream_now(s);
	return STEP_PARKED;
}

/* Sends what nobody has looked at. */
static enum step
flush_unseen(struct stream *s)
{
	struct back *b = s->back;
	int rc = bulk_send(s, &s->req.bulk, &b->conn, &b->sent_bytes, &s->up_progress);

	if (rc == -TG_EAGAIN)
		return STEP_PARKED;
	return rc < 0 ? abandon(s) : STEP_MORE;
}

/* STEP_MORE: all that is there went out. */
static enum step
request_flush(struct stream *s)
{
	struct stream_request *req = &s->req;
	bool is_stored;
	ssize_t took;

	while ((is_stored = has_stored(req)) || req->head_sent < req->head->w ||
	       req->sent < req->ready) {
		took = send_some(s);
		if (took == -TG_EAGAIN)
			return STEP_PARKED;
		if (took == -TG_ENOENT)
			return stream_reply(s, 503, TG_END_NO_RESOURCE);
		if (took < 0)
			return abandon(s);
		was_sent(s, (size_t)took, is_stored);
	}
	return flush_unseen(s);
}

/* What was sent may be wanted again: more goes behind it as long as all of the body fits. */
static bool
fits_behind(struct stream *s)
{
	const struct stream_request *req = &s->req;
	bool may_grow = stream_may_hold_large(s);
	struct buf *in = s->front->in;
	uint64_t more = 1;

	if (!req->can_replay || req->spool != NULL || in == NULL || req->ready == 0)
		return false;
	if (req->body.kind == HTTP_BODY_LENGTH)
		more = req->body.left;
	buf_compact(in);
	if (more <= buf_room(in))
		return true;
	if (!may_grow || buf_is_large(in) || req->ready + more > TG_BUF_LARGE_BYTES)
		return false;
	return buf_grow(&s->worker->bufs, &s->front->in) == 0;
}

static void
let_go(struct stream *s)
{
	struct stream_request *req = &s->req;

	if (req->ready == 0 && req->spool == NULL)
		return;
	req->can_replay = false;
	store_free_request(s);
	if (req->ready > 0)
		buf_consume(s->front->in, req->ready);
	req->ready = 0;
	req->sent = 0;
}

enum step
request_read(struct stream *s)
{
	struct stream_request *req = &s->req;
	struct front *f = s->front;
	bool large = stream_may_hold_large(s) &&
		     (req->body.kind != HTTP_BODY_LENGTH || req->body.left > TG_BUF_SMALL_BYTES);
	uint32_t room;
	ssize_t n;

	if ((f->conn.flags & (CONN_READABLE | CONN_ENDED | CONN_FAILED)) == 0 ||
	    !stream_may_read(s))
		return STEP_PARKED;
	if (f->in != NULL && large && !buf_is_large(f->in) && buf_len(f->in) == 0)
		buf_put(&s->worker->bufs, &f->in);
	if (f->in == NULL)
		f->in = buf_get(&s->worker->bufs, large ? TG_BUF_LARGE : TG_BUF_SMALL);
	if (f->in == NULL)
		return stream_end(s, TG_END_NO_RESOURCE, false);
	room = buf_room(f->in);
	n = conn_recv(&f->conn, f->in->bytes + f->in->w, room);
	if (n <= 0) {
		if (buf_len(f->in) == 0)
			buf_put(&s->worker->bufs, &f->in);
		return n == -TG_EAGAIN ? STEP_PARKED : stream_end(s, TG_END_CLIENT_ABORT, false);
	}
	f->in->w += (uint32_t)n;
	req->bulk.was_full = (uint32_t)n == room;
	s->up_progress = stream_now(s);
	/* It waits no longer, as it may (RFC 9110 10.1.1). */
	if (request_awaits_word(s))
		begin_body(s);
	if (request_scan(s) && !req->body.done)
		conn_recheck(&f->conn);
	return STEP_MORE;
}

static enum step
read_unseen(struct stream *s)
{
	struct stream_request *req = &s->req;
	ssize_t n;

	if (!stream_may_read(s))
		return STEP_PARKED;
	buf_put(&s->worker->bufs, &s->front->in);
	n = bulk_read(s, &req->bulk, &req->body, &s->front->conn);
	if (n > 0) {
		s->bytes_in += (uint64_t)n;
		s->up_progress = stream_now(s);
		return STEP_MORE;
	}
	bulk_rest(s, &req->bulk);
	if (n == -TG_EAGAIN)
		return STEP_PARKED;
	return n < 0 ? stream_end(s, TG_END_CLIENT_ABORT, false) : STEP_MORE;
}

/* All that was there is sent. STEP_MORE: more of the body is there. */
static enum step
request_fill(struct stream *s)
{
	if (!request_continue(s))
		return stream_end(s, TG_END_NO_RESOURCE, false);
	/* What was sent is kept for another try as long as nothing comes that has no room. */
	if ((s->front->conn.flags & (CONN_READABLE | CONN_ENDED | CONN_FAILED)) == 0)
		return STEP_PARKED;
	if (fits_behind(s))
		return request_read(s);
	let_go(s);
	if (bulk_may_read(s, &s->req.bulk, &s->req.body, &s->front->conn, &s->back->conn))
		return read_unseen(s);
	return request_read(s);
}

/*
 * Nobody wants the rest of this body any more, but its client may not look at the
 * answer before it has sent it. It has the time that a client has to take an answer.
 */
enum step
request_drop(struct stream *s)
{
	struct front *f = s->front;
	ssize_t n = -TG_EAGAIN;

	if (s->req.body.done || (f->conn.flags & CONN_READABLE) == 0)
		return STEP_PARKED;
	let_go(s);
	s->req.can_replay = false;
	if (f->in == NULL)
		f->in = buf_get(&s->worker->bufs, TG_BUF_SMALL);
	while (f->in != NULL && stream_may_read(s)) {
		n = conn_recv(&f->conn, f->in->bytes, f->in->cap);
		if (n <= 0)
			break;
		s->bytes_in += (uint64_t)n;
		conn_recheck(&f->conn);
	}
	buf_put(&s->worker->bufs, &f->in);
	return n == -TG_EIO ? stream_end(s, TG_END_CLIENT_ABORT, false) : STEP_PARKED;
}

enum step
request_step(struct stream *s)
{
	struct stream_request *req = &s->req;
	enum step step = STEP_MORE;

	while (step == STEP_MORE && s->state == STREAM_RELAY) {
		if (req->is_abandoned && s->ans.has_head && !s->ans.is_held)
			return request_drop(s);
		if (req->is_done || req->is_abandoned)
			return STEP_PARKED;
		step = request_flush(s);
		if (step != STEP_MORE)
			break;
		if (req->body.done) {
			req->is_done = true;
			s->sent = stream_now(s);
			if (!req->can_replay)
				store_free_request(s);
			return STEP_PARKED;
		}
		step = request_fill(s);
	}
	return step;
}

void
request_rewind(struct stream *s)
{
	s->req.head_sent = 0;
	s->req.sent = 0;
	if (s->req.spool != NULL)
		spool_rewind(s->req.spool);
	s->req.is_done = false;
	s->req.is_abandoned = false;
	s->sent = (struct mono){0};
}

void
request_settle(struct stream *s)
{
	struct front *f = s->front;

	s->req.can_replay = false;
	if (!s->req.is_done)
		return;
	let_go(s);
	if (f->in != NULL && buf_len(f->in) == 0)
		buf_put(&s->worker->bufs, &f->in);
}
