#include "backend/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "backend/arrival.h"
#include "backend/back.h"
#include "backend/capture.h"
#include "backend/carrier.h"
#include "backend/lease.h"
#include "tls/context.h"
#include "tls/stream.h"

/*
 * What the descriptors of the process allow: two for each connection, after
 * those of the process itself, a share for idle connections to backends, one for
 * pipes, and one for files of bodies where a service has them, so that these never
 * leave a client without one.
 */
#define IDLE_SHARE 16
#define PIPE_SHARE 32
#define FILE_SHARE 16

static int64_t
share_of_files(const struct conf *conf, int64_t all)
{
	size_t i;

	for (i = 0; i < conf->n_services; i++) {
		if (conf_service_has_files(&conf->services[i]))
			return all / FILE_SHARE;
	}
	return 0;
}

/* Returns the pipes this worker may have. */
static unsigned
divide_descriptors(struct worker *w)
{
	const struct conf *conf = w->conf;
	struct rlimit limit;
	int64_t own = 64 + (int64_t)conf->workers * (int64_t)(conf->n_listeners + 8);
	int64_t all;
	int64_t files;
	int64_t most;
	int64_t max;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
		limit.rlim_cur = INT32_MAX;
	all = (int64_t)limit.rlim_cur;
	w->max_idle = (unsigned)(all / IDLE_SHARE / conf->workers);
	files = share_of_files(conf, all);
	w->spools.memory_max = conf->buffer_memory / conf->workers;
	w->spools.folder = conf->buffer_folder;
	w->spools.files_max = (unsigned)(files / conf->workers);
	most = (all - own - all / IDLE_SHARE - all / PIPE_SHARE - files) / 2;
	if (most < 1)
		most = 1;
	max = conf->max_connections != 0 ? conf->max_connections : most;
	/* Whoever orders a limit may look at the same time: no more than these two are seen. */
	w->max_connections = max;
	w->most_connections = most > max ? most : max;
	return (unsigned)(all / PIPE_SHARE / 2 / conf->workers);
}

void
worker_configure(struct worker *w, const struct conf *conf)
{
	int64_t before = w->max_connections;

	w->conf = conf;
	(void)divide_descriptors(w);
	atomic_store(&w->total->limit_max, w->most_connections);
	/* One that is ordered holds until what is configured is edited. */
	if (w->max_connections != before)
		atomic_store(&w->total->limit, w->max_connections);
}

void
worker_set_accepting(struct worker *w, bool accepting)
{
	atomic_store_explicit(counter_at(&w->counters, TG_W_ACCEPTING), accepting, memory_order_relaxed);
}

static void
on_lag(void *user, uint64_t lag_us)
{
	const struct worker *w = user;

	histogram_add(&w->histograms[TG_HISTOGRAM_LAG], lag_us);
}

int
worker_init(struct worker *w, unsigned id, const struct conf *conf, struct segment *segment)
{
	size_t slots = segment_slots(segment);
	unsigned i;

	*w = (struct worker){
		.id = id, .n_workers = conf->workers, .conf = conf, .segment = segment};
	TAILQ_INIT(&w->listeners);
	TAILQ_INIT(&w->leaving);
	TAILQ_INIT(&w->handshakes.line);
	if (getrandom(w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random))
		w->random[0] = mono_read().us | 1;
	w->next_id = mono_read().us;
	w->ring = segment_ring(segment, id);
	w->counters = segment_counters(segment, id, 0);
	w->histograms = segment_histograms(segment, id, 0)->h;
	worker_set_accepting(w, false);
	w->connections = segment_load(segment, 0);
	w->total = segment_shared(segment, 0);
	for (i = 0; i < TG_W_FIRST_COUNTED; i++)
		gauge_set(counter_at(&w->counters, i), 0);
	pipe_pool_init(&w->pipes, divide_descriptors(w), &w->total->pipes,
		       counter_at(&w->counters, TG_W_PIPES));
	w->spools.bufs = &w->bufs;
	w->spools.gauges = counter_at(&w->counters, TG_W_SPOOLS);
	atomic_fetch_add(&w->total->pipes_max, w->pipes.max);
	atomic_store(&w->total->limit, w->max_connections);
	atomic_store(&w->total->limit_max, w->most_connections);
	buf_pool_init(&w->bufs, counter_at(&w->counters, TG_W_BUFS));
	sign_line_init(&w->sign_line, &w->counters);
	w->loop = loop_new();
	w->tls_output = tls_output_new();
	w->tls_sessions = tls_sessions_new(TG_TLS_SESSIONS_MAX);
	w->services = calloc(slots, sizeof(struct worker_service *));
	w->backends = calloc(slots, sizeof(struct worker_backend *));
	if (w->loop == NULL || w->tls_output == NULL || w->tls_sessions == NULL ||
	    w->services == NULL || w->backends == NULL)
		return -TG_ENOMEM;
	loop_watch_lag(w->loop, on_lag, w);
	loop_count(w->loop, &(struct loop_counts){.turns = counter_at(&w->counters, TG_W_TURNS),
						  .calls = counter_at(&w->counters, TG_W_CALLS),
						  .yields = counter_at(&w->counters, TG_W_YIELDS)});
	return 0;
}

