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

static void
close_spool(struct stream *s, struct spool **spool)
{
	spool_free(spool, &s->worker->bufs, &s->worker->spools);
}

/* One step to the file; see spool_spill(). */
static ssize_t
spill(struct stream *s, struct spool *spool, const void *p, size_t n)
{
	ssize_t took = spool_spill(spool, &s->worker->spools, p, n);

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
	close_spool(s, &s->req.spool);
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
		s->req.spool = spool_new(conf->memory_bytes, conf->file_bytes);
	if (s->req.spool == NULL)
		return stream_reply(s, 503, TG_END_NO_RESOURCE);
	took_request(s, spool_put(s->req.spool, &s->worker->bufs, buf_data(in), s->req.ready));
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
