/* A backend for a stream: an idle connection, a new one, another backend. */
#include <errno.h>

#include "l7/stream_priv.h"

static void
attempt_drop(struct stream *s)
{
	back_close(&s->back);
	lease_end(&s->lease);
}

static enum step
use_back(struct stream *s, struct back *b)
{
	s->back = b;
	s->back_sent_before = b->sent_bytes;
	s->phase = stream_now(s);
	s->up_progress = s->phase;
	s->down_progress = s->phase;
	s->state = STREAM_RELAY;
	if ((b->conn.flags & CONN_CONNECTING) != 0)
		s->state = STREAM_CONNECT;
	else
		s->connected = s->phase;
	return STEP_MORE;
}

static int
take_lease(struct stream *s)
{
	int rc = lease_begin(&s->lease, s->service, &s->query);

	if (rc == 0)
		s->last_backend = (uint16_t)s->lease.backend->index;
	return rc;
}

static void
count_connect_error(struct stream *s)
{
	counter_add(s->lease.backend->counters, TG_B_CONNECT_ERRORS, 1);
}

/* Nobody is left to try. */
static enum step
give_up(struct stream *s, enum end_reason reason)
{
	attempt_drop(s);
	return stream_reply(s, reason == TG_END_CONNECT_TIMEOUT ? 504 : 503, reason);
}

/* Connects where the lease says; what fails at once is tried elsewhere. */
static enum step
attempt_connect(struct stream *s)
{
	struct back *b = back_connect(s->lease.backend, &s->lease.addr, stream_on_back, s);

	if (b != NULL)
		return use_back(s, b);
	return attempt_failed(s, TG_END_CONNECT_FAILED);
}

enum step
attempt_begin(struct stream *s)
{
	struct back *b;

	if (take_lease(s) != 0) {
		counter_add(s->service->counters, TG_S_NO_BACKEND, 1);
		return stream_reply(s, 503, TG_END_NO_BACKEND);
	}
	b = back_take_idle(s->lease.backend, !s->req.is_idempotent);
	if (b == NULL)
		return attempt_connect(s);
	back_attach(b, stream_on_back, s);
	return use_back(s, b);
}

enum step
attempt_connect_step(struct stream *s)
{
	int rc = conn_connected(&s->back->conn);

	if (rc == -TG_EAGAIN)
		return STEP_PARKED;
	/* It ended, or speaks before it was asked: that is no answer. */
	if (rc != 0 || (s->back->conn.flags & CONN_READABLE) != 0)
		return attempt_failed(s, TG_END_CONNECT_FAILED);
	s->connected = stream_now(s);
	s->up_progress = s->connected;
	s->down_progress = s->connected;
	s->state = STREAM_RELAY;
	return STEP_MORE;
}

static void
count_retry(struct stream *s)
{
	s->tries++;
	counter_add(s->service->counters, TG_S_RETRIES, 1);
	counter_add(s->lease.backend->counters, TG_B_RETRIES, 1);
}

/* On another backend where there is one: the request reached none. */
static enum step
try_elsewhere(struct stream *s, enum end_reason reason)
{
	count_connect_error(s);
	if (s->query.n_tried + 1 >= L7_CONNECT_TRIES)
		return give_up(s, reason);
	s->query.tried[s->query.n_tried++] = s->lease.backend->index;
	count_retry(s);
	attempt_drop(s);
	request_rewind(s);
	if (take_lease(s) != 0)
		return give_up(s, reason);
	return attempt_connect(s);
}

/*
 * A kept connection may have been closed by the backend while the request was
 * on its way. It may be sent once more when repeating does no harm (RFC 9110
 * 9.2.2), or when the backend provably received no byte of it: it sent its end
 * (FIN), and nothing of the request was acknowledged by then. A reset proves
 * nothing: what it acknowledges is not counted by the kernel. A SYN counts as
 * one acknowledged byte.
 */
static bool
may_replay(const struct stream *s)
{
	int64_t acked;

	if (!s->back->is_reused || s->replayed || s->ans.any_byte || !s->req.can_replay)
		return false;
	if (s->req.is_idempotent)
		return true;
	if (s->back->sent_bytes == s->back_sent_before)
		return true;
	if ((s->back->conn.flags & CONN_ENDED) == 0)
		return false;
	acked = conn_acked_bytes(&s->back->conn);
	return acked >= 0 && (uint64_t)acked <= s->back_sent_before + 1;
}

static enum step
replay(struct stream *s)
{
	s->replayed = true;
	count_retry(s);
	back_close(&s->back);
	request_rewind(s);
	s->ans.scan = (struct http1_scan){0};
	return attempt_connect(s);
}

enum step
attempt_failed(struct stream *s, enum end_reason reason)
{
	if (s->back == NULL || s->state == STREAM_CONNECT)
		return try_elsewhere(s, reason);
	if (s->back->is_reused && !s->ans.any_byte)
		back_learn_close(s->back);
	if (may_replay(s))
		return replay(s);
	counter_add(s->lease.backend->counters, TG_B_ANSWER_ERRORS, 1);
	return stream_reply(s, 502, reason);
}
