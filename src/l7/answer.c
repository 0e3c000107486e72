/* Backend to client: heads written anew, bodies passed on as they come. */
#include <stdio.h>
#include <string.h>

#include "l7/stream_priv.h"

static const struct http1_limits answer_limits = {
	.head_bytes = TG_ANSWER_HEAD_BYTES,
	.headers = TG_ANSWER_HEADERS,
};

/* Bodies up to this are copied behind their head. */
#define JOIN_BYTES 2048u

/* sending */

static void
sent_to_client(struct stream *s, size_t took)
{
	struct stream_answer *ans = &s->ans;
	size_t head = ans->head != NULL ? buf_len(ans->head) : 0;

	s->bytes_out += took;
	s->down_progress = stream_now(s);
	if (head > 0) {
		if (took < head)
			head = took;
		ans->head->r += (uint32_t)head;
		took -= head;
		if (ans->head->r > ans->final_at && (ans->has_head || s->state == STREAM_REPLY))
			ans->is_started = true;
	}
	if (took > 0) {
		ans->ready -= (uint32_t)took;
		ans->in->r += (uint32_t)took;
	}
}

/* A small body joins its head: one plain send is cheaper than a gathered one. */
static void
join_small_body(struct stream_answer *ans)
{
	if (ans->ready == 0 || ans->ready > JOIN_BYTES || ans->head == NULL ||
	    buf_len(ans->head) == 0 || !buf_append(ans->head, buf_data(ans->in), ans->ready))
		return;
	ans->in->r += ans->ready;
	ans->ready = 0;
}

/* Of the heads what may go out. */
static uint32_t
head_unsent(const struct stream_answer *ans)
{
	if (ans->head == NULL)
		return 0;
	return ans->is_held ? ans->final_at - ans->head->r : buf_len(ans->head);
}

/* Sends what nobody has looked at. */
static enum step
flush_unseen(struct stream *s)
{
	int rc = bulk_send(s, &s->ans.bulk, &s->front->conn, &s->bytes_out, &s->down_progress);

	if (rc == -TG_EAGAIN)
		return STEP_PARKED;
	return rc < 0 ? stream_end(s, TG_END_CLIENT_ABORT, false) : STEP_MORE;
}

bool
answer_is_unsent(const struct stream_answer *ans)
{
	return (ans->head != NULL && buf_len(ans->head) > 0) || ans->ready > 0 ||
	       ans->spool != NULL || ans->bulk.piped.n > 0;
}

enum step
answer_flush(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	struct iovec iov[2];
	enum step step;
	ssize_t took;
	int n;

	if (ans->spool == NULL && !ans->is_held)
		join_small_body(ans);
	for (;;) {
		n = 0;
		if (head_unsent(ans) > 0)
			iov[n++] = (struct iovec){buf_data(ans->head), head_unsent(ans)};
		if (ans->ready > 0 && ans->spool == NULL && !ans->is_held)
			iov[n++] = (struct iovec){buf_data(ans->in), ans->ready};
		if (n == 0 && ans->is_held)
			return STEP_PARKED;
		if (n == 0 && ans->spool != NULL) {
			step = store_flush_answer(s);
			if (step != STEP_MORE)
				return step;
			continue;
		}
		if (n == 0)
			return flush_unseen(s);
		took = conn_sendv(&s->front->conn, iov, n);
		if (took == -TG_EAGAIN)
			return STEP_PARKED;
		if (took < 0)
			return stream_end(s, TG_END_CLIENT_ABORT, false);
		sent_to_client(s, (size_t)took);
	}
}

/* faults of the backend */

static enum step
answer_bad(struct stream *s, enum end_reason reason)
{
	counter_add(&s->lease.backend->counters, TG_B_ANSWER_ERRORS, 1);
	return stream_reply(s, 502, reason);
}

/*
 * It ended or failed inside an answer. The client must see the cut; where it has seen nothing of
 * the answer yet, there was none.
 */
