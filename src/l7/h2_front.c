#include "l7/h2_front_priv.h"

#include <stdlib.h>

#include "backend/arrival.h"
#include "base/container.h"
#include "base/log.h"
#include "observe/counters.h"
#include "tls/stream.h"

/* Our end is sent: what still comes is dropped, so that it can be read before a reset. */
#define LINGER_MS     2000u
#define LINGER_ROUNDS 16u
/* While the listener drains, a client that has heard of it has so long to ask for what it has under way. */
#define DRAIN_MS 1000u
/* Lines of the log a second. */
#define LOG_LINES 5u

_Static_assert(TG_L_H2_CALM_HEAD - TG_L_H2_CALM_RESETS == H2_CALM_HEAD &&
		       TG_L_H2_STALLED - TG_L_H2_HEADERS == H2_EVENT_STALLED,
	       "a counter for each, in their order");

static struct log_limit calmed;

static struct worker *
worker_of(const struct h2_front *h)
{
	return h->listener->worker;
}

static struct mono
now_of(const struct h2_front *h)
{
	return loop_now(worker_of(h)->loop);
}

static void
arm(struct h2_front *h, uint64_t ms)
{
	timer_set(worker_of(h)->loop, &h->timer, mono_add_ms(now_of(h), ms));
}

/* Requests run, or answers are not delivered yet. */
static bool
is_busy(const struct h2_front *h)
{
	return !LIST_EMPTY(&h->fronts) || h->session.n_streams > 0;
}

static struct mono
rest_due(const struct h2_front *h)
{
	const struct conf_front_timeouts *timeouts = &h->listener->conf->timeouts;

	return mono_add_ms(h->rested,
			   h->is_further ? timeouts->keep_alive_ms : timeouts->request_head_ms);
}

static struct mono
head_due(const struct h2_front *h)
{
	return mono_add_ms(h->session.head_begun, h->listener->conf->timeouts.request_head_ms);
}

static struct mono
earlier(struct mono a, struct mono b)
{
	return a.us < b.us ? a : b;
}

/* When to look next. */
static void
rearm(struct h2_front *h)
{
	uint64_t idle_ms = h->listener->conf->timeouts.idle_ms;
	struct mono due = rest_due(h);

	if (is_busy(h))
		due = mono_add_ms(now_of(h), h->is_checked ? idle_ms / 2 : L7_QUIET_MS);
	if (mono_is_set(h->session.head_begun))
		due = earlier(due, head_due(h));
	if (h->draining && !h->session.is_last_told)
		due = earlier(due, h->drain_end);
	timer_set(worker_of(h)->loop, &h->timer, due);
}

static void
h2_front_free(struct deferred *d)
{
	struct h2_front *h = TG_CONTAINER(d, struct h2_front, deferred);

	origin_free(h->origin);
	free(h);
}

static void
end_fronts(struct h2_front *h, enum end_reason reason)
{
	struct front *f;

	while ((f = LIST_FIRST(&h->fronts)) != NULL)
		front_stop(f, reason);
}

static void
h2_front_close(struct h2_front *h, enum end_reason reason)
{
	struct worker_listener *l = h->listener;
	struct worker *w = l->worker;

	if (!conn_is_open(&h->conn))
		return;
	end_fronts(h, reason);
	back_place_close(&h->place);
	h2_session_close(&h->session);
	timer_fini(&h->timer);
	front_leave(l, &h->link);
	conn_close(&h->conn);
	atomic_fetch_sub_explicit(&l->shared->h2_connections, 1, memory_order_relaxed);
	listener_released(l);
	loop_defer(w->loop, &h->deferred, h2_front_free);
}

/* lingering */

static void
linger_read(struct h2_front *h)
{
	char bytes[4096];
	ssize_t n = 1;

	for (unsigned i = 0; i < LINGER_ROUNDS && n > 0; i++) {
		n = conn_recv(&h->conn, bytes, sizeof(bytes));
		if (n > 0)
			conn_recheck(&h->conn);
	}
	if (n > 0)
		watch_again(worker_of(h)->loop, &h->conn.watch);
	else if (n == -TG_EIO || (n == 0 && !conn_has_unsent(&h->conn)))
		h2_front_close(h, TG_END_DONE);
}

static void
linger(struct h2_front *h)
{
	end_fronts(h, TG_END_CLIENT_ABORT);
	h2_session_close(&h->session);
	h->is_lingering = true;
	conn_shutdown(&h->conn);
	conn_recheck(&h->conn);
	arm(h, LINGER_MS);
	linger_read(h);
}

/* running */

