/*
 * l4/tcp.c: a client connection of mode tcp and its backend connection.
 *
 *	WAIT <--> CONNECT --> RELAY --> gone
 *
 * Connects at once, so that servers that speak first can; a connect that fails
 * is tried on another backend, a reset is passed on as a reset. WAIT is for a
 * place while all backends are full, for a backend to come up, or a pause before
 * the next try.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/arrival.h"
#include "backend/back.h"
#include "backend/greet.h"
#include "backend/lease.h"
#include "backend/tries.h"
#include "backend/walk.h"
#include "base/container.h"
#include "base/hash.h"
#include "base/log.h"
#include "http/route.h"
#include "l4/l4.h"
#include "net/tunnel.h"
#include "observe/counters.h"
#include "observe/spread.h"
#include "observe/trace.h"
#include "tls/record.h"

/* Of an id in the log. */
#define ID_DIGITS 16u

struct tcp_stream {
	struct front_link link; /* first */
	struct conn front;
	struct worker_listener *listener;
	struct worker_service *service;
	struct lease lease;
	struct back *back;
	struct tries tries;
	struct tunnel tunnel;
	struct timer timer;
	struct mono begin;
	struct mono phase;     /* of the wait or the connect under way */
	struct mono next_try;  /* end of the pause; unset: none */
	struct mono connected; /* unset: waiting or connecting */
	uint64_t queue_us;     /* waited for places and in pauses */
	struct ip ip;
	uint16_t port;
	struct origin *origin; /* NULL: there was no PROXY header */
	char *name;            /* of a ClientHello that is passed on; NULL: none */
	struct buf *in;        /* what was read of the client before the connect; NULL: nothing */
	enum conf_priority priority;
	uint64_t id;           /* told to the backend, and the log; 0: none */
	uint32_t last_backend; /* slot */
	uint8_t back_tls;      /* as back_tls_version() */
	bool is_waiting;
	struct deferred deferred;
};

static void stream_run(struct tcp_stream *s);

static struct worker *
worker_of(const struct tcp_stream *s)
{
	return s->listener->worker;
}

static struct mono
now_of(const struct tcp_stream *s)
{
	return loop_now(worker_of(s)->loop);
}

/* end */

/* Without one 0, else ID_DIGITS. */
static uint8_t
format_id(const struct tcp_stream *s, char buf[ID_DIGITS + 1])
{
	if (s->id == 0)
		return 0;
	snprintf(buf, ID_DIGITS + 1, "%016" PRIx64, s->id);
	return ID_DIGITS;
}

static void
log_access(const struct tcp_stream *s, enum end_reason reason)
{
	struct worker *w = worker_of(s);
	const struct tls_facts *facts = tls_stream_facts(s->front.filter);
	char id[ID_DIGITS + 1];
	uint8_t id_n = format_id(s, id);
	struct access_record *r;
	uint32_t tries_n;
	uint32_t tls_n;
	uint32_t n;
	char *p;

	if (w->conf->log.access == TG_ACCESS_OFF)
		return;
	tries_n = (uint32_t)(s->tries.n_failed * sizeof(s->tries.failed[0]));
	tls_n = s->name != NULL ? (uint32_t)strlen(s->name) : tls_record_room(facts);
	n = (uint32_t)sizeof(*r) + tries_n + id_n + tls_n + origin_record_room(s->origin);
	r = ring_reserve(w->ring, n);
	if (r == NULL) {
		counter_add(&s->listener->counters, TG_L_LOG_DROPPED, 1);
		return;
	}
	*r = (struct access_record){
		.end = wall_read(),
		.bytes_in = s->tunnel.up.bytes,
		.bytes_out = s->tunnel.down.bytes,
		.queue_us = mono_is_set(s->phase) ? access_us(s->queue_us) : TG_ACCESS_UNSET,
		.connect_us = access_span_us(s->connected, s->phase),
		.response_us = TG_ACCESS_UNSET,
		.total_us = access_span_us(now_of(s), s->begin),
		.client_ip = s->ip,
		.client_port = s->port,
		.listener = s->listener->conf->segment_slot,
		.service = s->service->conf->segment_slot,
		.backend = s->last_backend,
		.tries = (uint8_t)s->tries.n,
		.n_failed = (uint8_t)s->tries.n_failed,
		.denied = (uint8_t)s->tries.denied,
		.choice = (uint8_t)s->lease.choice,
		.reason = (uint8_t)reason,
		.mode = TG_MODE_TCP,
		.request_id_len = id_n,
		.back_tls = s->back_tls,
	};
	p = r->strings;
	memcpy(p, s->tries.failed, tries_n);
	p += tries_n;
	memcpy(p, id, id_n);
	p += id_n;
	tls_record_put(facts, r, p);
	if (s->name != NULL) {
		r->sni_len = (uint8_t)tls_n;
		memcpy(p, s->name, tls_n);
	}
	origin_record_put(s->origin, r, p + tls_n);
	ring_commit(w->ring, n);
}

