/* Client connections of mode http: from accept to the head of a request, and closing. */
#include <stdlib.h>
#include <string.h>

#include "backend/arrival.h"
#include "base/container.h"
#include "l7/h2_front_priv.h"
#include "l7/l7.h"
#include "tls/stream.h"

/* After our end is sent what still comes is taken and dropped, so that the client
 * can read its answer before a reset (RFC 9112 9.6): until it is silent for so long,
 * and no longer than that in all. */
#define LINGER_QUIET_MS 2000u
#define LINGER_MS       30000u
/* While the listener drains, a client that asks steadily is told with its next answer; one that
 * has rested for so long is not about to ask. */
#define DRAIN_REST_MS 1000u
/* Reads in one turn; then others have theirs. */
#define LINGER_ROUNDS 16u
/* Records of streams of HTTP/2, kept by a worker. */
#define KEEP_FRONTS 1024u

static const struct http_head unread_head = {.minor = HTTP_MINOR_UNKNOWN};

static struct worker *
worker_of(const struct front *f)
{
	return f->listener->worker;
}

static struct mono
front_now(const struct front *f)
{
	return loop_now(worker_of(f)->loop);
}

static void
front_arm(struct front *f, uint64_t ms)
{
	timer_set(worker_of(f)->loop, &f->timer, mono_add_ms(front_now(f), ms));
}

static void
front_free(struct deferred *d)
{
	struct front *f = TG_CONTAINER(d, struct front, deferred);

	if (f->home == NULL) {
		origin_free(f->origin);
		free(f);
	} else if (f->home->n_free_fronts < KEEP_FRONTS) {
		LIST_INSERT_HEAD(&f->home->free_fronts, f, sibling);
		f->home->n_free_fronts++;
	} else {
		free(f);
	}
}

void
front_close(struct front *f, bool reset)
{
	struct worker *w = worker_of(f);
	struct worker_listener *l = f->listener;

	if (!conn_is_open(&f->conn))
		return;
	buf_put(&w->bufs, &f->in);
	if (f->over == NULL)
		back_place_close(&f->place);
	timer_fini(&f->timer);
	front_leave(f->listener, &f->link);
	if (reset)
		conn_abort(&f->conn);
	else
		conn_close(&f->conn);
	if (f->over != NULL)
		h2_front_left(f->over, f);
	else
		listener_released(l);
	loop_defer(w->loop, &f->deferred, front_free);
}

/* lingering */

/* A client that has not taken the end of its answer yet is silent meanwhile. */
static void
linger_arm(struct front *f)
{
	struct mono quiet = mono_add_ms(front_now(f), LINGER_QUIET_MS);
	bool waits = conn_has_unsent(&f->conn) || quiet.us >= f->linger_end.us;

	timer_set(worker_of(f)->loop, &f->timer, waits ? f->linger_end : quiet);
}

/* All it may take. */
static uint64_t
linger_ms(const struct front *f)
{
	uint64_t idle_ms = f->listener->conf->timeouts.idle_ms;

	return conn_has_unsent(&f->conn) && idle_ms > LINGER_MS ? idle_ms : LINGER_MS;
}

/* What conn_recv() said last; >0: there may be more. */
static ssize_t
linger_drop(struct front *f, struct buf *b)
{
	ssize_t n = 1;
	unsigned i;

	for (i = 0; i < LINGER_ROUNDS && n > 0; i++) {
		n = conn_recv(&f->conn, b->bytes, b->cap);
		if (n > 0)
			conn_recheck(&f->conn);
	}
	if (i > 1)
		linger_arm(f);
	return n;
}

static void
linger_read(struct front *f)
{
	struct worker *w = worker_of(f);
	struct buf *b = buf_get(&w->bufs, TG_BUF_SMALL);
	ssize_t n = b != NULL ? linger_drop(f, b) : -TG_EIO;

	buf_put(&w->bufs, &b);
	if (n > 0)
		watch_again(w->loop, &f->conn.watch);
	else if (n == -TG_EIO || (n == 0 && !conn_has_unsent(&f->conn)))
		front_close(f, false);
	else
		linger_arm(f);
}