static void
go_on(struct h2_front *h, enum h2_result result)
{
	switch (result) {
	case H2_GOES_ON:
		break;
	case H2_OVER:
		linger(h);
		break;
	case H2_FAILED:
		h2_front_close(h, TG_END_CLIENT_ABORT);
		break;
	}
}

static void
on_watch(struct watch *watch, unsigned what)
{
	struct h2_front *h = TG_CONTAINER(watch, struct h2_front, conn.watch);

	conn_note(&h->conn, what);
	if (h->is_lingering)
		linger_read(h);
	else
		go_on(h, h2_session_run(&h->session));
}

/* Nothing more is taken; a client that does not hear of it is not waited for. */
static void
end_session(struct h2_front *h)
{
	h->is_ending = true;
	h2_session_end(&h->session);
	arm(h, LINGER_MS);
}

/* A reset may hide behind the last bytes: the carrier is asked, once. */
static void
check_client(struct h2_front *h)
{
	h->is_checked = true;
	conn_recheck(&h->conn);
	go_on(h, h2_session_run(&h->session));
}

/* Of what is under way. */
static void
watch_progress(struct h2_front *h)
{
	uint64_t idle_us = h->listener->conf->timeouts.idle_ms * 1000u;
	struct mono now = now_of(h);
	struct mono since = {now.us > idle_us ? now.us - idle_us : 0};

	if (!h2_session_expire(&h->session, since)) {
		counter_add(&h->listener->counters, TG_L_H2_STALLED, 1);
		h2_front_close(h, TG_END_CLIENT_TIMEOUT);
	} else if (!h->is_checked) {
		check_client(h);
	}
}

static void
on_timer(struct timer *t)
{
	struct h2_front *h = TG_CONTAINER(t, struct h2_front, timer);
	struct mono now = now_of(h);

	if (h->is_lingering || h->is_ending) {
		h2_front_close(h, TG_END_CLIENT_TIMEOUT);
		return;
	}
	if (h->draining && now.us >= h->drain_end.us)
		h2_session_drain_now(&h->session);
	if ((mono_is_set(h->session.head_begun) && now.us >= head_due(h).us) ||
	    (!is_busy(h) && now.us >= rest_due(h).us)) {
		end_session(h);
		return;
	}
	if (is_busy(h))
		watch_progress(h);
	if (conn_is_open(&h->conn) && !h->is_lingering)
		rearm(h);
}

/* NULL: no memory. */
static struct front *
open_front(struct h2_front *h, struct h2_stream *stream)
{
	struct front *f = front_open_over(h, stream);

	if (f == NULL)
		return NULL;
	LIST_INSERT_HEAD(&h->fronts, f, sibling);
	h->is_further = true;
	h->is_checked = false;
	return f;
}

static bool
on_stream(struct h2_session *s, struct h2_stream *stream)
{
	struct h2_front *h = TG_CONTAINER(s, struct h2_front, session);
	bool is_first = LIST_EMPTY(&h->fronts);

	if (open_front(h, stream) == NULL)
		return false;
	if (is_first)
		rearm(h);
	return true;
}

static void
on_malformed(struct h2_session *s, struct h2_stream *stream, const struct h2_malformed *what)
{
	struct front *f = open_front(TG_CONTAINER(s, struct h2_front, session), stream);

	if (f != NULL)
		front_refuse_over(f, what);
}

void
h2_front_left(struct h2_front *h, struct front *f)
{
	LIST_REMOVE(f, sibling);
	if (!LIST_EMPTY(&h->fronts) || h->is_lingering || h->is_ending)
		return;
	h->rested = now_of(h);
	rearm(h);
}

static void
on_event(struct h2_session *s, enum h2_event event)
{
	struct h2_front *h = TG_CONTAINER(s, struct h2_front, session);

	counter_add(&h->listener->counters, TG_L_H2_HEADERS + (unsigned)event, 1);
}

static void
on_calm(struct h2_session *s, enum h2_calm calm)
{
	struct h2_front *h = TG_CONTAINER(s, struct h2_front, session);
	struct addr from = ip_addr(&h->ip, h->port);
	char client[TG_ADDR_STRLEN];
	unsigned suppressed = 0;

	counter_add(&h->listener->counters, TG_L_H2_CALM_RESETS + (unsigned)calm, 1);
	if (log_limit_pass(&calmed, LOG_LINES, now_of(h), &suppressed))
		log_write(TG_LOG_WARN, "a client of HTTP/2 is told to calm down",
			  "listener=%s client=%s reason=%s suppressed=%u", h->listener->conf->name,
			  addr_format(&from, client, sizeof(client)), h2_calm_str(calm),
			  suppressed);
}