static void
count_backend_time(struct worker_backend *b, uint64_t us)
{
	histogram_add(&b->histograms[TG_HISTOGRAM_TOTAL], us);
	spread_add(b->spread, us);
}

static void
count(const struct tcp_stream *s, enum end_reason reason)
{
	const struct segment_counters *l = &s->listener->counters;
	const struct segment_counters *c = &s->service->counters;
	struct segment_histogram *h = s->service->histograms;
	uint64_t total_us = mono_diff_us(now_of(s), s->begin);
	uint64_t connect_us = mono_diff_us(s->connected, s->phase);

	counter_add(l, TG_L_BYTES_IN, s->tunnel.up.bytes);
	counter_add(l, TG_L_BYTES_OUT, s->tunnel.down.bytes);
	counter_add_end(l, reason);
	counter_add(c, TG_S_BYTES_IN, s->tunnel.up.bytes);
	counter_add(c, TG_S_BYTES_OUT, s->tunnel.down.bytes);
	counter_add(c, TG_S_TIME_QUEUE_US, s->queue_us);
	counter_add(c, TG_S_TIME_CONNECT_US, connect_us);
	counter_add(c, TG_S_TIME_TOTAL_US, total_us);
	counter_add_end(c, reason);
	if (s->queue_us > 0)
		histogram_add(&h[TG_HISTOGRAM_QUEUE], s->queue_us);
	histogram_add(&h[TG_HISTOGRAM_TOTAL], total_us);
	histogram_add(&s->listener->histograms[TG_HISTOGRAM_TOTAL], total_us);
	if (s->lease.backend == NULL)
		return;
	c = &s->lease.backend->counters;
	counter_add(c, TG_B_BYTES_IN, s->tunnel.up.bytes);
	counter_add(c, TG_B_BYTES_OUT, s->tunnel.down.bytes);
	counter_add(c, TG_B_TIME_CONNECT_US, connect_us);
	counter_add(c, TG_B_TIME_TOTAL_US, total_us);
	counter_add_end(c, reason);
	if (mono_is_set(s->connected))
		count_backend_time(s->lease.backend, mono_diff_us(now_of(s), s->phase));
}

static void
stream_free(struct deferred *d)
{
	struct tcp_stream *s = TG_CONTAINER(d, struct tcp_stream, deferred);

	origin_free(s->origin);
	free(s->name);
	free(s);
}

static void
end_lease(struct tcp_stream *s, bool failed)
{
	struct balance_outcome outcome = {
		.latency_us = mono_diff_us(s->connected, s->phase),
		.answered = mono_is_set(s->connected),
		.failed = failed,
		.unreached = failed && !mono_is_set(s->connected),
		.now = now_of(s),
	};

	lease_end(&s->lease, &outcome);
}

/* Whatever ends the wait: its time counts. */
static void
wait_end(struct tcp_stream *s)
{
	if (!s->is_waiting)
		return;
	s->queue_us += mono_diff_us(now_of(s), s->phase);
	s->next_try = (struct mono){0};
	s->is_waiting = false;
}

static void
trace(const struct tcp_stream *s, enum end_reason reason)
{
	const struct worker *w = worker_of(s);

	if (!trace_is_on())
		return;
	trace_stream_end(&(struct trace_end){
		.worker = w->id,
		.listener = s->listener->conf,
		.service = s->service->conf,
		.backend = worker_backend_name(w, s->last_backend),
		.tries = s->tries.n,
		.reason = reason,
	});
}