/* Sends our end and waits for the client's, for a while. */
static void
front_linger(struct front *f)
{
	f->state = FRONT_LINGER;
	buf_put(&worker_of(f)->bufs, &f->in);
	conn_shutdown(&f->conn);
	conn_recheck(&f->conn);
	f->linger_end = mono_add_ms(front_now(f), linger_ms(f));
	linger_arm(f);
	linger_read(f);
}

/* The end of an answer that a filter has taken waits for the client; or that of its handshake is still to come, which
 * a socket that is closed by then answers by a reset. */
static bool
is_owed(const struct front *f)
{
	bool is_early = f->over == NULL && f->tls != NULL && f->tls->is_early;

	return is_early || conn_has_unsent(&f->conn);
}

/* No more requests. */
static void
front_finish(struct front *f)
{
	if (is_owed(f) && (f->conn.flags & (CONN_BROKEN | CONN_FAILED)) == 0)
		front_linger(f);
	else
		front_close(f, false);
}

/* heads */

static void
front_refuse(struct front *f, const struct http_head *head, enum http_fault fault)
{
	enum end_reason reason = TG_END_BAD_REQUEST;

	if (fault == HTTP_FAULT_URI_LENGTH || fault == HTTP_FAULT_HEAD_LENGTH)
		reason = TG_END_REQUEST_LIMIT;
	front_capture(f, fault, f->scan.seen);
	stream_refuse(f, head, http_fault_status(fault), reason);
}

/*
 * An empty line before a request is let pass (RFC 9112 2.2) and begins none, be
 * it all that ever comes. One that is whole is dropped: the next is an error.
 */
static bool
is_only_empty_line(struct front *f)
{
	uint32_t n = buf_len(f->in);

	if (n > 2 || memcmp(buf_data(f->in), "\r\n", n) != 0)
		return false;
	if (n == 2) {
		buf_put(&worker_of(f)->bufs, &f->in);
		f->scan = (struct http1_scan){0};
		f->passed_line = true;
	}
	return true;
}

/* Part of a head is there: false, for front_parse(). */
static bool
begin_head(struct front *f)
{
	if (f->state == FRONT_IDLE && !is_only_empty_line(f)) {
		f->state = FRONT_HEAD;
		/* The first one's time began with accept. */
		if (f->is_further || f->draining)
			front_arm(f, f->listener->conf->timeouts.request_head_ms);
	}
	return false;
}

/* What was read may be the beginning of HTTP/2 (RFC 9113 3.3). */
static bool
may_be_h2(const struct front *f)
{
	uint32_t n = buf_len(f->in);

	return f->listener->conf->h2c && f->tls == NULL && f->over == NULL && !f->is_further &&
	       memcmp(buf_data(f->in), TG_H2_PREFACE, n < TG_H2_PREFACE_N ? n : TG_H2_PREFACE_N) ==
		       0;
}

/* It is: the connection and what was read of it are another front's. */
static void
become_h2(struct front *f)
{
	struct worker *w = worker_of(f);
	struct worker_listener *l = f->listener;
	struct accepted a = {
		.from = ip_addr(&f->ip, f->port),
		.origin = f->origin,
		.is_draining = f->draining,
		.in = f->in,
	};

	f->origin = NULL;
	f->in = NULL;
	timer_fini(&f->timer);
	front_leave(l, &f->link);
	a.fd = conn_give(&f->conn);
	loop_defer(w->loop, &f->deferred, front_free);
	h2_front_open(w, l, &a);
}

