#include "backend/back_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/carrier.h"
#include "base/container.h"
#include "net/sockopt.h"

static struct worker *
worker_of(const struct back *b)
{
	return b->home->service->worker;
}

/*
 * When a request that cannot be repeated may use a kept connection: not before one
 * of this backend was seen to rest for REST_US, for some backends close theirs at any
 * moment; not while it was seen to close one sooner than that; and then
 * only one that has rested for half of it at most. What is seen holds for a minute.
 */
#define REST_US      1000000u
#define SAFE_REST_US (REST_US / 2)
#define SEEN_MS      60000u

static bool
is_recent(struct mono then, struct mono now)
{
	return mono_is_set(then) && now.us < mono_add_ms(then, SEEN_MS).us;
}

static void
note_rest(const struct back *b, struct mono now)
{
	if (mono_diff_us(now, b->idle_since) >= REST_US)
		b->home->rested = now;
}

static bool
lets_rest(const struct worker_backend *home, struct mono now)
{
	return is_recent(home->rested, now) && !is_recent(home->hasty, now);
}

static void
back_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct back, deferred));
}

void
back_count_idle(const struct back *b, int change)
{
	struct worker_backend *home = b->home;
	struct worker *w = worker_of(b);

	home->n_idle += (unsigned)change;
	w->n_idle += (unsigned)change;
	gauge_set(counter_at(&home->counters, TG_B_IDLE), home->n_idle);
	gauge_set(counter_at(&w->counters, TG_W_IDLE), w->n_idle);
}

static void
leave_idle(struct back *b)
{
	note_rest(b, loop_now(worker_of(b)->loop));
	TAILQ_REMOVE(&b->home->idle, b, link);
	back_count_idle(b, -1);
	b->is_idle = false;
	timer_clear(&b->timer);
}

static void
leave_own(struct back *b)
{
	TAILQ_REMOVE(&b->own->list, b, link);
	TAILQ_REMOVE(&b->home->alone, b, alone);
	b->own->n--;
	b->rests_alone = false;
	back_count_idle(b, -1);
	timer_clear(&b->timer);
}

static void
back_dispose(struct back **back, bool reset)
{
	struct back *b = *back;

	*back = NULL;
	if (b == NULL)
		return;
	if (b->is_idle)
		leave_idle(b);
	if (b->rests_alone)
		leave_own(b);
	buf_put(&worker_of(b)->bufs, &b->first);
	timer_fini(&b->timer);
	if (reset)
		conn_abort(&b->conn);
	else
		conn_close(&b->conn);
	if (b->carrier != NULL)
		carrier_leave(b);
	loop_defer(worker_of(b)->loop, &b->deferred, back_free);
	worker_backend_leave(b->home);
}

void
back_close(struct back **b)
{
	back_dispose(b, false);
}

void
back_abort(struct back **b)
{
	back_dispose(b, true);
}

/* Whatever an idle connection says, it is the end of it: nobody asked. */
void
back_on_watch(struct watch *w, unsigned what)
{
	struct back *b = TG_CONTAINER(w, struct back, conn.watch);
	char byte;

	conn_note(&b->conn, what);
	if (!b->is_idle) {
		b->on_ready(b);
		return;
	}
	if ((b->conn.flags & CONN_READABLE) != 0 && conn_recv(&b->conn, &byte, 1) != -TG_EAGAIN) {
		back_learn_close(b);
		back_close(&b);
	}
}

static void
on_idle_end(struct timer *t)
{
	struct back *b = TG_CONTAINER(t, struct back, timer);

	back_close(&b);
}

void
back_attach(struct back *b, void (*on_ready)(struct back *b), void *stream)
{
	b->on_ready = on_ready;
	b->stream = stream;
}

void
back_learn_close(struct back *b)
{
	struct mono now = loop_now(worker_of(b)->loop);

	if (mono_is_set(b->idle_since) && mono_diff_us(now, b->idle_since) < REST_US)
		b->home->hasty = now;
}