/* The one end. What did not end on both sides by itself is reset on both. */
static void
stream_end(struct tcp_stream *s, enum end_reason why)
{
	bool is_queue_abort = why == TG_END_CLIENT_ABORT && s->is_waiting;
	enum end_reason reason = is_queue_abort ? TG_END_QUEUE_ABORT : why;
	struct worker *w = worker_of(s);
	struct worker_listener *l = s->listener;

	wait_end(s);
	count(s, reason);
	log_access(s, reason);
	trace(s, reason);
	tunnel_fini(&s->tunnel, &w->bufs, &w->pipes);
	buf_put(&w->bufs, &s->in);
	if (reason == TG_END_DONE) {
		back_close(&s->back);
		conn_close(&s->front);
	} else {
		back_abort(&s->back);
		conn_abort(&s->front);
	}
	end_lease(s, end_reason_is_backends(reason));
	timer_fini(&s->timer);
	worker_service_leave(s->service);
	front_leave(l, &s->link);
	listener_released(l);
	loop_defer(w->loop, &s->deferred, stream_free);
}

/* time */

static uint64_t
idle_ms(const struct tcp_stream *s)
{
	const struct conf_back_timeouts *back = &s->service->conf->timeouts;
	uint64_t front = s->listener->conf->timeouts.idle_ms;
	uint64_t ms = front < back->tunnel_ms ? front : back->tunnel_ms;

	return tunnel_is_half_closed(&s->tunnel) && back->idle_ms < ms ? back->idle_ms : ms;
}

/* Of the state the stream is in. */
static struct mono
state_due(const struct tcp_stream *s)
{
	const struct conf_back_timeouts *timeouts = &s->service->conf->timeouts;

	if (mono_is_set(s->connected))
		return tunnel_due(&s->tunnel, idle_ms(s));
	if (!s->is_waiting)
		return mono_add_ms(s->phase, timeouts->connect_ms);
	return mono_is_set(s->next_try) ? s->next_try : lease_due(&s->lease);
}

/* When it must end, whatever happens until then; UINT64_MAX: never. */
static struct mono
last_due(const struct tcp_stream *s, enum end_reason *ret_reason)
{
	const struct conf_back_timeouts *timeouts = &s->service->conf->timeouts;
	struct mono due = {UINT64_MAX};
	struct mono end;

	*ret_reason = TG_END_TOTAL_TIMEOUT;
	if (timeouts->total_ms != 0)
		due = mono_add_ms(s->begin, timeouts->total_ms);
	if (timeouts->tunnel_max_ms == 0 || !mono_is_set(s->connected))
		return due;
	end = mono_add_ms(s->connected, timeouts->tunnel_max_ms);
	if (end.us >= due.us)
		return due;
	*ret_reason = TG_END_TUNNEL_LIFETIME;
	return end;
}

static struct mono
next_due(const struct tcp_stream *s)
{
	enum end_reason reason;
	struct mono due = state_due(s);
	struct mono last = last_due(s, &reason);

	return last.us < due.us ? last : due;
}

/* waiting */

static void attempt(struct tcp_stream *s);
static void go(struct tcp_stream *s);

/* Through a filter it is read to see it. */
static bool
has_said_something(struct tcp_stream *s)
{
	char byte;
	ssize_t n;

	if (s->in != NULL && buf_len(s->in) > 0)
		return true;
	if (s->front.filter == NULL)
		return conn_peek(&s->front, &byte, 1) > 0;
	if (s->in == NULL)
		s->in = buf_get(&worker_of(s)->bufs, TG_BUF_SMALL);
	if (s->in == NULL)
		return true;
	n = conn_recv(&s->front, s->in->bytes, buf_room(s->in));
	if (n > 0)
		s->in->w += (uint32_t)n;
	else
		buf_put(&worker_of(s)->bufs, &s->in);
	return n > 0;
}

/* Its client has sent its end. What was said before that may be all there was to say. */
static bool
is_given_up(struct tcp_stream *s)
{
	if (!s->is_waiting || (s->front.flags & (CONN_HANGUP | CONN_ENDED)) == 0)
		return false;
	switch (s->service->conf->abort_on_close) {
	case TG_ABORT_AUTO:
		return !has_said_something(s);
	case TG_ABORT_ALWAYS:
		return true;
	case TG_ABORT_NEVER:
	case TG_ABORT_COUNT:
		break;
	}
	return false;
}