/* True: a whole head was there, or a wrong one; the front has a stream, or is closed. */
static bool
front_parse(struct front *f)
{
	const struct conf_limits *conf = &f->listener->conf->limits;
	struct http1_limits limits = {
		.head_bytes = conf->head_bytes,
		.uri_bytes = conf->uri_bytes,
		.headers = conf->headers,
	};
	struct l7_worker *l7 = l7_of(worker_of(f));
	enum http_fault fault = HTTP_FAULT_NONE;
	struct http_head head;
	size_t n = 0;

	if (f->passed_line && buf_len(f->in) > 0 && buf_data(f->in)[0] == '\r') {
		head = (struct http_head){.minor = HTTP_MINOR_UNKNOWN};
		front_refuse(f, &head, HTTP_FAULT_SYNTAX);
		return true;
	}
	if (may_be_h2(f)) {
		if (buf_len(f->in) < TG_H2_PREFACE_N)
			return begin_head(f);
		become_h2(f);
		return true;
	}
	switch (http1_parse_request(l7->request_parser, &f->scan, (const char *)buf_data(f->in),
				    buf_len(f->in), &limits, &head, &n, &fault)) {
	case HTTP1_HEAD:
		f->scan = (struct http1_scan){0};
		f->passed_line = false;
		stream_start(f, &head, n);
		return true;
	case HTTP1_FAULT:
		front_refuse(f, &head, fault);
		return true;
	case HTTP1_INCOMPLETE:
		break;
	}
	return begin_head(f);
}

/* Room for more of a head. False: no memory. */
static bool
front_make_room(struct front *f)
{
	struct worker *w = worker_of(f);

	if (f->in == NULL)
		f->in = buf_get(&w->bufs, TG_BUF_SMALL);
	if (f->in == NULL)
		return false;
	if (buf_room(f->in) > 0)
		return true;
	if (f->in->r > 0) {
		buf_compact(f->in);
		return true;
	}
	return buf_grow(&w->bufs, &f->in) == 0 && buf_room(f->in) > 0;
}

static void
front_read(struct front *f)
{
	ssize_t n;

	for (;;) {
		if (!front_make_room(f)) {
			front_close(f, true);
			return;
		}
		n = conn_recv(&f->conn, f->in->bytes + f->in->w, buf_room(f->in));
		if (n <= 0)
			break;
		if (buf_len(f->in) == 0)
			f->began = front_now(f);
		f->in->w += (uint32_t)n;
		if (front_parse(f))
			return;
		conn_recheck(&f->conn);
	}
	if (n == -TG_EAGAIN) {
		if (buf_len(f->in) == 0)
			buf_put(&worker_of(f)->bufs, &f->in);
		return;
	}
	/* Its body is known to be wrong before its head is looked at. */
	if ((f->conn.flags & CONN_MALFORMED) != 0)
		stream_refuse_unanswered(f, &unread_head, 0, TG_END_BAD_REQUEST);
	else
		front_finish(f);
}

/* A pipelined request may be there already. */
static void
front_resume(struct front *f)
{
	if (f->in != NULL && front_parse(f))
		return;
	front_read(f);
}

static void
on_watch(struct watch *watch, unsigned what)
{
	struct front *f = TG_CONTAINER(watch, struct front, conn.watch);

	conn_note(&f->conn, what);
	if (f->state == FRONT_STREAM)
		stream_on_front(f->stream);
	else if (f->state == FRONT_LINGER)
		linger_read(f);
	else if (what == 0 || (f->state == FRONT_IDLE && f->in != NULL))
		front_resume(f);
	else if ((f->conn.flags & CONN_READABLE) != 0)
		front_read(f);
}

static void
on_timer(struct timer *t)
{
	struct front *f = TG_CONTAINER(t, struct front, timer);

	if (f->state == FRONT_STREAM)
		stream_on_timer(f->stream);
	else if (f->state == FRONT_HEAD && f->in != NULL && buf_len(f->in) > 0)
		stream_refuse(f, &unread_head, 408, TG_END_REQUEST_HEAD_TIMEOUT);
	else if (f->state == FRONT_LINGER)
		front_close(f, false);
	else
		front_finish(f);
}

