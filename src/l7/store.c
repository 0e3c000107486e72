/* Bodies that wait here, so that no slow client holds a backend: doc/internals/data-path.md. */
#include <errno.h>

#include "base/log.h"
#include "l7/stream_priv.h"

static struct log_limit file_errors;

/* Once a second at most: a full disk fails every long body. */
static void
warn_file(const struct stream *s, const char *what, int error)
{
	unsigned suppressed = 0;

	if (log_limit_pass(&file_errors, 1, stream_now(s), &suppressed))
		log_write(TG_LOG_WARN, what, "svc=%s folder=%s errno=%d suppressed=%u",
			  s->service->conf->name, s->worker->spools.folder, error, suppressed);
}

/* One step to the file; see spool_spill(). */
static ssize_t
spill(struct stream *s, struct spool *spool, const void *p, size_t n)
{
	ssize_t took = spool_spill(spool, p, n);

	if (took < 0)
		warn_file(s, "cannot write to the file of a body", errno);
	else if (took == 0 && errno != 0)
		warn_file(s, "cannot make a file for a body, going on without", errno);
	return took;
}

/*** requests ***/

void
store_free_request(struct stream *s)
{
	spool_free(&s->req.spool);
}

enum step
store_request_begin(struct stream *s)
{
	if (s->req.body.done || !lease_is_possible(s->service, &s->tries.query))
		return attempt_begin(s);
	s->state = STREAM_STORE;
	return request_continue(s) ? STEP_MORE : stream_reply(s, 503, TG_END_NO_RESOURCE);
}

/* `n` of the checked bytes at the start of the front's buffer are in the spool. */
static void
took_request(struct stream *s, size_t n)
{
	s->req.ready -= (uint32_t)n;
	buf_consume(s->front->in, (uint32_t)n);
}

/*
 * The front's buffer is full: its bytes go to the spool. STEP_MORE: there is room in it, or
 * the stream has gone on.
 */
static enum step
store_request(struct stream *s)
{
	const struct conf_buffer *conf = &s->service->conf->buffer_request;
	struct buf *in = s->front->in;
	ssize_t n;

	if (s->req.spool == NULL)
		s->req.spool = spool_new(&s->worker->spools, conf->memory_bytes, conf->file_bytes);
	if (s->req.spool == NULL)
		return stream_reply(s, 503, TG_END_NO_RESOURCE);
	took_request(s, spool_put(s->req.spool, buf_data(in), s->req.ready));
	if (s->req.ready > 0) {
		if (!stream_may_use_disk(s))
			return STEP_PARKED;
		n = spill(s, s->req.spool, buf_data(in), s->req.ready);
		if (n < 0)
			return stream_reply(s, 503, TG_END_NO_RESOURCE);
		if (n == 0)
			return attempt_begin(s);
		took_request(s, (size_t)n);
	}
	buf_compact(in);
	return STEP_MORE;
}

enum step
store_request_step(struct stream *s)
{
	enum step step = answer_flush(s); /* a 100 of our own */

	if (step != STEP_GONE)
		step = STEP_MORE;
	while (step == STEP_MORE && s->state == STREAM_STORE) {
		if (s->req.body.done)
			return attempt_begin(s);
		if (s->front->in != NULL && buf_room(s->front->in) == 0)
			step = store_request(s);
		else
			step = request_read(s);
	}
	return step;
}

/*** sending ***/

ssize_t
store_send(struct stream *s, struct spool *spool, struct conn *to)
{
	struct spool_piece piece;
	ssize_t took;

	if (!spool_next(spool, &piece))
		return 0;
	if (piece.p != NULL)
		took = conn_send(to, piece.p, piece.n);
	else if (stream_may_use_disk(s))
		took = conn_sendfile(to, piece.fd, piece.at, piece.n);
	else
		took = -TG_EAGAIN;
	if (took == -TG_ENOENT)
		warn_file(s, "cannot read the file of a body", errno);
	if (took > 0)
		spool_advance(spool, (size_t)took);
	return took;
}

/*** answers ***/

void
store_free_answer(struct stream *s)
{
	spool_free(&s->ans.spool);
}

/* Its sender wants every piece to go on at once. */
static bool
is_live(const struct http_head *head)
{
	static const struct slice event_stream = {"text/event-stream", 17};
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		struct slice value = head->fields[i].value;

		if (slice_equal_fold(head->fields[i].name, SLICE("x-accel-buffering")) &&
		    slice_equal_fold(value, SLICE("no")))
			return true;
		if (value.n > event_stream.n)
			value.n = event_stream.n;
		if (slice_equal_fold(head->fields[i].name, SLICE("content-type")) &&
		    slice_equal_fold(value, event_stream))
			return true;
	}
	return false;
}