static uint64_t
give_random(struct h2_session *s)
{
	return worker_random(worker_of(TG_CONTAINER(s, struct h2_front, session)));
}

static const struct h2_session_ops session_ops = {
	.on_stream = on_stream,
	.on_malformed = on_malformed,
	.random = give_random,
	.on_event = on_event,
	.on_calm = on_calm,
};

/* as a front */

static void
h2_front_drain(struct front_link *link)
{
	struct h2_front *h = (struct h2_front *)link;

	if (h->draining || h->is_lingering)
		return;
	h->draining = true;
	h->drain_end = mono_add_ms(now_of(h), DRAIN_MS);
	h2_session_drain(&h->session);
	rearm(h);
}

static enum front_kind
h2_front_cut(struct front_link *link)
{
	h2_front_close((struct h2_front *)link, TG_END_SHUTDOWN);
	return FRONT_RESTING;
}

/* What runs there are fronts of their own. */
static void
h2_front_cut_backend(struct front_link *link, const struct worker_backend *backend)
{
	(void)link;
	(void)backend;
}

static void
h2_front_end(struct front_link *link)
{
	h2_front_close((struct h2_front *)link, TG_END_ORDERED);
}

static void
h2_front_describe(const struct front_link *link, struct msg_session *m)
{
	const struct h2_front *h = (const struct h2_front *)link;

	m->client_ip = h->ip;
	m->client_port = h->port;
	if (h->is_lingering)
		m->phase = TG_PHASE_LINGER;
	else
		m->phase = is_busy(h) ? TG_PHASE_STREAMS : TG_PHASE_REST;
}

static const struct front_ops h2_front_ops = {
	.drain = h2_front_drain,
	.close = h2_front_cut,
	.cut = h2_front_cut_backend,
	.end = h2_front_end,
	.describe = h2_front_describe,
};

/* opening */

static int
open_session(struct h2_front *h)
{
	const struct conf_listener *conf = h->listener->conf;
	struct h2_limits limits = {
		.streams = conf->http2.max_streams,
		.window = conf->http2.stream_window,
		.connection_window = conf->http2.connection_window,
		.head_bytes = conf->limits.head_bytes,
		.calm =
			{
				[H2_CALM_RESETS] = conf->http2.max_resets,
				[H2_CALM_ERRORS] = conf->http2.max_errors,
				[H2_CALM_CONTINUATION] = conf->http2.max_continuations,
				[H2_CALM_SETTINGS] = conf->http2.max_settings,
				[H2_CALM_PINGS] = conf->http2.max_pings,
				[H2_CALM_EMPTY_DATA] = conf->http2.max_empty_data,
				[H2_CALM_PRIORITY] = conf->http2.max_priority,
				[H2_CALM_WINDOW_UPDATES] = conf->http2.max_window_updates,
				[H2_CALM_ENDED] = conf->http2.max_ended,
			},
	};

	return h2_session_open(&h->session, worker_of(h)->h2, &limits, &session_ops, &h->conn);
}

static struct h2_front *
h2_front_new(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct h2_front *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		accepted_drop(a);
		return NULL;
	}
	h->listener = l;
	(void)addr_ip(&a->from, &h->ip);
	h->port = addr_port(&a->from);
	h->origin = a->origin;
	h->rested = loop_now(w->loop);
	LIST_INIT(&h->fronts);
	back_place_init(&h->place, l->conf->http2.max_streams);
	timer_init(&h->timer, on_timer);
	if (accepted_open(a, &h->conn, w->loop, on_watch) != 0) {
		free(h);
		return NULL;
	}
	h->tls = tls_stream_facts(h->conn.filter);
	return h;
}

void
h2_front_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct h2_front *h = h2_front_new(w, l, a);
	struct buf *in = a->in;

	if (h == NULL) {
		buf_put(&w->bufs, &in);
		listener_released(l);
		return;
	}
	front_join(l, &h->link, &h2_front_ops);
	counter_add(&l->counters, TG_L_H2_CONNECTIONS, 1);
	atomic_fetch_add_explicit(&l->shared->h2_connections, 1, memory_order_relaxed);
	if (open_session(h) < 0) {
		h2_front_close(h, TG_END_NO_RESOURCE);
	} else {
		rearm(h);
		if (in != NULL)
			go_on(h, h2_session_feed(&h->session, buf_data(in), buf_len(in)));
		if (a->is_draining && conn_is_open(&h->conn))
			h2_front_drain(&h->link);
	}
	buf_put(&w->bufs, &in);
}
