/* A backend for a stream: a place, an idle connection or a new one; and again where it may be. */
#include <errno.h>

#include "base/container.h"
#include "l7/stream_priv.h"

/* A connection was made for it, whatever becomes of the stream. */
static void
count_connect(const struct stream *s)
{
	uint64_t us = mono_diff_us(s->connected, s->phase);

	histogram_add(&s->service->histograms[TG_HISTOGRAM_CONNECT], us);
	histogram_add(&s->lease.backend->histograms[TG_HISTOGRAM_CONNECT], us);
}

static enum step
use_back(struct stream *s, struct back *b)
{
	s->back = b;
	s->back_sent_before = b->sent_bytes;
	s->back_raw_before = back_raw_sent(b);
	s->back_tls = back_tls_version(b);
	s->phase = stream_now(s);
	s->up_progress = s->phase;
	s->down_progress = s->phase;
	s->state = STREAM_RELAY;
	s->connected = s->phase;
	if ((b->conn.flags & CONN_CONNECTING) != 0) {
		s->state = STREAM_CONNECT;
		s->connected = (struct mono){0};
	}
	return STEP_MORE;
}

/* With send_proxy the connection to a backend is this client's alone: as HAProxy, where it
 * is reused for the same header only. NULL: it is anybody's. */
static struct back_place *
own_place(const struct stream *s)
{
	return s->service->conf->send_proxy != TG_SEND_PROXY_OFF ? s->front->own : NULL;
}

/* What it is to say first. -TG_ENOMEM. */
static int
greet(struct stream *s, struct back *b)
{
	struct front *f = s->front;
	struct greet_client client = {
		.conn = &f->conn,
		.tls = f->tls,
		.origin = f->origin,
		.ip = f->ip,
		.port = f->port,
		.id = {(const char *)s->req.head->bytes + s->req.id_at, s->req.id_n},
	};

	if (s->service->conf->send_proxy == TG_SEND_PROXY_OFF)
		return 0;
	return greet_prepare(b, &client, f->own);
}

/* Connects where the lease says; what fails at once is tried elsewhere. */
static enum step
attempt_connect(struct stream *s)
{
	struct back *b = back_connect_exchange(s->lease.backend, &s->lease.addr, own_place(s),
					       stream_on_back, s);

	if (b != NULL && greet(s, b) != 0) {
		back_close(&b);
		errno = ENOMEM;
	}
	if (b != NULL) {
		(void)use_back(s, b);
		/* To a unix socket at once; others are under way. */
		if (s->state == STREAM_RELAY && !s->back->is_reused)
			count_connect(s);
		return STEP_MORE;
	}
	if (back_error_is_ours(errno))
		return stream_reply(s, 503, TG_END_NO_RESOURCE);
	return attempt_failed(s, TG_END_CONNECT_FAILED);
}

/* A request that may not be sent twice, or could not be, as its body is not wholly here. */
static bool
is_delicate(const struct stream *s)
{
	return !s->req.is_idempotent || !s->req.body.done || !s->req.can_replay;
}

static struct back *
take_kept(struct stream *s)
{
	struct back_place *own = own_place(s);

	return own != NULL ? back_take_own(own, s->lease.backend, is_delicate(s))
			   : back_take_idle(s->lease.backend, is_delicate(s));
}

/* A place is held. */
static enum step
attempt_go(struct stream *s)
{
	struct back *b;

	s->last_backend = s->lease.backend->slot;
	tries_next(&s->tries, s->lease.backend);
	b = take_kept(s);
	if (b == NULL)
		return attempt_connect(s);
	back_attach(b, stream_on_back, s);
	return use_back(s, b);
}

/* waiting */

static void
wait_begin(struct stream *s, uint64_t pause_ms)
{
	s->state = STREAM_WAIT;
	s->phase = stream_now(s);
	s->next_try = (struct mono){0};
	if (pause_ms > 0)
		s->next_try = mono_add_ms(s->phase, pause_ms);
}

void
attempt_wait_end(struct stream *s)
{
	uint64_t waited = mono_diff_us(stream_now(s), s->phase);

	if (s->state != STREAM_WAIT)
		return;
	s->queue_us += waited;
	/* Nothing of the body was read meanwhile: that is not the client's time. */
	s->body_begin.us += waited;
	s->phase = stream_now(s);
	s->next_try = (struct mono){0};
}