/* It is stored, and fits. */
static bool
may_hold_whole(const struct conf_buffer *conf, const struct http_head *head)
{
	return conf->memory_bytes != 0 && head->body != HTTP_BODY_NONE &&
	       (head->body != HTTP_BODY_LENGTH || head->content_length <= conf->memory_bytes);
}

/* It promises a body of which nothing came with the head; another backend may keep the promise. */
static bool
may_hold_head(const struct stream *s, const struct http_head *head)
{
	return buf_len(s->ans.in) == 0 && head->body == HTTP_BODY_LENGTH &&
	       head->content_length > 0 && s->req.is_done && s->req.is_idempotent &&
	       s->req.can_replay && tries_are_left(&s->tries, s->service, TG_CAUSE_EMPTY_RESPONSE);
}

bool
store_hold(struct stream *s, const struct http_head *head)
{
	const struct conf_buffer *conf = &s->service->conf->buffer_response;
	struct stream_answer *ans = &s->ans;

	ans->is_buffered = conf->memory_bytes != 0;
	if (conf->hold_ms == 0 || ans->n_interim > 0)
		return false;
	ans->is_held_whole = may_hold_whole(conf, head);
	if ((!ans->is_held_whole && !may_hold_head(s, head)) || is_live(head))
		return false;
	ans->is_held = true;
	ans->held_until = mono_add_ms(stream_now(s), conf->hold_ms);
	return true;
}

bool
store_hold_is_over(const struct stream_answer *ans)
{
	return ans->body.done || (!ans->is_held_whole && ans->ready > 0);
}

void
store_release(struct stream *s)
{
	s->ans.is_held = false;
	s->down_progress = stream_now(s);
	request_settle(s);
}

static void
took_answer(struct stream *s, size_t n)
{
	s->ans.ready -= (uint32_t)n;
	s->ans.in->r += (uint32_t)n;
}

/* Memory is full. What the disk refuses stays here: nothing is lost. */
static enum step
spill_answer(struct stream *s)
{
	struct stream_answer *ans = &s->ans;
	ssize_t n;

	while (ans->ready > 0) {
		if (!stream_may_use_disk(s))
			return STEP_PARKED;
		n = spill(s, ans->spool, buf_data(ans->in), ans->ready);
		if (n <= 0)
			return STEP_PARKED;
		took_answer(s, (size_t)n);
	}
	return STEP_MORE;
}

enum step
store_answer(struct stream *s)
{
	const struct conf_buffer *conf = &s->service->conf->buffer_response;
	struct stream_answer *ans = &s->ans;

	if (ans->body.done) {
		stream_leave_whole(s);
		s->state = STREAM_DELIVER;
		if (ans->ready == 0)
			buf_put(&s->worker->bufs, &ans->in);
		return STEP_MORE;
	}
	if (ans->ready == 0)
		return STEP_MORE;
	if (ans->spool == NULL)
		ans->spool = spool_new(&s->worker->spools, conf->memory_bytes, conf->file_bytes);
	if (ans->spool != NULL)
		took_answer(s, spool_put(ans->spool, buf_data(ans->in), ans->ready));
	if (ans->ready == 0)
		return STEP_MORE;
	if (ans->is_held) {
		store_release(s);
		return STEP_MORE;
	}
	return ans->spool != NULL ? spill_answer(s) : STEP_PARKED;
}

enum step
store_flush_answer(struct stream *s)
{
	struct spool *spool = s->ans.spool;
	ssize_t took;

	while (spool_has_unread(spool)) {
		took = store_send(s, spool, &s->front->conn);
		if (took == -TG_EAGAIN)
			return STEP_PARKED;
		if (took < 0)
			return stream_end(
				s, took == -TG_ENOENT ? TG_END_NO_RESOURCE : TG_END_CLIENT_ABORT,
				false);
		s->bytes_out += (uint64_t)took;
		s->down_progress = stream_now(s);
		spool_drop(spool);
	}
	store_free_answer(s);
	return STEP_MORE;
}

enum step
store_deliver_step(struct stream *s)
{
	enum step step = answer_flush(s);

	if (step == STEP_PARKED)
		return request_drop(s);
	return step == STEP_MORE ? stream_end(s, TG_END_DONE, true) : step;
}
