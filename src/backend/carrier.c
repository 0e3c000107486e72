#include "backend/carrier.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/back_priv.h"
#include "base/container.h"
#include "base/log.h"
#include "http2/session.h"
#include "tls/mac.h"

/* Lines of the log in a second. */
#define LOG_LINES 5u
/* As of HTTP/1.1: TG_ANSWER_HEAD_BYTES of l7/. */
#define HEAD_BYTES (64u * 1024u)

TAILQ_HEAD(carried, back);

enum carrier_state {
	CARRIER_CONNECTING = 0,
	CARRIER_GREETING = 1,
	CARRIER_OPEN = 2,
	CARRIER_CLOSED = 3 /* out of the list; its backs have not noticed yet */
};

struct carrier {
	struct worker_backend *home;
	uint64_t id;
	struct back_place *own;    /* of the client that it tells of; NULL: of nobody */
	LIST_ENTRY(carrier) owned; /* with that */
	struct buf *greeting;      /* what it says first, for others like it; NULL: nothing */
	TAILQ_ENTRY(carrier) link;
	struct back *line; /* NULL: closed */
	struct h2_session session;
	struct carried backs;
	unsigned n_waiting; /* of these */
	enum carrier_state state;
	bool is_retired;  /* takes no more */
	bool allows_none; /* so far: it has never allowed any */
	bool is_idle;     /* counted as such */
	bool is_refused;  /* its TLS: see back_is_refused() */
	uint8_t tls_version;
	int failure; /* of connecting: -TG_EIO with `error`, or -TG_EPROTO */
	int error;
	struct timer timer; /* idle lifetime */
	struct deferred deferred;
};

static struct log_limit failures_told;

static struct worker *
worker_of(const struct carrier *c)
{
	return c->home->service->worker;
}

static void
carrier_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct carrier, deferred));
}

static void
set_idle(struct carrier *c, bool is_idle)
{
	struct loop *loop = worker_of(c)->loop;

	if (c->is_idle == is_idle)
		return;
	c->is_idle = is_idle;
	back_count_idle(c->line, is_idle ? 1 : -1);
	if (is_idle)
		timer_set(loop, &c->timer,
			  mono_add_ms(loop_now(loop), c->home->service->conf->idle_lifetime_ms));
	else
		timer_clear(&c->timer);
}

/* closing */

static void
free_when_left(struct carrier *c)
{
	if (TAILQ_EMPTY(&c->backs))
		loop_defer(worker_of(c)->loop, &c->deferred, carrier_free);
}

static void
forsake(struct carrier *c)
{
	if (c->own != NULL)
		LIST_REMOVE(c, owned);
	c->own = NULL;
}

/* Its backs see a reset; those that wait for it, why. */
static void
carrier_close(struct carrier *c)
{
	struct worker_backend *home = c->home;

	if (c->state == CARRIER_CLOSED)
		return;
	set_idle(c, false);
	c->state = CARRIER_CLOSED;
	TAILQ_REMOVE(&home->carriers, c, link);
	forsake(c);
	buf_put(&worker_of(c)->bufs, &c->greeting);
	timer_fini(&c->timer);
	h2_session_close(&c->session);
	free_when_left(c);
	back_close(&c->line);
}

static void
fail_connect(struct carrier *c, int failure, int error)
{
	c->failure = failure;
	c->error = error;
	carrier_close(c);
}

/* It has no exchanges. The other side is told. */
static void
say_goodbye(struct carrier *c)
{
	if (c->state == CARRIER_OPEN) {
		h2_session_end(&c->session);
		(void)!h2_session_run(&c->session);
	}
	carrier_close(c);
}

static void
on_idle_end(struct timer *t)
{
	say_goodbye(TG_CONTAINER(t, struct carrier, timer));
}

/* connecting */

static void
tell_no_h2(const struct carrier *c)
{
	const struct worker_backend *home = c->home;
	const char *name = worker_backend_name(worker_of(c), home->slot);
	unsigned suppressed = 0;

	if (log_limit_pass(&failures_told, LOG_LINES, loop_now(worker_of(c)->loop), &suppressed))
		log_write(TG_LOG_WARN, "no HTTP/2 from a backend", "svc=%s srv=%s suppressed=%u",
			  home->service->conf->name, name != NULL ? name : "-", suppressed);
}

/* The session ended before the other side has said anything that is good. */
static void
fail_greeting(struct carrier *c, int error)
{
	c->is_refused = back_is_refused(c->line);
	if (!c->is_refused)
		tell_no_h2(c);
	fail_connect(c, c->is_refused ? -TG_EPROTO : -TG_EIO, error);
}