static void
on_place(struct lease *lease, bool has_place)
{
	static const struct balance_outcome unused;
	struct stream *s = TG_CONTAINER(lease, struct stream, lease);
	enum step step;

	if (has_place && stream_is_late(s)) {
		lease_end(lease, &unused);
		stream_on_timer(s);
		return;
	}
	attempt_wait_end(s);
	if (has_place)
		step = attempt_go(s);
	else
		step = stream_reply(s, 503, lease->refusal);
	if (step != STEP_GONE)
		stream_run(s);
}

static void
on_due(struct lease *lease)
{
	stream_run(TG_CONTAINER(lease, struct stream, lease));
}

/* `rc` of lease_wait() or lease_hold(). */
static enum step
wait_for_place(struct stream *s, int rc)
{
	if (rc != 0)
		return stream_reply(s, 503, s->lease.refusal);
	s->lease.on_due = on_due;
	counter_add(&s->service->counters, TG_S_QUEUED, 1);
	wait_begin(s, 0);
	return STEP_MORE;
}

enum step
attempt_begin(struct stream *s)
{
	int rc = lease_begin(&s->lease, s->service, &s->tries.query, s->preferred);

	if (rc == 0)
		return attempt_go(s);
	if (rc == -TG_EAGAIN)
		return wait_for_place(s, lease_wait(&s->lease, s->service, &s->tries.query,
						    s->priority, on_place));
	rc = lease_hold(&s->lease, s->service, &s->tries.query, s->priority, on_place);
	if (rc != 0)
		counter_add(&s->service->counters, TG_S_NO_BACKEND, 1);
	return wait_for_place(s, rc);
}

/* The pause is over, or the wait for a place is. */
enum step
attempt_wait_over(struct stream *s)
{
	bool was_pause = mono_is_set(s->next_try);

	attempt_wait_end(s);
	if (was_pause)
		return attempt_begin(s);
	return stream_reply(s, 503, s->lease.is_held ? TG_END_HOLD_TIMEOUT : TG_END_QUEUE_TIMEOUT);
}

/* connecting */

enum step
attempt_connect_step(struct stream *s)
{
	int rc = back_connected(s->back);

	if (rc == -TG_EAGAIN)
		return STEP_PARKED;
	if (rc == -TG_EPROTO)
		return attempt_failed(s, TG_END_TLS_FAILED);
	/* It ended, or speaks before it was asked: that is no answer. */
	if (rc != 0 || !back_is_silent(s->back))
		return attempt_failed(s, back_is_refused(s->back) ? TG_END_TLS_FAILED
								  : TG_END_CONNECT_FAILED);
	s->back_raw_before = back_raw_sent(s->back);
	s->back_tls = back_tls_version(s->back);
	s->connected = stream_now(s);
	count_connect(s);
	s->up_progress = s->connected;
	s->down_progress = s->connected;
	s->state = STREAM_RELAY;
	return STEP_MORE;
}

/* failing */