/* Fit to carry a request that cannot be repeated. */
static bool
is_safe(struct back *b)
{
	struct mono now = loop_now(worker_of(b)->loop);

	/* The last has rested for the longest. */
	note_rest(TAILQ_LAST(&b->home->idle, back_list), now);
	return lets_rest(b->home, now) && mono_diff_us(now, b->idle_since) <= SAFE_REST_US &&
	       conn_is_quiet(&b->conn);
}

struct back *
back_take_idle(struct worker_backend *home, bool careful)
{
	struct back *b;

	if (home->service->conf->protocol == TG_PROTOCOL_H2)
		return carrier_take(home, NULL, careful);
	/* What has said something unasked is not to be taken for an answer. */
	while ((b = TAILQ_FIRST(&home->idle)) != NULL && !back_is_silent(b))
		back_close(&b);
	/* The first is the youngest: the others are no safer. */
	if (b == NULL || (careful && !is_safe(b)))
		return NULL;
	leave_idle(b);
	b->is_reused = true;
	counter_add(&home->counters, TG_B_REUSES, 1);
	return b;
}

/* It rests in its own place: as on_watch() of those in the list. */
static void
on_own(struct back *b)
{
	char byte;

	if ((b->conn.flags & CONN_READABLE) == 0 || conn_recv(&b->conn, &byte, 1) == -TG_EAGAIN)
		return;
	back_learn_close(b);
	back_close(&b);
}

void
back_place_init(struct back_place *place, unsigned most)
{
	*place = (struct back_place){.most = most};
	TAILQ_INIT(&place->list);
	LIST_INIT(&place->carriers);
}

void
back_place_close(struct back_place *place)
{
	struct back *b;

	while ((b = TAILQ_FIRST(&place->list)) != NULL)
		back_close(&b);
	carrier_forsake_all(place);
}

/* The youngest that is of use to this backend; those that are of none are closed. */
static struct back *
find_own(struct back_place *own, const struct worker_backend *home)
{
	struct back *b;
	struct back *next;

	for (b = TAILQ_FIRST(&own->list); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->home != home)
			continue;
		note_rest(b, loop_now(worker_of(b)->loop));
		if (back_is_silent(b) && b->generation + 1 == home->generation)
			return b;
		back_close(&b);
	}
	return NULL;
}

struct back *
back_take_own(struct back_place *own, struct worker_backend *home, bool careful)
{
	struct back *b;
	struct mono now;

	if (home->service->conf->protocol == TG_PROTOCOL_H2)
		return carrier_take(home, own, careful);
	b = find_own(own, home);
	if (b == NULL)
		return NULL;
	now = loop_now(worker_of(b)->loop);
	if (careful && !(lets_rest(home, now) && mono_diff_us(now, b->idle_since) <= SAFE_REST_US &&
			 conn_is_quiet(&b->conn))) {
		back_close(&b);
		return NULL;
	}
	leave_own(b);
	b->is_reused = true;
	counter_add(&home->counters, TG_B_REUSES, 1);
	return b;
}

/* After the connect, which may go on meanwhile: they matter later. Refused ones are done without. */
static void
set_options(const struct back *b, const struct addr *to)
{
	const struct conf_tcp *tcp = &b->home->service->conf->tcp;

	if (sockopt_is_given(tcp) && to->u.sa.sa_family != AF_UNIX)
		(void)!sockopt_set(b->conn.fd, tcp);
}

struct back *
back_new(struct worker_backend *home, const struct addr *to, void (*on_ready)(struct back *b),
	 void *stream)
{
	struct back *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->home = home;
	b->generation = home->generation;
	b->to = *to;
	/* A lease of a view before this one: its connection is not kept. */
	if (!addr_equal(to, &home->addr))
		b->generation--;
	timer_init(&b->timer, on_idle_end);
	back_attach(b, on_ready, stream);
	return b;
}