/* False: not yet, or it is closed. */
static bool
connect_step(struct carrier *c)
{
	int rc = back_connected(c->line);

	if (rc == -TG_EAGAIN)
		return false;
	if (rc != 0) {
		fail_connect(c, rc, errno);
		return false;
	}
	c->tls_version = back_tls_version(c->line);
	c->state = CARRIER_GREETING;
	return true;
}

/* How many exchanges it may have, as far as that is known. */
static unsigned
most_of(const struct carrier *c)
{
	const struct worker_backend *home = c->home;
	unsigned most = home->service->conf->http2.max_streams;

	if (c->state == CARRIER_OPEN)
		return h2_session_most(&c->session);
	return home->carrier_streams != 0 && home->carrier_streams < most ? home->carrier_streams
									  : most;
}

static bool
has_room(const struct carrier *c)
{
	return !c->is_retired && c->session.n_streams < most_of(c);
}

/* `b` is one of its streams. */
static void
join(struct carrier *c, struct back *b)
{
	b->carrier = c;
	b->heard_before = c->session.received;
	b->begun = loop_now(worker_of(c)->loop);
	b->is_waiting = c->state != CARRIER_OPEN || c->session.n_streams > most_of(c);
	if (b->is_waiting) {
		b->conn.flags |= CONN_CONNECTING;
		c->n_waiting++;
	}
	TAILQ_INSERT_TAIL(&c->backs, b, sibling);
	set_idle(c, false);
}

static void
stop_waiting(struct carrier *c, struct back *b)
{
	b->is_waiting = false;
	b->conn.flags &= ~CONN_CONNECTING;
	c->n_waiting--;
}

/* False: no memory. */
static bool
put_on(struct carrier *c, struct back *b)
{
	if (!h2_stream_ask(&c->session, &b->conn, back_on_watch)) {
		errno = ENOMEM;
		return false;
	}
	join(c, b);
	return true;
}

static struct carrier *carrier_find(struct worker_backend *home, const struct addr *to,
				    struct back_place *own);

/* The last of those that wait for it. */
static void
move_last(struct carrier *c, struct carrier *other)
{
	struct back *b = TAILQ_LAST(&c->backs, carried);

	stop_waiting(c, b);
	TAILQ_REMOVE(&c->backs, b, sibling);
	h2_stream_move(&b->conn, &other->session);
	join(other, b);
	if (!b->is_waiting)
		conn_tell(&b->conn, CONN_WRITABLE);
}

bool
carrier_lacks_greeting(const struct carrier *c)
{
	return c->own != NULL && c->greeting == NULL;
}

int
carrier_greet(struct carrier *c, struct buf *header)
{
	struct buf_pool *bufs = &worker_of(c)->bufs;

	c->greeting = buf_get(bufs, TG_BUF_HEAD);
	c->line->first = buf_get(bufs, TG_BUF_HEAD);
	if (c->greeting == NULL || c->line->first == NULL) {
		buf_put(bufs, &c->greeting);
		buf_put(bufs, &c->line->first);
		return -TG_ENOMEM;
	}
	(void)!buf_append(c->greeting, buf_data(header), buf_len(header));
	(void)!buf_append(c->line->first, buf_data(header), buf_len(header));
	c->line->sent_bytes += buf_len(header);
	return 0;
}

/* False: no memory; it is of no use then. */
static bool
greet_alike(struct carrier *c, const struct carrier *other)
{
	if (!carrier_lacks_greeting(c) || carrier_greet(c, other->greeting) == 0)
		return true;
	carrier_close(c);
	return false;
}

/* Of those that have waited for it the backend has no room for these: they wait for another one. */
static void
move_excess(struct carrier *c)
{
	unsigned most = most_of(c);

	while (c->n_waiting > 0 && c->session.n_streams > most) {
		struct carrier *other = carrier_find(c->home, &c->line->to, c->own);

		if (other == NULL || other->allows_none || !greet_alike(other, c))
			return;
		move_last(c, other);
	}
}

/* Those that wait, as far as there is room. */
static void
admit(struct carrier *c)
{
	unsigned most = most_of(c);
	struct back *b;

	TAILQ_FOREACH (b, &c->backs, sibling) {
		if (c->n_waiting == 0 || c->session.n_streams - c->n_waiting >= most)
			return;
		if (!b->is_waiting)
			continue;
		stop_waiting(c, b);
		conn_tell(&b->conn, CONN_WRITABLE);
	}
}

/* They are told what became of it when they ask: that nothing of them was processed. */
static void
let_go(struct carrier *c)
{
	struct back *b;

	TAILQ_FOREACH (b, &c->backs, sibling) {
		if (!b->is_waiting)
			continue;
		stop_waiting(c, b);
		conn_tell(&b->conn, CONN_WRITABLE);
	}
}