/* Until the next request, or the end of its patience. */
static void
front_rest(struct front *f, uint64_t ms)
{
	if (f->draining && ms > DRAIN_REST_MS)
		ms = DRAIN_REST_MS;
	timer_set(worker_of(f)->loop, &f->timer, mono_add_ms(f->began, ms));
}

void
front_stream_ended(struct front *f, bool keep, bool clean)
{
	struct worker *w = worker_of(f);

	f->stream = NULL;
	/* A stream of HTTP/2 has one request. */
	if (f->over != NULL) {
		front_close(f, false);
		return;
	}
	/* A client that has sent its end may have sent more requests before it. */
	if (!keep || (f->conn.flags & CONN_BROKEN) != 0 ||
	    ((f->conn.flags & CONN_ENDED) != 0 && f->in == NULL)) {
		bool unread = !clean || f->in != NULL || (f->conn.flags & CONN_READABLE) != 0;

		unread = unread && (f->conn.flags & CONN_ENDED) == 0;
		if ((unread || is_owed(f)) && (f->conn.flags & (CONN_BROKEN | CONN_FAILED)) == 0)
			front_linger(f);
		else
			front_close(f, false);
		return;
	}
	f->state = FRONT_IDLE;
	f->is_further = true;
	f->began = front_now(f);
	if (f->in != NULL && buf_len(f->in) == 0)
		buf_put(&w->bufs, &f->in);
	front_rest(f, f->listener->conf->timeouts.keep_alive_ms);
	if (f->in != NULL || (f->conn.flags & CONN_READABLE) != 0)
		watch_again(w->loop, &f->conn.watch);
}

static bool
speaks_h2(const struct accepted *a)
{
	const struct tls_facts *facts = tls_stream_facts(a->filter);

	return facts != NULL && strcmp(facts->protocol, "h2") == 0;
}

static void
front_open(struct worker *w, struct worker_listener *l, const struct accepted *a)
{
	struct front *f;

	if (speaks_h2(a)) {
		h2_front_open(w, l, a);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		accepted_drop(a);
		listener_released(l);
		return;
	}
	f->listener = l;
	f->state = FRONT_IDLE;
	(void)addr_ip(&a->from, &f->ip);
	f->port = addr_port(&a->from);
	f->origin = a->origin;
	f->draining = a->is_draining;
	back_place_init(&f->place, 1);
	f->own = &f->place;
	timer_init(&f->timer, on_timer);
	if (accepted_open(a, &f->conn, w->loop, on_watch) != 0) {
		free(f);
		listener_released(l);
		return;
	}
	/* Registering reports what is there already: asking now would often be in vain. */
	f->conn.flags &= ~CONN_READABLE;
	f->tls = tls_stream_facts(f->conn.filter);
	if (f->conn.filter != NULL && tls_stream_has_input(f->conn.filter)) {
		conn_recheck(&f->conn);
		watch_again(w->loop, &f->conn.watch);
	}
	front_join(l, &f->link, &l7_front_ops);
	f->began = front_now(f);
	front_arm(f, l->conf->timeouts.request_head_ms);
}

static struct front *
front_get(struct l7_worker *l7)
{
	struct front *f = LIST_FIRST(&l7->free_fronts);

	if (f == NULL)
		return calloc(1, sizeof(*f));
	LIST_REMOVE(f, sibling);
	l7->n_free_fronts--;
	memset(f, 0, sizeof(*f));
	return f;
}

struct front *
front_open_over(struct h2_front *h, struct h2_stream *stream)
{
	struct l7_worker *l7 = l7_of(h->listener->worker);
	struct front *f = front_get(l7);

	if (f == NULL)
		return NULL;
	f->home = l7;
	f->over = h;
	f->own = &h->place;
	f->listener = h->listener;
	f->ip = h->ip;
	f->port = h->port;
	f->origin = h->origin;
	f->tls = h->tls;
	f->draining = h->draining;
	timer_init(&f->timer, on_timer);
	h2_stream_open(stream, &f->conn, on_watch);
	front_join(f->listener, &f->link, &l7_front_ops);
	f->began = front_now(f);
	front_arm(f, f->listener->conf->timeouts.request_head_ms);
	return f;
}

