#include "l7/h2_front_priv.h"

#include <stdlib.h>

#include "backend/arrival.h"
#include "base/container.h"
#include "tls/stream.h"

/* Our end is sent: what still comes is dropped, so that it can be read before a reset. */
#define LINGER_MS     2000u
#define LINGER_ROUNDS 16u

static struct worker *
worker_of(const struct h2_front *h)
{
	return h->listener->worker;
}

static void
arm(struct h2_front *h, uint64_t ms)
{
	struct loop *loop = worker_of(h)->loop;

	timer_set(loop, &h->timer, mono_add_ms(loop_now(loop), ms));
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
		front_end_over(f, reason);
}

static void
h2_front_close(struct h2_front *h, enum end_reason reason)
{
	struct worker_listener *l = h->listener;
	struct worker *w = l->worker;

	if (!conn_is_open(&h->conn))
		return;
	end_fronts(h, reason);
	h2_session_close(&h->session);
	timer_fini(&h->timer);
	front_leave(l, &h->link);
	conn_close(&h->conn);
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

static void
on_timer(struct timer *t)
{
	struct h2_front *h = TG_CONTAINER(t, struct h2_front, timer);

	if (h->is_lingering)
		h2_front_close(h, TG_END_DONE);
	else if (LIST_EMPTY(&h->fronts))
		h2_session_end(&h->session);
}

static bool
on_stream(struct h2_session *s, struct h2_stream *stream)
{
	struct h2_front *h = TG_CONTAINER(s, struct h2_front, session);
	struct front *f = front_open_over(h, stream);

	if (f == NULL)
		return false;
	LIST_INSERT_HEAD(&h->fronts, f, sibling);
	return true;
}

void
h2_front_left(struct h2_front *h, struct front *f)
{
	LIST_REMOVE(f, sibling);
	if (LIST_EMPTY(&h->fronts) && !h->is_lingering)
		arm(h, h->listener->conf->timeouts.keep_alive_ms);
}

static uint64_t
give_random(struct h2_session *s)
{
	return worker_random(worker_of(TG_CONTAINER(s, struct h2_front, session)));
}

static const struct h2_session_ops session_ops = {
	.on_stream = on_stream,
	.random = give_random,
};

/* as a front */

static void
h2_front_drain(struct front_link *link)
{
	struct h2_front *h = (struct h2_front *)link;

	h->draining = true;
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
	m->phase = h->is_lingering ? TG_PHASE_LINGER : TG_PHASE_REST;
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
	};

	return h2_session_open(&h->session, l7_of(worker_of(h))->h2, &limits, &session_ops,
			       &h->conn);
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
	h->draining = a->is_draining;
	LIST_INIT(&h->fronts);
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
	arm(h, l->conf->timeouts.request_head_ms);
	if (open_session(h) < 0)
		h2_front_close(h, TG_END_NO_RESOURCE);
	else if (in != NULL)
		go_on(h, h2_session_feed(&h->session, buf_data(in), buf_len(in)));
	buf_put(&w->bufs, &in);
}