bool
worker_may_shake(struct worker *w)
{
	struct mono now = loop_now(w->loop);

	if (w->handshakes.turn.us != now.us) {
		w->handshakes.turn = now;
		w->handshakes.spent_us = 0;
	}
	return w->handshakes.spent_us < TG_HANDSHAKE_TURN_US;
}

void
worker_set_challenges(struct worker *w, struct challenges *challenges)
{
	challenges_unref(w->challenges);
	w->challenges = challenges;
}

void
worker_fini(struct worker *w)
{
	struct worker_listener *l;
	uint32_t slot;

	sign_line_fini(&w->sign_line);
	for (slot = 0; w->services != NULL && slot < segment_slots(w->segment); slot++) {
		if (w->services[slot] != NULL)
			worker_service_remove(w, slot);
	}
	while ((l = TAILQ_FIRST(&w->listeners)) != NULL) {
		TAILQ_REMOVE(&w->listeners, l, link);
		worker_listener_free(l);
	}
	challenges_unref(w->challenges);
	loop_free(w->loop);
	tls_output_free(w->tls_output);
	tls_sessions_free(w->tls_sessions);
	free(w->services);
	free(w->backends);
	pipe_pool_fini(&w->pipes);
	buf_pool_fini(&w->bufs);
}

/* backends */

static struct worker_backend *
backend_new(struct worker_service *s, uint32_t index)
{
	struct worker *w = s->worker;
	struct worker_backend *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->service = s;
	b->index = index;
	b->slot = s->conf->backends[index].segment_slot;
	b->counters = segment_counters(w->segment, w->id, b->slot);
	b->histograms = segment_histograms(w->segment, w->id, b->slot)->h;
	b->spread = segment_spread(w->segment, w->id, b->slot);
	b->load = segment_load(w->segment, b->slot);
	TAILQ_INIT(&b->idle);
	TAILQ_INIT(&b->alone);
	TAILQ_INIT(&b->carriers);
	return b;
}

/* From now on streams may come. Untouched pages of the segment stay untouched. */
static void
backend_add(struct worker *w, struct worker_backend *b)
{
	w->backends[b->slot] = b;
	if (atomic_load(counter_at(&b->counters, TG_B_IDLE)) != 0)
		gauge_set(counter_at(&b->counters, TG_B_IDLE), 0);
}

static void
drop_session(struct worker_backend *b)
{
	tls_slot_clear(b->service->worker->tls_sessions, &b->session);
}

void
worker_backend_leave(struct worker_backend *b)
{
	if (--b->n_users > 0 || b->index != TG_VIEW_NONE)
		return;
	drop_session(b);
	free(b);
}

/* What is idle is used no more, what is in use is not kept. */
static void
forget_connections(struct worker_backend *b)
{
	back_close_idle(b);
	carrier_retire_all(b);
	drop_session(b);
	b->generation++;
}

static void
set_addr(struct worker_backend *b, const struct addr *addr)
{
	if (addr_equal(addr, &b->addr))
		return;
	forget_connections(b);
	b->addr = *addr;
}

/* Takes it out of the worker. */
static void
backend_remove(struct worker *w, struct worker_backend *b)
{
	static const struct addr none;

	if (w->backends[b->slot] == b)
		w->backends[b->slot] = NULL;
	worker_backend_use(b);
	b->index = TG_VIEW_NONE;
	set_addr(b, &none);
	worker_backend_leave(b);
}

const char *
worker_backend_name(const struct worker *w, uint32_t slot)
{
	const struct worker_backend *b =
		slot < segment_slots(w->segment) ? w->backends[slot] : NULL;

	return b != NULL ? b->service->conf->backends[b->index].name : NULL;
}