static void
wait_begin(struct tcp_stream *s, struct mono next_try)
{
	s->phase = now_of(s);
	s->next_try = next_try;
	s->is_waiting = true;
	if (is_given_up(s))
		stream_end(s, TG_END_CLIENT_ABORT);
	else
		timer_set(worker_of(s)->loop, &s->timer, next_due(s));
}

static void
on_place(struct lease *lease, bool has_place)
{
	static const struct balance_outcome unused;
	struct tcp_stream *s = TG_CONTAINER(lease, struct tcp_stream, lease);
	enum end_reason reason;

	wait_end(s);
	if (has_place && now_of(s).us >= last_due(s, &reason).us) {
		lease_end(lease, &unused);
		stream_end(s, reason);
	} else if (has_place) {
		go(s);
	} else {
		stream_end(s, lease->refusal);
	}
}

static void
on_due(struct lease *lease)
{
	struct tcp_stream *s = TG_CONTAINER(lease, struct tcp_stream, lease);

	timer_set(worker_of(s)->loop, &s->timer, next_due(s));
}

/* `rc` of lease_wait() or lease_hold(). */
static void
wait_for_place(struct tcp_stream *s, int rc)
{
	if (rc != 0) {
		stream_end(s, s->lease.refusal);
		return;
	}
	s->lease.on_due = on_due;
	counter_add(&s->service->counters, TG_S_QUEUED, 1);
	wait_begin(s, (struct mono){0});
}

static void
on_wait_over(struct tcp_stream *s)
{
	bool was_pause = mono_is_set(s->next_try);

	wait_end(s);
	if (was_pause)
		attempt(s);
	else
		stream_end(s, s->lease.is_held ? TG_END_HOLD_TIMEOUT : TG_END_QUEUE_TIMEOUT);
}

/* connecting */

static void
on_back(struct back *b)
{
	stream_run(b->stream);
}

/* The connect failed or takes too long. */
static void
try_elsewhere(struct tcp_stream *s, enum end_reason reason)
{
	const struct segment_counters *c = &s->lease.backend->counters;
	bool again = tries_connect_again(&s->tries, s->service, s->lease.backend, reason);
	uint64_t pause_ms = 0;

	counter_add(c, TG_B_CONNECT_ERRORS, 1);
	tries_failed(&s->tries, s->lease.backend, reason);
	if (!again) {
		stream_end(s, reason);
		return;
	}
	counter_add(c, TG_B_RETRIES, 1);
	counter_add_end(c, reason);
	back_close(&s->back);
	end_lease(s, true);
	if (!lease_is_possible(s->service, &s->tries.query))
		pause_ms = tries_start_over(&s->tries, s->service);
	if (pause_ms > 0)
		wait_begin(s, mono_add_ms(now_of(s), pause_ms));
	else
		attempt(s);
}

/* A connection has no other id; 0 is none. */
static void
make_id(struct tcp_stream *s)
{
	while (s->id == 0 && (s->origin == NULL || s->origin->header.id.n == 0))
		s->id = worker_random(worker_of(s));
}

/* What it is to say first. -TG_ENOMEM. */
static int
greet(struct tcp_stream *s)
{
	char id[ID_DIGITS + 1];
	struct greet_client client = {
		.conn = &s->front,
		.tls = tls_stream_facts(s->front.filter),
		.origin = s->origin,
		.ip = s->ip,
		.port = s->port,
		.name = {s->name, s->name != NULL ? strlen(s->name) : 0},
	};

	if (s->service->conf->send_proxy == TG_SEND_PROXY_OFF)
		return 0;
	make_id(s);
	client.id = (struct proxy_text){id, format_id(s, id)};
	return greet_prepare(s->back, &client, NULL);
}

/* A place is held. */
static void
go(struct tcp_stream *s)
{
	s->last_backend = s->lease.backend->slot;
	tries_next(&s->tries, s->lease.backend);
	s->phase = now_of(s);
	s->back = back_connect(s->lease.backend, &s->lease.addr, on_back, s);
	if (s->back != NULL && greet(s) != 0) {
		back_close(&s->back);
		errno = ENOMEM;
	}
	if (s->back != NULL)
		stream_run(s);
	else if (back_error_is_ours(errno))
		stream_end(s, TG_END_NO_RESOURCE);
	else
		try_elsewhere(s, TG_END_CONNECT_FAILED);
}

