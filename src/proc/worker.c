#include "proc/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "http/route.h"
#include "l4/l4.h"
#include "l7/l7.h"

/* While draining: how often to look whether all is done. */
#define DRAIN_CHECK_MS 50u

static int
init_listener(struct worker_thread *t, size_t i)
{
	struct worker_listener *l = &t->worker.listeners[i];

	if (l->conf->mode == TG_MODE_TCP) {
		l->ops = &l4_front_ops;
		return 0;
	}
	l->ops = &l7_front_ops;
	t->routes[i] = http_routes_new(l->conf);
	l->routes = t->routes[i];
	return t->routes[i] != NULL ? 0 : -TG_ENOMEM;
}

static void on_check(struct timer *timer);

int
worker_thread_init(struct worker_thread *t, unsigned id, const struct conf *conf,
		   struct segment *segment, const struct registry *registry)
{
	size_t i;
	int rc;

	rc = worker_init(&t->worker, id, conf, segment, registry_shared(registry));
	timer_init(&t->check, on_check);
	t->routes = calloc(conf->n_listeners + 1, sizeof(struct http_routes *));
	if (rc == 0 && t->routes == NULL)
		rc = -TG_ENOMEM;
	if (rc == 0)
		rc = l7_worker_init(&t->worker);
	for (i = 0; i < conf->n_listeners; i++) {
		if (rc == 0)
			rc = init_listener(t, i);
	}
	return rc;
}

int
worker_thread_add_socket(struct worker_thread *t, size_t listener, int fd)
{
	return listener_add_socket(&t->worker.listeners[listener], fd);
}

static void *
thread_main(void *arg)
{
	struct worker_thread *t = arg;

	log_write(TG_LOG_DEBUG, "worker started", "worker=%u", t->worker.id);
	loop_run(t->worker.loop);
	if (t->control != NULL)
		loop_post(t->control, &t->ended, t->on_ended);
	return NULL;
}

int
worker_thread_start(struct worker_thread *t)
{
	sigset_t all;
	sigset_t before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&t->thread, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->is_running = rc == 0;
	return rc == 0 ? 0 : -TG_EIO;
}

/* views */

struct view_call {
	struct loop_call call;
	struct worker *worker;
	uint32_t service;
	struct view *view;
};

static void
on_view(struct loop_call *call)
{
	struct view_call *v = (struct view_call *)call;

	worker_set_view(v->worker, v->service, v->view);
	free(v);
}

int
worker_thread_set_view(struct worker_thread *t, uint32_t service, struct view *view)
{
	struct view_call *v = malloc(sizeof(*v));

	if (v == NULL) {
		view_unref(view);
		return -TG_ENOMEM;
	}
	v->worker = &t->worker;
	v->service = service;
	v->view = view;
	loop_post(t->worker.loop, &v->call, on_view);
	return 0;
}

/* accepting */

static void
on_accept(struct loop_call *call)
{
	struct worker_thread *t = TG_CONTAINER(call, struct worker_thread, accept);
	size_t i;

	t->is_accepting = true;
	for (i = 0; i < t->worker.conf->n_listeners; i++) {
		struct worker_listener *l = &t->worker.listeners[i];

		if (listener_start(l) != 0)
			log_write(TG_LOG_ERROR, "cannot watch listener", "listener=%s worker=%u",
				  l->conf->name, t->worker.id);
	}
	worker_set_accepting(&t->worker, true);
}

void
worker_thread_accept(struct worker_thread *t)
{
	loop_post(t->worker.loop, &t->accept, on_accept);
}

/* cutting a backend off */

struct cut_call {
	struct loop_call call;
	struct worker *worker;
	uint32_t service;
	uint32_t backend;
};

static void
cut_fronts(struct worker_listener *l, const struct worker_backend *backend)
{
	struct front_link *front;
	struct front_link *next;

	for (front = LIST_FIRST(&l->fronts); front != NULL; front = next) {
		next = LIST_NEXT(front, link);
		l->ops->cut(front, backend);
	}
}