/* What the backend allows has changed, or there is room again. */
static void
settle(struct carrier *c)
{
	if (c->session.is_going) {
		let_go(c);
		return;
	}
	if (most_of(c) == 0)
		return;
	if (c->allows_none) {
		c->allows_none = false;
		c->home->carrier_streams = most_of(c);
		move_excess(c);
	}
	admit(c);
}

static void
open_up(struct carrier *c)
{
	c->state = CARRIER_OPEN;
	c->allows_none = true;
	counter_add(&c->home->counters, TG_B_H2_CONNECTIONS, 1);
}

static void
run(struct carrier *c)
{
	enum h2_result result = h2_session_run(&c->session);

	if (result == H2_GOES_ON && c->state == CARRIER_GREETING && c->session.has_settings)
		open_up(c);
	if (result == H2_GOES_ON) {
		if (c->state == CARRIER_OPEN && (c->n_waiting > 0 || c->allows_none))
			settle(c);
		return;
	}
	if (c->state == CARRIER_GREETING)
		fail_greeting(c, ECONNRESET);
	else
		carrier_close(c);
}

static void
on_line(struct back *line)
{
	struct carrier *c = line->stream;

	if (c->state == CARRIER_CONNECTING && !connect_step(c))
		return;
	run(c);
}

static void
on_event(struct h2_session *s, enum h2_event event)
{
	struct carrier *c = TG_CONTAINER(s, struct carrier, session);

	if (event == H2_EVENT_RESET_IN)
		counter_add(&c->home->counters, TG_B_H2_RESETS_IN, 1);
	else if (event == H2_EVENT_RESET_OUT)
		counter_add(&c->home->counters, TG_B_H2_RESETS_OUT, 1);
	else if (event == H2_EVENT_GOAWAY_IN)
		counter_add(&c->home->counters, TG_B_H2_GOAWAYS_IN, 1);
}

static void
on_calm(struct h2_session *s, enum h2_calm calm)
{
	struct carrier *c = TG_CONTAINER(s, struct carrier, session);
	const struct worker_backend *home = c->home;
	const char *name = worker_backend_name(worker_of(c), home->slot);
	unsigned suppressed = 0;

	if (log_limit_pass(&failures_told, LOG_LINES, loop_now(worker_of(c)->loop), &suppressed))
		log_write(TG_LOG_WARN, "a backend keeps HTTP/2 busy for nothing",
			  "svc=%s srv=%s reason=%s suppressed=%u", home->service->conf->name,
			  name != NULL ? name : "-", h2_calm_str(calm), suppressed);
}

static const struct h2_session_ops session_ops = {
	.on_event = on_event,
	.on_calm = on_calm,
	.accept = mac_websocket,
};

static int
open_session(struct carrier *c)
{
	const struct conf_service *conf = c->home->service->conf;
	struct h2_limits limits = {
		.streams = conf->http2.max_streams,
		.window = conf->http2.stream_window,
		.connection_window = conf->http2.connection_window,
		.head_bytes = HEAD_BYTES,
	};

	return h2_session_connect(&c->session, worker_of(c)->h2, &limits, &session_ops,
				  &c->line->conn, c->home->service->shared->tls != NULL);
}

/* NULL: failed, errno says why. */
static struct carrier *
carrier_new(struct worker_backend *home, const struct addr *to, struct back_place *own)
{
	struct carrier *c = calloc(1, sizeof(*c));
	int saved;

	if (c == NULL)
		return NULL;
	c->home = home;
	c->id = worker_next_id(home->service->worker);
	TAILQ_INIT(&c->backs);
	timer_init(&c->timer, on_idle_end);
	c->line = back_connect(home, to, on_line, c);
	if (c->line != NULL && open_session(c) != 0) {
		back_close(&c->line);
		errno = ENOMEM;
	}
	if (c->line == NULL) {
		saved = errno;
		free(c);
		errno = saved;
		return NULL;
	}
	c->line->protocol = "h2";
	/* A lease of a view before this one: its connection is not kept. */
	c->is_retired = c->line->generation != home->generation;
	TAILQ_INSERT_TAIL(&home->carriers, c, link);
	c->own = own;
	if (own != NULL)
		LIST_INSERT_HEAD(&own->carriers, c, owned);
	return c;
}