/* The stream may have ended afterwards. */
static void
attempt(struct tcp_stream *s)
{
	enum conf_priority priority = s->priority;
	int rc = lease_begin(&s->lease, s->service, &s->tries.query, TG_LEASE_ANY);

	if (rc == 0) {
		go(s);
	} else if (rc == -TG_EAGAIN) {
		wait_for_place(s, lease_wait(&s->lease, s->service, &s->tries.query, priority,
					     on_place));
	} else {
		rc = lease_hold(&s->lease, s->service, &s->tries.query, priority, on_place);
		if (rc != 0)
			counter_add(&s->service->counters, TG_S_NO_BACKEND, 1);
		wait_for_place(s, rc);
	}
}

static void
on_connected(struct tcp_stream *s)
{
	uint64_t connect_us;

	s->connected = now_of(s);
	s->back_tls = back_tls_version(s->back);
	connect_us = mono_diff_us(s->connected, s->phase);
	histogram_add(&s->service->histograms[TG_HISTOGRAM_CONNECT], connect_us);
	histogram_add(&s->lease.backend->histograms[TG_HISTOGRAM_CONNECT], connect_us);
	tunnel_init(&s->tunnel, &s->front, &s->back->conn, &s->in, NULL,
		    s->listener->conf->buffer_bytes, s->connected);
}

/* relaying */

static void
relay(struct tcp_stream *s)
{
	struct worker *w = worker_of(s);

	switch (tunnel_step(&s->tunnel, now_of(s), &w->bufs, &w->pipes)) {
	case TUNNEL_AGAIN:
		watch_again(w->loop, &s->front.watch);
		break;
	case TUNNEL_PARKED:
		break;
	case TUNNEL_ENDED:
		stream_end(s, TG_END_DONE);
		return;
	case TUNNEL_FRONT_FAILED:
		stream_end(s, TG_END_CLIENT_ABORT);
		return;
	case TUNNEL_BACK_FAILED:
		stream_end(s, TG_END_BACK_ABORT);
		return;
	case TUNNEL_NO_RESOURCE:
		stream_end(s, TG_END_NO_RESOURCE);
		return;
	}
	timer_set(w->loop, &s->timer, next_due(s));
}

static void
stream_run(struct tcp_stream *s)
{
	int rc = 0;

	if (!mono_is_set(s->connected)) {
		rc = back_connected(s->back);
		if (rc == 0)
			on_connected(s);
	}
	if (rc == 0)
		relay(s);
	else if (rc == -TG_EAGAIN)
		timer_set(worker_of(s)->loop, &s->timer, next_due(s));
	else
		try_elsewhere(s, rc == -TG_EPROTO ? TG_END_TLS_FAILED : TG_END_CONNECT_FAILED);
}

static void
on_front(struct watch *watch, unsigned what)
{
	struct tcp_stream *s = TG_CONTAINER(watch, struct tcp_stream, front.watch);

	conn_note(&s->front, what);
	/* Until then the client waits: what it sends stays in the kernel. */
	if (mono_is_set(s->connected))
		relay(s);
	else if (conn_is_reset(&s->front) || is_given_up(s))
		stream_end(s, TG_END_CLIENT_ABORT);
}

static void
give_up_connect(struct tcp_stream *s)
{
	back_timed_out(s->back);
	try_elsewhere(s, TG_END_CONNECT_TIMEOUT);
}

static void
on_timer(struct timer *t)
{
	struct tcp_stream *s = TG_CONTAINER(t, struct tcp_stream, timer);
	struct mono now = now_of(s);
	enum end_reason reason;

	if (now.us >= last_due(s, &reason).us)
		stream_end(s, reason);
	else if (s->is_waiting && now.us >= next_due(s).us)
		on_wait_over(s);
	else if (!mono_is_set(s->connected) && now.us >= next_due(s).us)
		give_up_connect(s);
	else if (!mono_is_set(s->connected))
		timer_set(worker_of(s)->loop, t, next_due(s));
	else if (tunnel_on_time(&s->tunnel, now, idle_ms(s)))
		stream_end(s, TG_END_TUNNEL_TIMEOUT);
	else
		relay(s);
}

