#include "backend/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "backend/back.h"
#include "backend/lease.h"

static int
init_service(struct worker *w, struct worker_service *s, const struct conf_service *conf,
	     const struct service_shared *shared, uint32_t slot, uint32_t *backend_slot)
{
	size_t i;

	s->worker = w;
	s->conf = conf;
	s->ops = balance_find(conf->balance);
	s->counters = segment_counters(w->segment, w->id, slot);
	s->histograms = segment_histograms(w->segment, w->id, slot)->h;
	s->queue = shared->queue;
	s->outlier = shared->outlier;
	budget_init(&s->budget, conf->retry.budget_permille, shared->floor);
	s->balance = s->ops->new (shared->balance, w->id, w->n_workers, worker_random(w));
	s->view = view_new(conf, 0);
	s->backends = calloc(conf->n_backends + 1, sizeof(s->backends[0]));
	if (s->balance == NULL || s->view == NULL || s->backends == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < conf->n_backends; i++) {
		struct worker_backend *b = &s->backends[i];

		b->service = s;
		b->index = (uint32_t)i;
		TAILQ_INIT(&b->idle);
		b->counters = segment_counters(w->segment, w->id, (*backend_slot)++);
	}
	return 0;
}

static void
init_listener(struct worker *w, struct worker_listener *l, const struct conf_listener *conf,
	      uint32_t slot)
{
	l->worker = w;
	l->conf = conf;
	l->counters = segment_counters(w->segment, w->id, slot);
	l->shared = segment_shared(w->segment, slot);
	LIST_INIT(&l->fronts);
}

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

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
		limit.rlim_cur = INT32_MAX;
	all = (int64_t)limit.rlim_cur;
	w->max_idle = (unsigned)(all / IDLE_SHARE / conf->workers);
	files = share_of_files(conf, all);
	w->spools = (struct spools){.bufs = &w->bufs,
				    .memory_max = conf->buffer_memory / conf->workers,
				    .folder = conf->buffer_folder,
				    .files_max = (unsigned)(files / conf->workers)};
	w->max_connections = (all - own - all / IDLE_SHARE - all / PIPE_SHARE - files) / 2;
	if (conf->max_connections != 0)
		w->max_connections = conf->max_connections;
	if (w->max_connections < 1)
		w->max_connections = 1;
	return (unsigned)(all / PIPE_SHARE / 2 / conf->workers);
}

void
worker_set_accepting(struct worker *w, bool accepting)
{
	atomic_store_explicit(&w->counters->n[TG_W_ACCEPTING], accepting, memory_order_relaxed);
}

static void
on_lag(void *user, uint64_t lag_us)
{
	const struct worker *w = user;

	histogram_add(&w->histograms[TG_HISTOGRAM_LAG], lag_us);
}

/* Slots stand in the order the parent made them: global, listeners, services, backends service by
 * service. */
int
worker_init(struct worker *w, unsigned id, const struct conf *conf, struct segment *segment,
	    const struct service_shared *shared)
{
	uint32_t slot = 1;
	uint32_t backend_slot = 1 + (uint32_t)(conf->n_listeners + conf->n_services);
	size_t i;
	int rc = 0;

	*w = (struct worker){
		.id = id, .n_workers = conf->workers, .conf = conf, .segment = segment};
	if (getrandom(w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random))
		w->random[0] = mono_read().us | 1;
	w->ring = segment_ring(segment, id);
	w->counters = segment_counters(segment, id, 0);
	w->histograms = segment_histograms(segment, id, 0)->h;
	worker_set_accepting(w, false);
	w->total = segment_shared(segment, 0);
	pipe_pool_init(&w->pipes, divide_descriptors(w), &w->total->pipes);
	atomic_fetch_add(&w->total->pipes_max, w->pipes.max);
	buf_pool_init(&w->bufs);
	w->loop = loop_new();
	w->listeners = calloc(conf->n_listeners + 1, sizeof(w->listeners[0]));
	w->services = calloc(conf->n_services + 1, sizeof(w->services[0]));
	for (i = 0; w->listeners != NULL && i < conf->n_listeners; i++)
		init_listener(w, &w->listeners[i], &conf->listeners[i], slot++);
	if (w->loop == NULL || w->listeners == NULL || w->services == NULL)
		return -TG_ENOMEM;
	loop_watch_lag(w->loop, on_lag, w);
	for (i = 0; i < conf->n_services && rc == 0; i++)
		rc = init_service(w, &w->services[i], &conf->services[i], &shared[i], slot++,
				  &backend_slot);
	return rc;
}

static void
fini_service(struct worker_service *s)
{
	size_t i;

	for (i = 0; s->backends != NULL && i < s->conf->n_backends; i++)
		back_close_idle(&s->backends[i]);
	free(s->backends);
	if (s->ops != NULL)
		s->ops->free(s->balance);
	view_unref(s->view);
}

void
worker_fini(struct worker *w)
{
	size_t i;

	for (i = 0; w->services != NULL && i < w->conf->n_services; i++)
		fini_service(&w->services[i]);
	loop_free(w->loop);
	free(w->services);
	free(w->listeners);
	pipe_pool_fini(&w->pipes);
	buf_pool_fini(&w->bufs);
}

void
worker_set_view(struct worker *w, uint32_t service, struct view *view)
{
	struct worker_service *s = &w->services[service];
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
	for (i = 0; i < s->conf->n_backends; i++) {
		struct worker_backend *b = &s->backends[i];
		uint32_t entry = view->entry_of[i];
		struct addr none = {.len = 0};
		const struct addr *addr =
			entry != TG_VIEW_NONE ? &view->entries[entry].addr : &none;

		/* By the view before, it may have been full here. */
		if (entry != TG_VIEW_NONE && view->room != NULL)
			room_open(view->room, b->index);
		if (!addr_equal(addr, &b->addr)) {
			back_close_idle(b);
			b->addr = *addr;
			b->generation++;
		}
	}
	lease_serve_waiters(s);
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