/* services */

static int
make_backends(struct worker_service *s)
{
	size_t i;

	s->backends = calloc(s->conf->n_backends + 1, sizeof(struct worker_backend *));
	if (s->backends == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < s->conf->n_backends; i++) {
		if (s->kept != NULL && s->kept->was[i] != TG_VIEW_NONE)
			continue;
		s->backends[i] = backend_new(s, (uint32_t)i);
		if (s->backends[i] == NULL)
			return -TG_ENOMEM;
	}
	return 0;
}

/* Not the worker's own dice: the control thread makes services too. */
static uint64_t
new_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = mono_read().us;
	return seed;
}

/* What follows from `shared`, but for the backends. */
static int
service_init(struct worker_service *s, struct service_shared *shared)
{
	struct worker *w = s->worker;

	s->shared = service_shared_ref(shared);
	s->conf = shared->conf;
	s->ops = shared->ops;
	s->queue = shared->queue;
	s->outlier = shared->outlier;
	s->balance = s->ops->new (shared->balance, w->id, w->n_workers, new_seed());
	s->view = view_new(s->conf, 0);
	if (s->balance == NULL || s->view == NULL)
		return -TG_ENOMEM;
	return w->service_ops != NULL ? w->service_ops->init(s) : 0;
}

struct worker_service *
worker_service_new(struct worker *w, struct service_shared *shared,
		   const struct backends_kept *kept)
{
	struct worker_service *s = calloc(1, sizeof(*s));
	uint32_t slot = shared->conf->segment_slot;

	if (s == NULL)
		return NULL;
	s->worker = w;
	s->kept = kept;
	s->counters = segment_counters(w->segment, w->id, slot);
	s->histograms = segment_histograms(w->segment, w->id, slot)->h;
	budget_init(&s->budget, shared->conf->retry.budget_permille, &shared->floor);
	if (service_init(s, shared) != 0 || make_backends(s) != 0) {
		worker_service_free(s);
		return NULL;
	}
	return s;
}

/* But for the backends. */
static void
service_fini(struct worker_service *s)
{
	capture_free(&s->capture);
	if (s->worker->service_ops != NULL)
		s->worker->service_ops->fini(s);
	s->ops->free(s->balance);
	view_unref(s->view);
	free(s->backends);
	service_shared_unref(s->shared);
}

void
worker_service_free(struct worker_service *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; s->backends != NULL && i < s->conf->n_backends; i++) {
		if (s->backends[i] != NULL)
			backend_remove(s->worker, s->backends[i]);
	}
	service_fini(s);
	free(s);
}

/* The backends that are there stay, those that are new change hands. Of thousands only those are looked at that
 * have another place. */
static void
keep_backends(struct worker *w, struct worker_service *s, struct worker_service *next)
{
	const uint32_t *was = next->kept->was;
	size_t i;

	for (i = 0; i < next->kept->n_gone; i++)
		backend_remove(w, s->backends[next->kept->gone[i]]);
	for (i = 0; i < next->conf->n_backends; i++) {
		struct worker_backend *fresh = next->backends[i];

		if (fresh != NULL) {
			fresh->service = s;
			backend_add(w, fresh);
			continue;
		}
		next->backends[i] = s->backends[was[i]];
		if (was[i] != i)
			next->backends[i]->index = (uint32_t)i;
	}
	free(s->backends);
	s->backends = NULL;
}

/* All but counters, budget and users, which are the service's whatever its configuration. */
static void
swap_configured(struct worker_service *a, struct worker_service *b)
{
	struct worker_service t = *a;

	a->conf = b->conf;
	a->shared = b->shared;
	a->ops = b->ops;
	a->queue = b->queue;
	a->outlier = b->outlier;
	a->balance = b->balance;
	a->view = b->view;
	a->backends = b->backends;
	a->l7 = b->l7;
	b->conf = t.conf;
	b->shared = t.shared;
	b->ops = t.ops;
	b->queue = t.queue;
	b->outlier = t.outlier;
	b->balance = t.balance;
	b->view = t.view;
	b->backends = t.backends;
	b->l7 = t.l7;
}

/* None that was made until now is used again. */
static void
renew_connections(struct worker_service *s)
{
	for (size_t i = 0; i < s->conf->n_backends; i++)
		forget_connections(s->backends[i]);
}