static struct carrier *
carrier_find(struct worker_backend *home, const struct addr *to, struct back_place *own)
{
	struct carrier *shut = NULL;
	struct carrier *c;

	TAILQ_FOREACH (c, &home->carriers, link) {
		if (c->own != own || c->is_retired || c->session.is_going ||
		    !addr_equal(&c->line->to, to))
			continue;
		if (has_room(c))
			return c;
		if (c->allows_none)
			shut = c;
	}
	return shut != NULL ? shut : carrier_new(home, to, own);
}

/* for who uses it */

/* What came of it unasked may be its end. */
static bool
is_alive(struct carrier *c)
{
	conn_recheck(&c->line->conn);
	run(c);
	return c->state == CARRIER_OPEN && has_room(c);
}

static struct back *
take(struct carrier *c)
{
	struct worker_backend *home = c->home;
	struct back *b = back_new(home, &c->line->to, NULL, NULL);

	if (b == NULL || !put_on(c, b)) {
		free(b);
		return NULL;
	}
	b->is_reused = true;
	worker_backend_use(home);
	counter_add(&home->counters, TG_B_REUSES, 1);
	return b;
}

struct back *
carrier_take(struct worker_backend *home, const struct back_place *own, bool careful)
{
	struct carrier *c;
	struct carrier *next;

	for (c = TAILQ_FIRST(&home->carriers); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->own == own && c->state == CARRIER_OPEN && has_room(c) &&
		    (!careful || !c->is_idle || is_alive(c)))
			return take(c);
	}
	return NULL;
}

struct back *
carrier_connect(struct worker_backend *home, const struct addr *to, struct back_place *own,
		void (*on_ready)(struct back *b), void *stream)
{
	struct carrier *c = carrier_find(home, to, own);
	struct back *b = c != NULL ? take(c) : NULL;

	if (c != NULL && TAILQ_EMPTY(&c->backs))
		carrier_close(c);
	if (b == NULL)
		return NULL;
	back_attach(b, on_ready, stream);
	b->is_reused = c->state == CARRIER_OPEN;
	return b;
}

int
carrier_connected(const struct back *b)
{
	const struct carrier *c = b->carrier;

	if (c->state == CARRIER_CLOSED) {
		errno = c->error != 0 ? c->error : ECONNRESET;
		return c->failure != 0 ? c->failure : -TG_EIO;
	}
	return b->is_waiting ? -TG_EAGAIN : 0;
}

void
carrier_timed_out(struct carrier *c)
{
	if (c->state == CARRIER_CONNECTING) {
		back_timed_out(c->line);
		fail_connect(c, -TG_EIO, ETIMEDOUT);
	} else if (c->state == CARRIER_GREETING) {
		fail_greeting(c, ETIMEDOUT);
	}
}

uint64_t
carrier_id(const struct carrier *c)
{
	return c->id;
}

bool
carrier_is_refused(const struct carrier *c)
{
	return c->is_refused;
}

uint8_t
carrier_tls_version(const struct carrier *c)
{
	return c->tls_version;
}

/* Nothing at all came while this one waited as long as a connect may take: others would wait in vain too. */
static bool
was_silent(const struct carrier *c, const struct back *b)
{
	uint64_t us = mono_diff_us(loop_now(worker_of(c)->loop), b->begun);

	return c->session.received == b->heard_before &&
	       us >= c->home->service->conf->timeouts.connect_ms * 1000;
}

static bool
may_rest(const struct carrier *c)
{
	return c->state == CARRIER_OPEN && !c->is_retired && !c->session.is_going &&
	       !worker_of(c)->draining && back_has_room(c->line);
}

void
carrier_leave(struct back *b)
{
	struct carrier *c = b->carrier;

	TAILQ_REMOVE(&c->backs, b, sibling);
	if (b->is_waiting)
		c->n_waiting--;
	if (c->state == CARRIER_CLOSED) {
		free_when_left(c);
		return;
	}
	if (was_silent(c, b))
		c->is_retired = true;
	if (c->state == CARRIER_OPEN && c->n_waiting > 0)
		settle(c);
	if (!TAILQ_EMPTY(&c->backs))
		return;
	if (may_rest(c))
		set_idle(c, true);
	else
		say_goodbye(c);
}

void
carrier_forsake_all(struct back_place *own)
{
	struct carrier *c;

	while ((c = LIST_FIRST(&own->carriers)) != NULL) {
		forsake(c);
		c->is_retired = true;
		if (TAILQ_EMPTY(&c->backs))
			say_goodbye(c);
	}
}

void
carrier_retire_all(struct worker_backend *home)
{
	struct carrier *c;
	struct carrier *next;

	for (c = TAILQ_FIRST(&home->carriers); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		c->is_retired = true;
		if (TAILQ_EMPTY(&c->backs))
			say_goodbye(c);
	}
	home->carrier_streams = 0;
}