static void
on_cut(struct loop_call *call)
{
	struct cut_call *c = (struct cut_call *)call;
	struct worker *w = c->worker;
	size_t i;

	for (i = 0; i < w->conf->n_listeners; i++)
		cut_fronts(&w->listeners[i], &w->services[c->service].backends[c->backend]);
	free(c);
}

int
worker_thread_cut(struct worker_thread *t, uint32_t service, uint32_t backend)
{
	struct cut_call *c = malloc(sizeof(*c));

	if (c == NULL)
		return -TG_ENOMEM;
	c->worker = &t->worker;
	c->service = service;
	c->backend = backend;
	loop_post(t->worker.loop, &c->call, on_cut);
	return 0;
}

static void
on_question(struct loop_call *call)
{
	struct worker_thread *t = TG_CONTAINER(call, struct worker_thread, question);

	loop_post(t->asker, &t->answer, t->on_answer);
}

void
worker_thread_ask(struct worker_thread *t, struct loop *asker,
		  void (*on_answer)(struct loop_call *answer))
{
	t->asker = asker;
	t->on_answer = on_answer;
	loop_post(t->worker.loop, &t->question, on_question);
}

/* the end */

static bool
has_fronts(const struct worker *w)
{
	size_t i;

	for (i = 0; i < w->conf->n_listeners; i++) {
		if (!LIST_EMPTY(&w->listeners[i].fronts))
			return true;
	}
	return false;
}

static void
each_front(struct worker_listener *l, void (*fn)(struct front_link *front))
{
	struct front_link *front;
	struct front_link *next;

	for (front = LIST_FIRST(&l->fronts); front != NULL; front = next) {
		next = LIST_NEXT(front, link);
		fn(front);
	}
}

static void
close_fronts(struct worker_thread *t)
{
	struct worker *w = &t->worker;
	struct front_link *front;
	struct front_link *next;
	size_t i;

	for (i = 0; i < w->conf->n_listeners; i++) {
		struct worker_listener *l = &w->listeners[i];

		for (front = LIST_FIRST(&l->fronts); front != NULL; front = next) {
			next = LIST_NEXT(front, link);
			t->cut[l->ops->close(front)]++;
		}
	}
}

static void
on_check(struct timer *timer)
{
	struct worker_thread *t = TG_CONTAINER(timer, struct worker_thread, check);
	struct worker *w = &t->worker;
	struct mono now = loop_now(w->loop);

	if (has_fronts(w) && now.us < t->deadline.us) {
		timer_set(w->loop, &t->check, mono_add_ms(now, DRAIN_CHECK_MS));
		return;
	}
	close_fronts(t);
	loop_stop(w->loop);
}

static void
on_drain(struct loop_call *call)
{
	struct worker_thread *t = TG_CONTAINER(call, struct worker_thread, drain);
	struct worker *w = &t->worker;
	size_t i;

	w->draining = true;
	worker_set_accepting(w, false);
	for (i = 0; i < w->conf->n_listeners; i++) {
		if (t->is_accepting)
			listener_take_waiting(&w->listeners[i]);
		listener_stop(&w->listeners[i]);
		each_front(&w->listeners[i], w->listeners[i].ops->drain);
	}
	t->deadline = mono_add_ms(loop_now(w->loop), t->grace_ms);
	on_check(&t->check);
}

void
worker_thread_drain(struct worker_thread *t, uint64_t grace_ms)
{
	t->grace_ms = grace_ms;
	loop_post(t->worker.loop, &t->drain, on_drain);
}

void
worker_thread_join(struct worker_thread *t)
{
	size_t i;

	if (t->is_running)
		pthread_join(t->thread, NULL);
	t->is_running = false;
	/* News of places for streams that are gone, and views nobody will use. */
	if (t->worker.loop != NULL)
		loop_serve_calls(t->worker.loop);
	timer_fini(&t->check);
	for (i = 0; t->worker.listeners != NULL && i < t->worker.conf->n_listeners; i++) {
		listener_stop(&t->worker.listeners[i]);
		if (t->routes != NULL)
			http_routes_free(t->routes[i]);
	}
	free(t->routes);
	l7_worker_fini(&t->worker);
	worker_fini(&t->worker);
}
