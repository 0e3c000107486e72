/* The one place where a stream ends: log line, counters, everything given back. */
#include <stdlib.h>
#include <string.h>

#include "l7/l7.h"
#include "l7/stream_priv.h"
#include "observe/counters.h"
#include "observe/spread.h"
#include "observe/trace.h"
#include "tls/record.h"

#define KEEP_STREAMS 1024u

static void
tell_streams(const struct worker *w)
{
	const struct l7_worker *l7 = l7_of(w);

	gauge_set(counter_at(&w->counters, TG_W_STREAMS_USED), l7->n_used);
	gauge_set(counter_at(&w->counters, TG_W_STREAMS_HELD), l7->n_used + l7->n_free);
}

struct stream *
stream_get(struct front *f)
{
	struct worker *w = f->listener->worker;
	struct l7_worker *l7 = l7_of(w);
	struct stream *s = SLIST_FIRST(&l7->free);

	if (s != NULL) {
		SLIST_REMOVE_HEAD(&l7->free, link);
		l7->n_free--;
	} else {
		s = malloc(sizeof(*s));
	}
	if (s == NULL) {
		gauge_add(counter_at(&w->counters, TG_W_STREAM_FAILURES), 1);
		return NULL;
	}
	l7->n_used++;
	tell_streams(w);
	memset(s, 0, sizeof(*s));
	s->front = f;
	s->worker = w;
	s->begin = f->began;
	s->body_begin = f->began;
	s->up_progress = loop_now(w->loop);
	s->down_progress = s->up_progress;
	s->last_backend = TG_ACCESS_NONE;
	s->preferred = TG_LEASE_ANY;
	f->stream = s;
	f->state = FRONT_STREAM;
	counter_add(&f->listener->counters, TG_L_STREAMS, 1);
	return s;
}

size_t
l7_stream_bytes(void)
{
	return sizeof(struct stream);
}

static void
stream_put(struct stream *s)
{
	struct worker *w = s->worker;
	struct l7_worker *l7 = l7_of(w);

	l7->n_used--;
	if (l7->n_free < KEEP_STREAMS) {
		SLIST_INSERT_HEAD(&l7->free, s, link);
		l7->n_free++;
	} else {
		free(s);
	}
	tell_streams(w);
}

/* Counters of one family share the order of their five status classes. */
static inline void
count_status(const struct segment_counters *c, unsigned first, unsigned status)
{
	if (status >= 100 && status < 600)
		gauge_add(counter_at(c, first) + status / 100 - 1, 1);
}

static uint64_t
span_us(struct mono to, struct mono from)
{
	return mono_is_set(to) && mono_is_set(from) ? mono_diff_us(to, from) : 0;
}

static void
count_backend_times(const struct stream *s)
{
	struct segment_histogram *h = s->lease.backend->histograms;
	uint64_t total_us = span_us(stream_now(s), s->phase);

	histogram_add(&h[TG_HISTOGRAM_RESPONSE], span_us(s->answered, s->sent));
	histogram_add(&h[TG_HISTOGRAM_TOTAL], total_us);
	spread_add(s->lease.backend->spread, total_us);
}

/* What this try cost its backend. A status of our own is not the backend's. */
static void
count_backend(const struct stream *s, enum end_reason reason)
{
	const struct segment_counters *c = &s->lease.backend->counters;

	if (s->state != STREAM_REPLY)
		count_status(c, TG_B_STATUS_1XX, s->ans.status);
	counter_add(c, TG_B_BYTES_IN,
		    s->back != NULL ? s->back->sent_bytes - s->back_sent_before : 0);
	counter_add(c, TG_B_BYTES_OUT, s->back_bytes_in);
	counter_add(c, TG_B_TIME_CONNECT_US, span_us(s->connected, s->phase));
	counter_add(c, TG_B_TIME_RESPONSE_US, span_us(s->answered, s->sent));
	counter_add(c, TG_B_TIME_TOTAL_US, span_us(stream_now(s), s->begin));
	counter_add_end(c, reason);
	if (mono_is_set(s->answered))
		count_backend_times(s);
}

/* Tells the balancer how it went, and gives the place back. */
static void
end_lease(struct stream *s, enum end_reason reason)
{
	struct balance_outcome outcome = {
		.latency_us = span_us(s->answered, s->sent),
		.answered = s->ans.has_head,
		.failed = end_reason_is_backends(reason) || s->ans.status >= 500,
		.unreached = end_reason_is_no_connection(reason),
		.now = stream_now(s),
	};

	lease_end(&s->lease, &outcome);
}

void
stream_leave_backend(struct stream *s, enum end_reason reason, enum stream_leave how)
{
	if (s->lease.backend != NULL) {
		count_backend(s, reason);
		if (end_reason_is_backends(reason))
			tries_failed(&s->tries, s->lease.backend, reason);
	}
	switch (how) {
	case LEAVE_KEEP:
		back_give(&s->back);
		break;
	case LEAVE_CLOSE:
		back_close(&s->back);
		break;
	case LEAVE_ABORT:
		back_abort(&s->back);
		break;
	}
	s->back_bytes_in = 0;
	end_lease(s, reason);
}