static struct worker_service *
service_replace(struct worker *w, struct worker_service *s, struct worker_service *next)
{
	bool speaks_otherwise = s->conf->send_proxy != next->conf->send_proxy ||
				s->conf->protocol != next->conf->protocol;

	keep_backends(w, s, next);
	swap_configured(s, next);
	if (speaks_otherwise || !conf_back_tls_equal(&s->conf->tls, &next->conf->tls))
		renew_connections(s);
	budget_configure(&s->budget, s->conf->retry.budget_permille, &s->shared->floor);
	if (next->queue != NULL)
		queue_evict(next->queue, w->loop);
	return next;
}

struct worker_service *
worker_service_set(struct worker *w, struct worker_service *s)
{
	uint32_t slot = s->conf->segment_slot;
	size_t i;

	if (w->services[slot] != NULL)
		return service_replace(w, w->services[slot], s);
	w->services[slot] = s;
	for (i = 0; i < s->conf->n_backends; i++)
		backend_add(w, s->backends[i]);
	return NULL;
}

/* Of a service that is gone: while its streams still count for it, its slot is no other's (proc/slots.h). */
static void
hold_slot(const struct worker_service *s, int64_t n)
{
	struct segment_load *load = segment_load(s->worker->segment, s->conf->segment_slot);

	atomic_fetch_add(&load->in_flight, n);
}

void
worker_service_leave(struct worker_service *s)
{
	if (--s->n_users > 0 || !s->is_gone)
		return;
	hold_slot(s, -1);
	service_fini(s);
	free(s);
}

void
worker_service_remove(struct worker *w, uint32_t slot)
{
	struct worker_service *s = w->services[slot];
	struct queue *queue = s->queue;
	size_t i;

	w->services[slot] = NULL;
	s->is_gone = true;
	hold_slot(s, 1);
	s->queue = NULL;
	s->outlier = NULL;
	for (i = 0; i < s->conf->n_backends; i++) {
		backend_remove(w, s->backends[i]);
		s->backends[i] = NULL;
	}
	if (queue != NULL)
		queue_evict(queue, w->loop);
	worker_service_use(s);
	worker_service_leave(s);
}

/* Nothing is up any more, or nobody is held any more: who waits looks what is left to wait for. */
static void
ask_waiters(struct worker_service *s, bool was_up)
{
	bool may_differ = s->view->n == 0 && (was_up || mono_is_set(s->view->refused_until));

	if (may_differ && s->conf->hold.requests != 0 && queue_has_waiters(s->queue))
		queue_evict(s->queue, s->worker->loop);
}

static void
place_backend(struct worker_service *s, const struct view *view, uint32_t i)
{
	static const struct addr none;
	uint32_t entry = view->entry_of[i];

	if (entry == TG_VIEW_NONE)
		entry = view->spare_of[i];
	set_addr(s->backends[i], entry != TG_VIEW_NONE ? &view->addrs[entry] : &none);
}

/* One may be missing that there was no memory to tell of. */
static void
place_backends(struct worker_service *s, const struct view *view)
{
	bool is_next = view->number == s->view_number + 1;
	uint32_t i;

	for (i = 0; is_next && i < view->n_moved; i++)
		place_backend(s, view, view->moved[i]);
	for (i = 0; !is_next && i < s->conf->n_backends; i++)
		place_backend(s, view, i);
	s->view_number = view->number;
}

void
worker_set_view(struct worker *w, struct view *view)
{
	struct worker_service *s = w->services[view->conf->segment_slot];
	bool was_up = s->view->n > 0;
	size_t i;

	view_unref(s->view);
	s->view = view;
	/* A limit may be ordered where there was none. */
	if (view->queue != NULL)
		s->queue = view->queue;
	/* Without memory the new view is served in plain turns until the next change. */
	if (s->ops->update(s->balance, view) != 0)
		log_write(TG_LOG_WARN, "no memory for weights, serving in turns", "svc=%s",
			  s->conf->name);
	/* By the view before, they may have been full here. */
	for (i = 0; view->room != NULL && i < view->n; i++)
		room_open(view->room, view->entries[i].backend);
	place_backends(s, view);
	ask_waiters(s, was_up);
	lease_serve_waiters(s);
}

/* listeners */