bool
back_error_is_ours(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* NULL, with errno as it is. */
static struct back *
fail_connect(const struct worker_backend *home)
{
	static struct log_limit told;
	const struct worker_service *s = home->service;
	const char *name = worker_backend_name(s->worker, home->slot);
	unsigned suppressed = 0;
	int error = errno;

	if (back_error_is_ours(error) && log_limit_pass(&told, 1, loop_now(s->worker->loop), &suppressed))
		log_write(TG_LOG_ERROR, "cannot open a connection to a backend",
			  "svc=%s srv=%s reason=%s suppressed=%u", s->conf->name, name != NULL ? name : "-",
			  strerror(error), suppressed);
	errno = error;
	return NULL;
}

struct back *
back_connect(struct worker_backend *home, const struct addr *to, void (*on_ready)(struct back *b),
	     void *stream)
{
	struct back *b = back_new(home, to, on_ready, stream);
	int saved;

	if (b == NULL)
		return fail_connect(home);
	counter_add(&home->counters, TG_B_CONNECTS, 1);
	if (conn_connect(&b->conn, home->service->worker->loop, to, back_on_watch) == 0) {
		set_options(b, to);
		worker_backend_use(home);
		return b;
	}
	saved = errno;
	free(b);
	errno = saved;
	return fail_connect(home);
}

struct back *
back_connect_exchange(struct worker_backend *home, const struct addr *to, struct back_place *own,
		      void (*on_ready)(struct back *b), void *stream)
{
	if (home->service->conf->protocol == TG_PROTOCOL_H2)
		return carrier_connect(home, to, own, on_ready, stream);
	return back_connect(home, to, on_ready, stream);
}

/* The connection itself is good for more. */
static bool
is_whole(const struct back *b)
{
	return (b->conn.flags &
		(CONN_HANGUP | CONN_ENDED | CONN_FAILED | CONN_BROKEN | CONN_SHUT)) == 0 &&
	       !conn_has_unsent(&b->conn);
}

bool
back_has_room(const struct back *b)
{
	const struct worker *w = worker_of(b);

	return b->home->n_idle < b->home->service->conf->idle_connections && w->n_idle < w->max_idle;
}

/* What the list does not take: it rests in its own place, where it has one, or is closed. */
static void
rest_alone(struct back **back)
{
	struct back *b = *back;
	struct worker *w = worker_of(b);

	if (b->own == NULL || !back_has_room(b) || b->home->addr.len == 0 || w->draining ||
	    !is_whole(b) || b->generation + 1 != b->home->generation) {
		back_close(back);
		return;
	}
	*back = NULL;
	if (b->own->n >= b->own->most) {
		struct back *oldest = TAILQ_LAST(&b->own->list, back_list);

		back_close(&oldest);
	}
	b->rests_alone = true;
	back_count_idle(b, 1);
	back_attach(b, on_own, NULL);
	b->idle_since = loop_now(w->loop);
	TAILQ_INSERT_HEAD(&b->own->list, b, link);
	TAILQ_INSERT_HEAD(&b->home->alone, b, alone);
	b->own->n++;
	timer_set(w->loop, &b->timer,
		  mono_add_ms(b->idle_since, b->home->service->conf->idle_lifetime_ms));
}

uint64_t
back_carrier_id(const struct back *b)
{
	return b->carrier != NULL ? carrier_id(b->carrier) : 0;
}

void
back_give(struct back **back)
{
	struct back *b = *back;
	struct worker *w = worker_of(b);
	const struct conf_service *conf = b->home->service->conf;

	if (b->carrier != NULL) {
		back_close(back);
		return;
	}
	if (!back_has_room(b) || b->home->addr.len == 0 || b->generation != b->home->generation ||
	    w->draining || !is_whole(b)) {
		rest_alone(back);
		return;
	}
	*back = NULL;
	back_attach(b, NULL, NULL);
	b->is_idle = true;
	b->idle_since = loop_now(w->loop);
	TAILQ_INSERT_HEAD(&b->home->idle, b, link);
	back_count_idle(b, 1);
	timer_set(w->loop, &b->timer, mono_add_ms(loop_now(w->loop), conf->idle_lifetime_ms));
}

void
back_close_idle(struct worker_backend *home)
{
	struct back *b;

	while ((b = TAILQ_FIRST(&home->idle)) != NULL || (b = TAILQ_FIRST(&home->alone)) != NULL)
		back_close(&b);
}