/* The backend has said so. */
static bool
is_unprocessed(const struct stream *s)
{
	return (s->back->conn.flags & CONN_UNPROCESSED) != 0;
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
is_unsent(const struct stream *s)
{
	int64_t acked;

	if (s->back->sent_bytes == s->back_sent_before || is_unprocessed(s))
		return true;
	if ((s->back->conn.flags & CONN_ENDED) == 0)
		return false;
	acked = conn_acked_bytes(&s->back->conn);
	return acked >= 0 && (uint64_t)acked <= s->back_raw_before + 1;
}

/* It does no harm to say it again. */
static bool
is_harmless(const struct stream *s)
{
	return s->req.is_idempotent || (!s->ans.any_byte && is_unsent(s));
}

/* And nothing of it is lost. */
static bool
may_say_again(const struct stream *s)
{
	return s->req.can_replay && is_harmless(s);
}

static bool
may_try_again(struct stream *s, bool does_no_harm, unsigned cause)
{
	/* What is not configured is told first: nothing that a client changes helps then. */
	if ((does_no_harm && s->req.can_replay) || !tries_are_for(s->service, cause))
		return tries_again(&s->tries, s->service, cause);
	if (!does_no_harm)
		s->tries.denied = TG_DENIED_METHOD;
	else
		s->tries.denied = s->ans.n_interim > 0 ? TG_DENIED_INTERIM : TG_DENIED_BODY;
	return false;
}

static bool
is_stale(const struct stream *s)
{
	return (s->back->is_reused || is_unprocessed(s)) && !s->ans.any_byte;
}

/* Back to the beginning of the request, and of its answer. */
static void
rewind_exchange(struct stream *s)
{
	request_rewind(s);
	s->ans.scan = (struct http1_scan){0};
	s->ans.any_byte = false;
	s->ans.bulk.was_full = false;
	s->ans.status = 0;
	s->answered = (struct mono){0};
	buf_put(&s->worker->bufs, &s->ans.in);
}

/* On a fresh connection to the same backend: the kept one was stale, which is no fault of the backend. */
static enum step
replay(struct stream *s)
{
	s->replayed = true;
	counter_add(&s->lease.backend->counters, TG_B_REPLAYS, 1);
	back_abort(&s->back);
	rewind_exchange(s);
	return attempt_connect(s);
}

static enum step
try_again(struct stream *s, enum end_reason reason)
{
	const struct segment_counters *failed = &s->lease.backend->counters;
	uint64_t pause_ms = 0;

	counter_add(failed, TG_B_RETRIES, 1);
	stream_leave_backend(s, reason, LEAVE_ABORT);
	rewind_exchange(s);
	if (!lease_is_possible(s->service, &s->tries.query))
		pause_ms = tries_start_over(&s->tries, s->service);
	if (pause_ms == 0)
		return attempt_begin(s);
	wait_begin(s, pause_ms);
	return STEP_MORE;
}

static enum step
fail_connect(struct stream *s, enum end_reason reason)
{
	counter_add(&s->lease.backend->counters, TG_B_CONNECT_ERRORS, 1);
	if (tries_connect_again(&s->tries, s->service, s->lease.backend, reason))
		return try_again(s, reason);
	return stream_reply(s, reason == TG_END_CONNECT_TIMEOUT ? 504 : 503, reason);
}

enum step
attempt_failed(struct stream *s, enum end_reason reason)
{
	if (s->back == NULL || s->state == STREAM_CONNECT)
		return fail_connect(s, reason);
	if (s->req.can_replay && !s->ans.any_byte && back_is_refused(s->back))
		return fail_connect(s, TG_END_TLS_FAILED);
	if (is_stale(s))
		back_learn_close(s->back);
	if (is_stale(s) && !s->replayed && may_say_again(s))
		return replay(s);
	counter_add(&s->lease.backend->counters, TG_B_ANSWER_ERRORS, 1);
	if (may_try_again(s, is_harmless(s), TG_CAUSE_EMPTY_RESPONSE))
		return try_again(s, reason);
	return stream_reply(s, 502, reason);
}

enum step
attempt_timed_out(struct stream *s)
{
	counter_add(&s->lease.backend->counters, TG_B_ANSWER_ERRORS, 1);
	if (may_try_again(s, s->req.is_idempotent, TG_CAUSE_RESPONSE_TIMEOUT))
		return try_again(s, TG_END_RESPONSE_TIMEOUT);
	return stream_reply(s, 504, TG_END_RESPONSE_TIMEOUT);
}

enum step
attempt_cut(struct stream *s)
{
	bool is_unseen = !s->ans.is_started && s->ans.n_interim == 0;
	bool may_go = s->state == STREAM_CONNECT || (s->state == STREAM_RELAY && is_unseen &&
						     (!s->ans.has_head || s->ans.is_held) &&
						     may_say_again(s));

	if (may_go && tries_again(&s->tries, s->service, TG_CAUSE_CONNECT)) {
		tries_failed(&s->tries, s->lease.backend, TG_END_ORDERED);
		answer_unsend(s);
		return try_again(s, TG_END_ORDERED);
	}
	if (is_unseen && s->state != STREAM_TUNNEL)
		return stream_reply(s, 503, TG_END_ORDERED);
	return stream_end(s, TG_END_ORDERED, false);
}

bool
attempt_may_repeat(struct stream *s, unsigned status)
{
	return s->ans.n_interim == 0 && tries_are_for(s->service, status) &&
	       may_try_again(s, s->req.is_idempotent, status);
}

enum step
attempt_repeat(struct stream *s, enum end_reason reason)
{
	return try_again(s, reason);
}