/* Connects are in their histogram when they are made, see attempt.c. */
static void
count_times(const struct stream *s, uint64_t total_us)
{
	const struct segment_counters *c = &s->service->counters;
	struct segment_histogram *h = s->service->histograms;
	uint64_t response_us = span_us(s->answered, s->sent);

	counter_add(c, TG_S_TIME_QUEUE_US, s->queue_us);
	counter_add(c, TG_S_TIME_CONNECT_US, span_us(s->connected, s->phase));
	counter_add(c, TG_S_TIME_RESPONSE_US, response_us);
	counter_add(c, TG_S_TIME_TOTAL_US, total_us);
	if (s->queue_us > 0)
		histogram_add(&h[TG_HISTOGRAM_QUEUE], s->queue_us);
	if (mono_is_set(s->answered))
		histogram_add(&h[TG_HISTOGRAM_RESPONSE], response_us);
	histogram_add(&h[TG_HISTOGRAM_TOTAL], total_us);
}

static void
count(const struct stream *s, enum end_reason reason)
{
	const struct segment_counters *l = &s->front->listener->counters;
	uint64_t total_us = span_us(stream_now(s), s->begin);
	const struct segment_counters *c;

	counter_add(l, TG_L_BYTES_IN, s->bytes_in);
	counter_add(l, TG_L_BYTES_OUT, s->bytes_out);
	count_status(l, TG_L_STATUS_1XX, s->ans.status);
	counter_add_end(l, reason);
	if (reason == TG_END_BAD_REQUEST)
		counter_add(l, TG_L_BAD_REQUESTS, 1);
	histogram_add(&s->front->listener->histograms[TG_HISTOGRAM_TOTAL], total_us);
	if (s->service == NULL)
		return;
	c = &s->service->counters;
	counter_add(c, TG_S_BYTES_IN, s->bytes_in);
	counter_add(c, TG_S_BYTES_OUT, s->bytes_out);
	count_status(c, TG_S_STATUS_1XX, s->ans.status);
	counter_add_end(c, reason);
	count_times(s, total_us);
}

/* As the client spoke it. */
static uint8_t
version_of(const struct stream *s)
{
	if (s->front->over != NULL)
		return 20;
	return s->req.minor != HTTP_MINOR_UNKNOWN ? (uint8_t)(10 + s->req.minor) : 0;
}

static void
record_fixed(const struct stream *s, enum end_reason reason, struct access_record *r)
{
	r->end = wall_read();
	r->bytes_in = s->bytes_in;
	r->bytes_out = s->bytes_out;
	r->queue_us = mono_is_set(s->phase) ? access_us(s->queue_us) : TG_ACCESS_UNSET;
	r->connect_us = access_span_us(s->connected, s->phase);
	r->response_us = access_span_us(s->answered, s->sent);
	r->total_us = access_span_us(stream_now(s), s->begin);
	r->client_ip = s->front->ip;
	r->client_port = s->front->port;
	r->status = s->ans.status;
	r->listener = s->front->listener->conf->segment_slot;
	r->service = s->service != NULL ? s->service->conf->segment_slot : TG_ACCESS_NONE;
	r->backend = s->last_backend;
	r->tries = (uint8_t)(s->tries.n + s->replayed);
	r->n_failed = (uint8_t)s->tries.n_failed;
	r->choice = (uint8_t)s->lease.choice;
	r->denied = (uint8_t)s->tries.denied;
	r->reason = (uint8_t)reason;
	r->mode = TG_MODE_HTTP;
	r->tls_version = r->cipher_len = r->sni_len = r->subject_len = r->has_proxy = 0;
	r->back_tls = s->back_tls;
	r->http_version = version_of(s);
}

static void
log_access(const struct stream *s, enum end_reason reason)
{
	const struct stream_request *req = &s->req;
	const unsigned char *text = req->head != NULL ? req->head->bytes : NULL;
	uint32_t path_n = req->target_n < TG_ACCESS_PATH_MAX ? req->target_n : TG_ACCESS_PATH_MAX;
	const struct tls_facts *facts = s->front->tls;
	struct access_record *r;
	uint32_t n;
	char *p;

	if (s->worker->conf->log.access == TG_ACCESS_OFF)
		return;
	if (text == NULL)
		path_n = 0;
	n = (uint32_t)(sizeof(*r) + s->tries.n_failed * sizeof(s->tries.failed[0]) + req->method_n +
		       req->id_n + req->host_n + path_n);
	n += tls_record_room(facts) + origin_record_room(s->front->origin);
	r = ring_reserve(s->worker->ring, n);
	if (r == NULL) {
		counter_add(&s->front->listener->counters, TG_L_LOG_DROPPED, 1);
		return;
	}
	record_fixed(s, reason, r);
	r->method_len = (uint8_t)req->method_n;
	r->request_id_len = req->id_n;
	r->host_len = req->host_n;
	r->path_len = (uint16_t)path_n;
	p = r->strings;
	memcpy(p, s->tries.failed, s->tries.n_failed * sizeof(s->tries.failed[0]));
	p += s->tries.n_failed * sizeof(s->tries.failed[0]);
	if (text != NULL) {
		memcpy(p, text, req->method_n);
		p += req->method_n;
		memcpy(p, text + req->id_at, req->id_n);
		p += req->id_n;
		memcpy(p, text + req->host_at, req->host_n);
		p += req->host_n;
		memcpy(p, text + req->target_at, path_n);
		p += path_n;
	}
	tls_record_put(facts, r, p);
	origin_record_put(s->front->origin, r, p + tls_record_room(facts));
	ring_commit(s->worker->ring, n);
}