/* listener */

static int
tcp_init(struct worker_listener *l)
{
	if (l->conf->n_routes == 0)
		return 0;
	l->routes = http_routes_new(l->conf);
	return l->routes != NULL ? 0 : -TG_ENOMEM;
}

static void
tcp_fini(struct worker_listener *l)
{
	http_routes_free(l->routes);
}

static const struct conf_route *
tcp_route(const struct worker_listener *l, const char *name, const unsigned char *alpn, size_t alpn_n)
{
	return http_routes_find_name(l->routes, (struct slice){name, strlen(name)},
				     (struct slice){(const char *)alpn, alpn_n});
}

/* Nobody is there any more to take it, or there is no memory. */
static void
drop(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct buf *in = a->in;

	buf_put(&w->bufs, &in);
	free(a->name);
	accepted_drop(a);
	listener_released(l);
}

static void
take_accepted(struct tcp_stream *s, const struct accepted *a)
{
	const struct conf_listener *conf = s->listener->conf;

	s->priority = a->service != NULL ? a->priority : conf->priority;
	(void)addr_ip(&a->from, &s->ip);
	s->port = addr_port(&a->from);
	s->origin = a->origin;
	s->name = a->name;
	s->in = a->in;
}

static void
tcp_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct worker_service *service =
		listener_service(l, a->service != NULL ? a->service : l->conf->service);
	struct tcp_stream *s = service != NULL ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL) {
		drop(w, l, a);
		return;
	}
	s->listener = l;
	s->service = service;
	s->begin = loop_now(w->loop);
	s->last_backend = TG_ACCESS_NONE;
	take_accepted(s, a);
	timer_init(&s->timer, on_timer);
	if (accepted_open(a, &s->front, w->loop, on_front) != 0) {
		buf_put(&w->bufs, &s->in);
		free(s->name);
		free(s);
		listener_released(l);
		return;
	}
	front_join(l, &s->link, &l4_front_ops);
	worker_service_use(s->service);
	counter_add(&l->counters, TG_L_STREAMS, 1);
	s->tries.query.key = hash_bytes(&s->ip, sizeof(s->ip), 0);
	tries_begin(s->service);
	attempt(s);
}

/* A connection is let run: only its own end ends it. */
static void
tcp_drain(struct front_link *link)
{
	(void)link;
}

static enum front_kind
tcp_cut(struct front_link *link)
{
	stream_end((struct tcp_stream *)link, TG_END_SHUTDOWN);
	return FRONT_TCP;
}

static void
tcp_cut_backend(struct front_link *link, const struct worker_backend *backend)
{
	struct tcp_stream *s = (struct tcp_stream *)link;

	if (s->lease.backend == backend)
		stream_end(s, TG_END_ORDERED);
}

static void
tcp_end(struct front_link *link)
{
	stream_end((struct tcp_stream *)link, TG_END_ORDERED);
}

static void
tcp_describe(const struct front_link *link, struct msg_session *m)
{
	const struct tcp_stream *s = (const struct tcp_stream *)link;

	m->request_us = mono_diff_us(now_of(s), s->begin);
	m->bytes_in = s->tunnel.up.bytes;
	m->bytes_out = s->tunnel.down.bytes;
	m->service = s->service->conf->segment_slot;
	if (s->lease.backend != NULL)
		m->backend = s->lease.backend->slot;
	m->phase = mono_is_set(s->connected) ? TG_PHASE_TUNNEL
		   : s->is_waiting           ? TG_PHASE_WAIT
					     : TG_PHASE_CONNECT;
	m->tries = (uint32_t)s->tries.n;
	m->client_ip = s->ip;
	m->client_port = s->port;
}

const struct front_ops l4_front_ops = {
	.init = tcp_init,
	.fini = tcp_fini,
	.route = tcp_route,
	.open = tcp_open,
	.drain = tcp_drain,
	.close = tcp_cut,
	.cut = tcp_cut_backend,
	.end = tcp_end,
	.describe = tcp_describe,
};
