/* A worker at a reload. */
#include <stdlib.h>
#include <unistd.h>

#include "backend/capture.h"
#include "base/container.h"
#include "base/log.h"
#include "proc/worker.h"

struct worker_change {
	struct worker_thread *thread;
	struct conf *conf;
	struct worker_listeners listeners; /* one for each that is configured */
	struct worker_service **services;  /* those that are new or not as they were */
	size_t n_services;
	struct view **views; /* of these */
	size_t n_views;
	uint32_t *gone; /* slots of services */
	size_t n_gone;
	struct loop_call call;
	struct loop_call done;
	struct loop *control;
	void (*on_changed)(void *arg, struct worker_change *c);
	void *arg;
};

/* making */

static int
add_listeners(struct worker_change *c, const struct contexts *contexts)
{
	size_t i;

	for (i = 0; i < c->conf->n_listeners; i++) {
		const struct conf_listener *listener = &c->conf->listeners[i];
		struct worker_listener *l = worker_listener_new(&c->thread->worker, listener,
								worker_front_ops(listener->mode),
								contexts->list[i]);

		if (l == NULL)
			return -TG_ENOMEM;
		TAILQ_INSERT_TAIL(&c->listeners, l, link);
	}
	return 0;
}

static int
add_services(struct worker_change *c, const struct registry_next *next)
{
	size_t i;

	for (i = 0; i < c->conf->n_services; i++) {
		struct service_shared *shared = registry_next_shared(next, i);
		struct worker_service *s;

		if (shared == NULL)
			continue;
		s = worker_service_new(&c->thread->worker, shared, registry_next_kept(next, i));
		if (s == NULL)
			return -TG_ENOMEM;
		c->services[c->n_services++] = s;
	}
	return 0;
}

static bool
has_service(const struct conf *conf, uint32_t slot)
{
	size_t i;

	for (i = 0; i < conf->n_services; i++) {
		if (conf->services[i].segment_slot == slot)
			return true;
	}
	return false;
}

static void
note_gone(struct worker_change *c, const struct registry *registry)
{
	size_t i;

	for (i = 0; i < registry_n_services(registry); i++) {
		uint32_t slot = registry_shared(registry, i)->conf->segment_slot;

		if (!has_service(c->conf, slot))
			c->gone[c->n_gone++] = slot;
	}
}

struct worker_change *
worker_change_new(struct worker_thread *t, struct conf *conf, const struct registry *registry,
		  const struct registry_next *next, const struct contexts *contexts)
{
	struct worker_change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->thread = t;
	c->conf = conf_ref(conf);
	TAILQ_INIT(&c->listeners);
	c->services = calloc(conf->n_services + 1, sizeof(struct worker_service *));
	c->views = calloc(conf->n_services + 1, sizeof(struct view *));
	c->gone = calloc(registry_n_services(registry) + 1, sizeof(c->gone[0]));
	if (c->services == NULL || c->views == NULL || c->gone == NULL || add_listeners(c, contexts) != 0 ||
	    add_services(c, next) != 0) {
		worker_change_free(c);
		return NULL;
	}
	note_gone(c, registry);
	return c;
}

int
worker_change_add_socket(struct worker_change *c, uint32_t slot, int fd)
{
	struct worker_listener *l;

	TAILQ_FOREACH(l, &c->listeners, link) {
		if (l->conf->segment_slot == slot)
			return listener_add_socket(l, fd);
	}
	close(fd);
	return -TG_EPROTO;
}

bool
worker_change_has_sockets(const struct worker_change *c)
{
	const struct worker_listener *l;

	TAILQ_FOREACH(l, &c->listeners, link) {
		if (l->n_sockets == 0 &&
		    worker_listener_find(&c->thread->worker, l->conf->segment_slot) == NULL)
			return false;
	}
	return true;
}

void
worker_change_add_view(struct worker_change *c, struct view *view)
{
	c->views[c->n_views++] = view;
}

void
worker_change_free(struct worker_change *c)
{
	struct worker_listener *l;
	size_t i;

	if (c == NULL)
		return;
	while ((l = TAILQ_FIRST(&c->listeners)) != NULL) {
		TAILQ_REMOVE(&c->listeners, l, link);
		worker_listener_free(l);
	}
	for (i = 0; i < c->n_services; i++)
		worker_service_free(c->services[i]);
	for (i = 0; i < c->n_views; i++)
		view_unref(c->views[i]);
	free(c->services);
	free(c->views);
	free(c->gone);
	conf_unref(c->conf);
	free(c);
}

/* going over, in the worker's thread */

/* In the place of each service that was there is what is left of it. */
static void
set_services(struct worker_change *c)
{
	struct worker *w = &c->thread->worker;
	size_t i;

	for (i = 0; i < c->n_services; i++)
		c->services[i] = worker_service_set(w, c->services[i]);
	for (i = 0; i < c->n_views; i++)
		worker_set_view(w, c->views[i]);
	c->n_views = 0;
}

static bool
has_listener(const struct conf *conf, uint32_t slot)
{
	size_t i;

	for (i = 0; i < conf->n_listeners; i++) {
		if (conf->listeners[i].segment_slot == slot)
			return true;
	}
	return false;
}

static void
set_listeners(struct worker_change *c, struct conf *before)
{
	struct worker *w = &c->thread->worker;
	bool is_accepting = c->thread->is_accepting && !w->draining;
	struct worker_listener *l;
	struct worker_listener *next;

	for (l = TAILQ_FIRST(&w->listeners); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (!has_listener(c->conf, l->conf->segment_slot))
			worker_listener_remove(l, before);
	}
	while ((l = TAILQ_FIRST(&c->listeners)) != NULL) {
		TAILQ_REMOVE(&c->listeners, l, link);
		if (worker_listener_set(w, l, before, is_accepting) != 0)
			log_write(TG_LOG_ERROR, "cannot watch a listener", "worker=%u", w->id);
	}
}

/* Memory of thousands of backends is not freed while clients wait: what was there stays in it until then. */
void
worker_change_end(struct worker_change *c)
{
	size_t i;

	for (i = 0; i < c->n_services; i++)
		worker_service_free(c->services[i]);
	free(c->services);
	free(c->views);
	free(c->gone);
	free(c);
}

/* In the control thread. */
static void
on_done(struct loop_call *call)
{
	struct worker_change *c = TG_CONTAINER(call, struct worker_change, done);

	c->on_changed(c->arg, c);
}

static void
on_change(struct loop_call *call)
{
	struct worker_change *c = TG_CONTAINER(call, struct worker_change, call);
	struct worker_thread *t = c->thread;
	struct conf *before = t->conf;
	size_t i;

	captures_settle(&t->worker);
	set_services(c);
	worker_configure(&t->worker, c->conf);
	t->conf = c->conf;
	set_listeners(c, before);
	for (i = 0; i < c->n_gone; i++)
		worker_service_remove(&t->worker, c->gone[i]);
	conf_unref(before);
	loop_post(c->control, &c->done, on_done);
}

void
worker_thread_change(struct worker_change *c, struct loop *control,
		     void (*on_changed)(void *arg, struct worker_change *c), void *arg)
{
	c->control = control;
	c->on_changed = on_changed;
	c->arg = arg;
	loop_post(c->thread->worker.loop, &c->call, on_change);
}