/* Whether the back can carry another exchange. */
static bool
back_is_clean(const struct stream *s)
{
	return s->state == STREAM_RELAY && s->ans.has_head && s->ans.body.done &&
	       s->ans.back_keep_alive && s->req.is_done;
}

static void
leave_at_end(struct stream *s, enum end_reason reason, bool clean)
{
	enum stream_leave how = clean ? LEAVE_CLOSE : LEAVE_ABORT;

	if (s->back != NULL && clean && back_is_clean(s))
		how = LEAVE_KEEP;
	stream_leave_backend(s, reason, how);
}

void
stream_leave_whole(struct stream *s)
{
	leave_at_end(s, TG_END_DONE, true);
}

static void
give_buffers_back(struct stream *s)
{
	struct worker *w = s->worker;

	tunnel_fini(&s->tunnel, &w->bufs, &w->pipes);
	store_free_request(s);
	store_free_answer(s);
	buf_put(&w->bufs, &s->req.head);
	buf_put(&w->bufs, &s->ans.in);
	buf_put(&w->bufs, &s->ans.head);
	piped_close(&s->req.bulk.piped, &w->pipes);
	piped_close(&s->ans.bulk.piped, &w->pipes);
}

/* What the request held of the front's buffer is over. */
static void
drop_request_bytes(struct stream *s)
{
	struct front *f = s->front;

	if (f->in == NULL || s->req.ready == 0)
		return;
	buf_consume(f->in, s->req.ready);
	if (buf_len(f->in) == 0)
		buf_put(&s->worker->bufs, &f->in);
}

/* An answer has begun whose end the client takes from the end of its connection: a cut must not look
 * like that. */
static bool
ends_with_connection(const struct stream *s)
{
	const struct stream_answer *ans = &s->ans;

	return ans->is_started && ans->has_head && (!ans->body.done || answer_is_unsent(ans)) &&
	       (ans->coding == CODING_UNCHUNK ||
		(ans->body.kind == HTTP_BODY_UNTIL_CLOSE && ans->coding == CODING_PASS));
}

/* A request of HTTP/2 whose body is not what its head says was not taken back by its client. */
static enum end_reason
name_end(const struct stream *s, enum end_reason why)
{
	if (why != TG_END_CLIENT_ABORT)
		return why;
	if ((s->front->conn.flags & CONN_MALFORMED) != 0)
		return TG_END_BAD_REQUEST;
	return stream_awaits_backend(s) ? TG_END_QUEUE_ABORT : why;
}

static void
trace(const struct stream *s, enum end_reason reason)
{
	if (!trace_is_on())
		return;
	trace_stream_end(&(struct trace_end){
		.worker = s->worker->id,
		.listener = s->front->listener->conf,
		.service = s->service != NULL ? s->service->conf : NULL,
		.backend = worker_backend_name(s->worker, s->last_backend),
		.status = s->ans.status,
		.tries = s->tries.n,
		.reason = reason,
	});
}

enum step
stream_end(struct stream *s, enum end_reason why, bool clean)
{
	struct front *f = s->front;
	enum end_reason reason = name_end(s, why);
	bool keep = clean && s->req.keep_alive && s->req.body.done && !s->ans.close_front;
	bool is_whole = s->req.body.done && reason != TG_END_BAD_REQUEST;
	bool is_cut = !clean && ends_with_connection(s);
	bool reset = is_cut || reason == TG_END_BACK_ABORT || reason == TG_END_CLIENT_TIMEOUT ||
		     reason == TG_END_SHUTDOWN || reason == TG_END_ORDERED;

	attempt_wait_end(s);
	s->bytes_in += s->tunnel.up.bytes;
	s->bytes_out += s->tunnel.down.bytes;
	leave_at_end(s, reason, clean);
	count(s, reason);
	log_access(s, reason);
	trace(s, reason);
	give_buffers_back(s);
	drop_request_bytes(s);
	f->stream = NULL;
	if (s->service != NULL)
		worker_service_leave(s->service);
	stream_put(s);
	if (clean)
		front_stream_ended(f, keep, is_whole);
	else
		front_close(f, reset);
	return STEP_GONE;
}