struct worker_listener *
worker_listener_new(struct worker *w, const struct conf_listener *conf, const struct front_ops *ops,
		    struct tls_context *tls)
{
	struct worker_listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->worker = w;
	l->conf = conf;
	l->ops = ops;
	l->tls = tls_context_ref(tls);
	l->has_arrivals = tls != NULL || conf->accept_proxy || conf_routes_by_hello(conf);
	l->counters = segment_counters(w->segment, w->id, conf->segment_slot);
	l->histograms = segment_histograms(w->segment, w->id, conf->segment_slot)->h;
	l->load = segment_load(w->segment, conf->segment_slot);
	l->shared = segment_shared(w->segment, conf->segment_slot);
	LIST_INIT(&l->fronts);
	if (ops->init != NULL && ops->init(l) != 0) {
		worker_listener_free(l);
		return NULL;
	}
	return l;
}

void
worker_listener_free(struct worker_listener *l)
{
	if (l == NULL)
		return;
	listener_stop(l);
	capture_free(&l->capture);
	if (l->ops->fini != NULL)
		l->ops->fini(l);
	tls_context_unref(l->tls);
	conf_unref(l->owner);
	free(l);
}

/* The slot of one that is gone may be another's by now. */
struct worker_service *
listener_service(const struct worker_listener *l, const struct conf_service *conf)
{
	struct worker_service *service = l->worker->services[conf->segment_slot];

	if (service == NULL || !l->is_leaving)
		return service;
	return strcmp(service->conf->name, conf->name) == 0 ? service : NULL;
}

struct worker_listener *
worker_listener_find(const struct worker *w, uint32_t slot)
{
	struct worker_listener *l;

	TAILQ_FOREACH(l, &w->listeners, link) {
		if (l->conf->segment_slot == slot)
			return l;
	}
	return NULL;
}

/* Sockets of `from`, if it has any, in place of its own. */
static void
take_sockets(struct worker_listener *l, struct worker_listener *from)
{
	size_t i;

	if (from->n_sockets == 0)
		return;
	listener_take_waiting(l);
	listener_stop(l);
	l->sockets = from->sockets;
	l->n_sockets = from->n_sockets;
	for (i = 0; i < l->n_sockets; i++)
		l->sockets[i].listener = l;
	from->sockets = NULL;
	from->n_sockets = 0;
}

static void
set_limit(struct worker_listener *l, unsigned n)
{
	atomic_store_explicit(&l->shared->limit, (int64_t)n, memory_order_relaxed);
}

/* Of what is configured; a limit that is ordered holds until that is edited. */
static void
configure(struct worker_listener *l, struct worker_listener *next)
{
	struct tls_context *tls = l->tls;
	void *routes = l->routes;

	if (l->conf->max_connections != next->conf->max_connections)
		set_limit(l, next->conf->max_connections);
	l->conf = next->conf;
	l->routes = next->routes;
	next->routes = routes;
	l->tls = next->tls;
	next->tls = tls;
	l->has_arrivals = next->has_arrivals;
}

int
worker_listener_set(struct worker *w, struct worker_listener *next, struct conf *before,
		    bool is_accepting)
{
	struct worker_listener *l = worker_listener_find(w, next->conf->segment_slot);
	bool has_news = next->n_sockets > 0;

	if (l != NULL && l->ops == next->ops) {
		configure(l, next);
		take_sockets(l, next);
		worker_listener_free(next);
		return is_accepting && has_news ? listener_start(l) : 0;
	}
	if (l != NULL) {
		if (!has_news) {
			listener_unwatch(l);
			take_sockets(next, l);
		}
		worker_listener_remove(l, before);
	}
	TAILQ_INSERT_TAIL(&w->listeners, next, link);
	set_limit(next, next->conf->max_connections);
	return is_accepting ? listener_start(next) : 0;
}

void
worker_listener_drain(struct worker_listener *l)
{
	struct front_link *front;
	struct front_link *next;

	for (front = LIST_FIRST(&l->fronts); front != NULL; front = next) {
		next = LIST_NEXT(front, link);
		front->ops->drain(front);
	}
}

void
worker_listener_remove(struct worker_listener *l, struct conf *conf)
{
	struct worker *w = l->worker;

	TAILQ_REMOVE(&w->listeners, l, link);
	l->owner = conf_ref(conf);
	listener_take_waiting(l);
	listener_stop(l);
	/* Not freed under our hands by the last one that ends. */
	worker_listener_drain(l);
	TAILQ_INSERT_TAIL(&w->leaving, l, link);
	l->is_leaving = true;
	listener_left(l);
}

uint64_t
worker_random(struct worker *w)
{
	uint64_t a = w->random[0];
	uint64_t b = w->random[1];

	w->random[0] = b;
	a ^= a << 23;
	w->random[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return w->random[1] + b;
}