void
front_refuse_over(struct front *f, const struct h2_malformed *what)
{
	struct http_head head = {.method = what->method, .target = what->target};

	front_capture_text(f, HTTP_FAULT_SYNTAX, what->text, what->position);
	stream_refuse_unanswered(f, &head, what->text.n, TG_END_BAD_REQUEST);
}

void
front_stop(struct front *f, enum end_reason reason)
{
	if (f->state == FRONT_STREAM)
		(void)stream_end(f->stream, reason, false);
	else
		front_close(f, f->over != NULL);
}

static void
front_drain(struct front_link *link)
{
	struct front *f = (struct front *)link;

	f->draining = true;
	if (f->state != FRONT_IDLE)
		return;
	/* A request that has come already is answered. */
	conn_recheck(&f->conn);
	front_resume(f);
	if (conn_is_open(&f->conn) && f->state == FRONT_IDLE)
		front_rest(f, DRAIN_REST_MS);
}

static enum front_kind
front_cut(struct front_link *link)
{
	struct front *f = (struct front *)link;
	enum front_kind kind = FRONT_RESTING;

	if (f->state == FRONT_STREAM)
		kind = f->stream->state == STREAM_TUNNEL ? FRONT_TUNNEL : FRONT_REQUEST;
	front_stop(f, TG_END_SHUTDOWN);
	return kind;
}

static void
front_cut_backend(struct front_link *link, const struct worker_backend *backend)
{
	struct front *f = (struct front *)link;

	if (f->state == FRONT_STREAM && f->stream->lease.backend == backend)
		stream_cut(f->stream);
}

static int
front_init(struct worker_listener *l)
{
	l->routes = http_routes_new(l->conf);
	return l->routes != NULL ? 0 : -TG_ENOMEM;
}

static void
front_fini(struct worker_listener *l)
{
	http_routes_free(l->routes);
}

static void
front_end(struct front_link *link)
{
	front_stop((struct front *)link, TG_END_ORDERED);
}

const struct front_ops l7_front_ops = {
	.init = front_init,
	.fini = front_fini,
	.open = front_open,
	.drain = front_drain,
	.close = front_cut,
	.cut = front_cut_backend,
	.end = front_end,
	.describe = front_describe,
};

int
l7_worker_init(struct worker *w)
{
	struct l7_worker *l7 = calloc(1, sizeof(*l7));

	if (l7 == NULL)
		return -TG_ENOMEM;
	w->l7 = l7;
	w->service_ops = &affinity_ops;
	/* Listeners have limits of their own; a reload may raise them. */
	l7->request_parser = http1_parser_new(TG_CONF_HEADERS_MAX);
	l7->answer_parser = http1_parser_new(TG_ANSWER_HEADERS);
	w->h2 = h2_shared_new(&w->bufs);
	LIST_INIT(&l7->free_fronts);
	return l7->request_parser != NULL && l7->answer_parser != NULL && w->h2 != NULL
		       ? 0
		       : -TG_ENOMEM;
}

void
l7_worker_fini(struct worker *w)
{
	struct l7_worker *l7 = w->l7;
	struct stream *s;
	struct front *f;

	if (l7 == NULL)
		return;
	while ((s = SLIST_FIRST(&l7->free)) != NULL) {
		SLIST_REMOVE_HEAD(&l7->free, link);
		free(s);
	}
	while ((f = LIST_FIRST(&l7->free_fronts)) != NULL) {
		LIST_REMOVE(f, sibling);
		free(f);
	}
	h2_shared_free(w->h2);
	w->h2 = NULL;
	http1_parser_free(l7->request_parser);
	http1_parser_free(l7->answer_parser);
	free(l7);
	w->l7 = NULL;
}