static enum step
answer_broken(struct stream *s, enum end_reason reason)
{
	if (s->ans.is_held) {
		answer_unsend(s);
		return attempt_failed(s, reason);
	}
	if (!s->ans.is_started)
		return answer_bad(s, reason);
	counter_add(&s->lease.backend->counters, TG_B_ANSWER_ERRORS, 1);
	return stream_end(s, reason, false);
}

/* heads */

/* RFC 9110 7.8: only what was asked for. */
static bool
upgrade_matches(const struct stream *s, const struct http_head *head)
{
	struct slice offered = {(const char *)s->req.head->bytes + s->req.upgrade_at,
				s->req.upgrade_n};

	if (!s->req.wants_upgrade || !head->wants_upgrade || head->upgrade.n == 0)
		return false;
	while (offered.n >= head->upgrade.n) {
		const char *comma = memchr(offered.p, ',', offered.n);
		size_t n = comma != NULL ? (size_t)(comma - offered.p) : offered.n;
		struct slice one = {offered.p, n};
		size_t i;

		while (one.n > 0 && (one.p[0] == ' ' || one.p[0] == '\t')) {
			one.p++;
			one.n--;
		}
		while (one.n > 0 && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t'))
			one.n--;
		if (one.n == head->upgrade.n) {
			for (i = 0; i < one.n && (one.p[i] | 0x20) == (head->upgrade.p[i] | 0x20);
			     i++)
				;
			if (i == one.n)
				return true;
		}
		if (comma == NULL)
			return false;
		offered.p += n + 1;
		offered.n -= n + 1;
	}
	return false;
}

static enum step
on_interim(struct stream *s, struct http_head *head)
{
	if (++s->ans.n_interim > L7_INTERIM_MAX)
		return answer_bad(s, TG_END_BAD_ANSWER);
	counter_add(&s->lease.backend->counters, TG_B_STATUS_1XX, 1);
	/* RFC 9110 15.2: an HTTP/1.0 client must not see one; nor anybody a 100 that we gave. */
	if (s->req.minor == 0 || (head->status == 100 && s->req.gives_continue))
		return STEP_MORE;
	if (head->status == 100)
		request_is_let_in(s);
	/* A byte of an answer goes out: there is no second try. */
	request_settle(s);
	if (!forward_answer(s, head))
		return answer_bad(s, TG_END_NO_RESOURCE);
	return STEP_MORE;
}

static enum step
on_switch(struct stream *s, struct http_head *head)
{
	if (!upgrade_matches(s, head))
		return answer_bad(s, TG_END_BAD_ANSWER);
	request_settle(s);
	s->ans.status = head->status;
	if (!forward_answer(s, head))
		return answer_bad(s, TG_END_NO_RESOURCE);
	s->ans.has_head = true;
	stream_tunnel_begin(s);
	return STEP_MORE;
}

static void
decide_coding(struct stream *s, const struct http_head *head)
{
	struct stream_answer *ans = &s->ans;

	ans->coding = CODING_PASS;
	if (head->body == HTTP_BODY_CHUNKED && s->req.minor == 0)
		ans->coding = CODING_UNCHUNK;
	else if (head->body == HTTP_BODY_CHUNKED && load_is_taken(s))
		ans->coding = CODING_STRIP;
	else if (head->body == HTTP_BODY_UNTIL_CLOSE && s->req.minor >= 1)
		ans->coding = CODING_CHUNK;
	ans->close_front = !s->req.keep_alive || s->front->draining || !s->req.body.done ||
			   ans->coding == CODING_UNCHUNK ||
			   (head->body == HTTP_BODY_UNTIL_CLOSE && ans->coding == CODING_PASS);
}

/* RFC 8441 5: over HTTP/2 a success says what 101 says, and nothing was switched to. */
static bool
looks_switched(const struct stream *s, const struct http_head *head)
{
	return s->front->over != NULL && s->req.wants_upgrade && head->status < 300;
}

static enum step
on_final(struct stream *s, struct http_head *head)
{
	struct stream_answer *ans = &s->ans;

	if (looks_switched(s, head))
		return answer_bad(s, TG_END_BAD_ANSWER);
	if (head->status >= TG_CAUSE_STATUS_MIN && attempt_may_repeat(s, head->status))
		return attempt_repeat(s, TG_END_BAD_STATUS);
	if (!store_hold(s, head))
		request_settle(s);
	s->answered = stream_now(s);
	ans->status = head->status;
	ans->back_keep_alive = head->keep_alive;
	http1_body_init(&ans->body, head, 0, TG_ANSWER_HEAD_BYTES, TG_ANSWER_HEAD_BYTES);
	ans->strip = (struct http1_strip){.held_n = 0};
	decide_coding(s, head);
	if (!forward_answer(s, head))
		return answer_bad(s, TG_END_NO_RESOURCE);
	ans->has_head = true;
	return STEP_MORE;
}

/* STEP_PARKED: more bytes are needed for a head. */
static enum step
parse_head(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	enum http_fault fault = HTTP_FAULT_NONE;
	enum step step = STEP_MORE;
	struct http_head head;
	size_t n = 0;

	switch (http1_parse_answer(l7_of(s->worker)->answer_parser, &ans->scan,
				   (const char *)buf_data(ans->in), buf_len(ans->in),
				   &answer_limits, s->req.is_head_method, &head, &n, &fault)) {
	case HTTP1_INCOMPLETE:
		return STEP_PARKED;
	case HTTP1_FAULT:
		stream_capture(s, fault, ans->scan.seen);
		return answer_bad(s, TG_END_BAD_ANSWER);
	case HTTP1_HEAD:
		break;
	}
	ans->scan = (struct http1_scan){0};
	/* Reading on keeps these bytes in place: the head points into them. */
	ans->in->r += (uint32_t)n;
	if (head.has_load_report)
		load_take(s, &head);
	if (head.status == 101)
		step = on_switch(s, &head);
	else if (head.status < 200)
		step = on_interim(s, &head);
	else
		step = on_final(s, &head);
	return step;
}

/* bodies */

/* Puts chunk framing around in[r, w). */
static void
put_chunk(struct stream_answer *ans)
{
	struct buf *in = ans->in;
	char head[L7_CHUNK_HEAD + 1];

	snprintf(head, sizeof(head), "%08x\r\n", buf_len(in));
	in->r -= L7_CHUNK_HEAD;
	memcpy(buf_data(in), head, L7_CHUNK_HEAD);
	memcpy(in->bytes + in->w, "\r\n", L7_CHUNK_TAIL);
	in->w += L7_CHUNK_TAIL;
}

/* The last `n` of in[r, w) are trailers; make_room() left space in front for what was held. */
static void
strip_trailers(struct stream_answer *ans, size_t n)
{
	struct buf *in = ans->in;
	uint8_t held = ans->strip.held_n;
	uint32_t at = in->w - (uint32_t)n - held;

	memcpy(in->bytes + at, ans->strip.held, held);
	in->r -= held;
	in->w = at + (uint32_t)http1_strip(&ans->strip, (char *)in->bytes + at, held + n);
}

static enum step
scan_body(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	uint32_t trailers = ans->body.trailer_bytes;
	struct buf *in = ans->in;
	enum http_fault fault;
	size_t n = 0;
	size_t packed = 0;

	if (buf_len(in) == 0)
		return STEP_MORE;
	if (ans->coding == CODING_UNCHUNK) {
		fault = http1_body_unchunk(&ans->body, (char *)buf_data(in), buf_len(in), &n,
					   &packed);
	} else {
		fault = http1_body_scan(&ans->body, (const char *)buf_data(in), buf_len(in), &n);
		packed = n;
	}
	if (fault != HTTP_FAULT_NONE) {
		stream_capture(s, fault, n);
		return answer_broken(s, TG_END_BAD_ANSWER);
	}
	/* Bytes after the end: nobody asked for them, and nobody gets them. */
	if (n < buf_len(in))
		ans->back_keep_alive = false;
	in->w = in->r + (uint32_t)packed;
	if (ans->coding == CODING_CHUNK && packed > 0)
		put_chunk(ans);
	if (ans->coding == CODING_STRIP && ans->body.trailer_bytes > trailers)
		strip_trailers(ans, ans->body.trailer_bytes - trailers);
	ans->ready = buf_len(in);
	return STEP_MORE;
}

/* Bytes have come. STEP_PARKED: a head is not yet whole. Another back: it is tried again. */
static enum step
process(struct stream *s)
{
	const struct back *back = s->back;
	enum step step;

	while (!s->ans.has_head) {
		step = parse_head(s);
		if (step != STEP_MORE || s->state != STREAM_RELAY || s->back != back)
			return step;
	}
	return scan_body(s);
}

/* The backend sends no more. */
static enum step
on_end(struct stream *s)
{
	struct stream_answer *ans = &s->ans;

	if (!ans->has_head)
		return attempt_failed(s, ans->in != NULL && buf_len(ans->in) > 0 ? TG_END_BAD_ANSWER
										 : TG_END_EMPTY_ANSWER);
	/* With TLS, who ends without a word was cut off: that is no end of a body (RFC 9112 9.8). */
	if (ans->body.kind != HTTP_BODY_UNTIL_CLOSE || (s->back->conn.flags & CONN_TRUNCATED) != 0)
		return answer_broken(s, TG_END_ANSWER_CUT);
	ans->body.done = true;
	if (ans->coding == CODING_CHUNK) {
		memcpy(ans->in->bytes, "0\r\n\r\n", 5);
		ans->in->r = 0;
		ans->in->w = 5;
		ans->ready = 5;
	}
	return STEP_MORE;
}

/* It reset the connection, or was no answer of HTTP/2. */
static enum step
on_failure(struct stream *s)
{
	if ((s->back->conn.flags & CONN_MALFORMED) != 0)
		return answer_broken(s, TG_END_BAD_ANSWER);
	if (!s->ans.has_head)
		return attempt_failed(s, s->ans.any_byte ? TG_END_ANSWER_CUT : TG_END_EMPTY_ANSWER);
	return answer_broken(s, TG_END_ANSWER_CUT);
}

/* In front of the body bytes that come next. */
static uint32_t
head_room(const struct stream_answer *ans)
{
	if (ans->coding == CODING_CHUNK)
		return L7_CHUNK_HEAD;
	return ans->coding == CODING_STRIP ? ans->strip.held_n : 0;
}

/* False: no memory. */
static bool
make_room(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	struct buf_pool *bufs = &s->worker->bufs;
	bool large = stream_may_hold_large(s) &&
		     (ans->bulk.was_full || (ans->has_head && ans->body.left > TG_BUF_SMALL_BYTES));

	if (ans->has_head && ans->in != NULL && large && !buf_is_large(ans->in))
		buf_put(bufs, &ans->in);
	if (ans->in == NULL)
		ans->in = buf_get(bufs, large ? TG_BUF_LARGE : TG_BUF_SMALL);
	if (ans->in == NULL)
		return false;
	if (ans->has_head) {
		ans->in->r = ans->in->w = head_room(ans);
		return true;
	}
	if (buf_room(ans->in) > L7_CHUNK_TAIL)
		return true;
	buf_compact(ans->in);
	if (buf_room(ans->in) > L7_CHUNK_TAIL)
		return true;
	return buf_grow(bufs, &ans->in) == 0 && buf_room(ans->in) > L7_CHUNK_TAIL;
}

static bool
may_read_unseen(struct stream *s)
{
	struct stream_answer *ans = &s->ans;

	return ans->has_head && !ans->is_held && !ans->is_buffered &&
	       (ans->coding == CODING_PASS || ans->coding == CODING_STRIP) &&
	       bulk_may_read(s, &ans->bulk, &ans->body, &s->back->conn, &s->front->conn);
}

static enum step
read_unseen(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	ssize_t n;

	buf_put(&s->worker->bufs, &ans->in);
	n = bulk_read(s, &ans->bulk, &ans->body, &s->back->conn);
	if (n > 0) {
		s->back_bytes_in += (uint64_t)n;
		s->down_progress = stream_now(s);
	}
	if (n == -TG_EAGAIN)
		return STEP_PARKED;
	return n < 0 ? on_failure(s) : STEP_MORE;
}

static enum step
read_answer(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	const struct back *back = s->back;
	struct conn *c = &s->back->conn;
	enum step step;
	uint32_t room;
	ssize_t n;

	if ((c->flags & (CONN_READABLE | CONN_ENDED)) == 0 || !stream_may_read(s))
		return STEP_PARKED;
	if (may_read_unseen(s))
		return read_unseen(s);
	if (!make_room(s))
		return answer_bad(s, TG_END_NO_RESOURCE);
	room = buf_room(ans->in) - L7_CHUNK_TAIL;
	n = conn_recv(c, ans->in->bytes + ans->in->w, room);
	if (n == -TG_EAGAIN)
		return STEP_PARKED;
	if (n <= 0)
		return n == 0 ? on_end(s) : on_failure(s);
	ans->any_byte = true;
	ans->in->w += (uint32_t)n;
	ans->bulk.was_full = (uint32_t)n == room;
	s->back_bytes_in += (uint64_t)n;
	/* What waits for the client waits for it however much comes behind. */
	if (!answer_is_unsent(ans) || ans->is_held)
		s->down_progress = stream_now(s);
	step = process(s);
	if (step == STEP_GONE || s->state != STREAM_RELAY || s->back != back)
		return step;
	if (!ans->has_head || !ans->body.done)
		conn_recheck(c);
	return STEP_MORE;
}

/* The answer is whole here before the request is with the backend: the rest of that is of no use. */
static bool
answer_abandons(struct stream *s)
{
	if (!s->ans.has_head || !s->ans.body.done || s->req.is_done || s->req.is_abandoned)
		return false;
	s->req.is_abandoned = true;
	return true;
}

static void
release_room(struct stream *s)
{
	struct stream_answer *ans = &s->ans;

	bulk_rest(s, &ans->bulk);
	if (ans->in != NULL && ans->ready == 0 && (ans->has_head || buf_len(ans->in) == 0))
		buf_put(&s->worker->bufs, &ans->in);
	if (ans->head != NULL && buf_len(ans->head) == 0) {
		buf_put(&s->worker->bufs, &ans->head);
		ans->final_at = 0;
	}
}

enum step
answer_step(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	const struct back *back = s->back;
	enum step step = STEP_MORE;

	/* With another back the request goes first again. */
	while (step == STEP_MORE && s->state == STREAM_RELAY && s->back == back) {
		if (ans->is_held && store_hold_is_over(ans))
			store_release(s);
		step = ans->is_held || answer_is_unsent(ans) ? answer_flush(s) : STEP_MORE;
		if (step == STEP_PARKED && (ans->is_buffered || ans->is_held)) {
			step = store_answer(s);
			/* Delivered from here on, or held no longer. */
			if (step == STEP_MORE && (s->state != STREAM_RELAY || ans->ready > 0))
				continue;
		}
		if (step == STEP_PARKED && answer_abandons(s))
			return STEP_MORE;
		if (step != STEP_MORE)
			return step;
		if (ans->has_head && ans->body.done)
			return stream_end(s, TG_END_DONE, true);
		step = read_answer(s);
	}
	if (step == STEP_PARKED)
		release_room(s);
	return step;
}
