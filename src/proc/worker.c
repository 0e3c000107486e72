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

static void on_check(struct timer *timer);

const struct front_ops *
worker_front_ops(enum conf_mode mode)
{
	return mode == TG_MODE_TCP ? &l4_front_ops : &l7_front_ops;
}

static int
add_listeners(struct worker *w, const struct conf *conf, const struct contexts *contexts)
{
	size_t i;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *listener = &conf->listeners[i];
		struct worker_listener *l =
			worker_listener_new(w, listener, worker_front_ops(listener->mode),
					    contexts->list[i]);

		if (l == NULL)
			return -TG_ENOMEM;
		TAILQ_INSERT_TAIL(&w->listeners, l, link);
		atomic_store(&l->shared->limit, (int64_t)listener->max_connections);
	}
	return 0;
}

static int
add_services(struct worker *w, const struct registry *registry)
{
	size_t i;

	for (i = 0; i < registry_n_services(registry); i++) {
		struct worker_service *s = worker_service_new(w, registry_shared(registry, i), NULL);

		if (s == NULL)
			return -TG_ENOMEM;
		worker_service_free(worker_service_set(w, s));
	}
	return 0;
}

int
worker_thread_init(struct worker_thread *t, unsigned id, struct conf *conf, struct segment *segment,
		   const struct registry *registry, const struct contexts *contexts)
{
	int rc = worker_init(&t->worker, id, conf, segment);

	t->conf = conf_ref(conf);
	timer_init(&t->check, on_check);
	if (rc == 0)
		rc = l7_worker_init(&t->worker);
	if (rc == 0)
		rc = add_listeners(&t->worker, conf, contexts);
	if (rc == 0)
		rc = add_services(&t->worker, registry);
	return rc;
}

int
worker_thread_add_socket(struct worker_thread *t, uint32_t slot, int fd)
{
	struct worker_listener *l = worker_listener_find(&t->worker, slot);

	if (l != NULL)
		return listener_add_socket(l, fd);
	close(fd);
	return -TG_EPROTO;
}

static void *
thread_main(void *arg)
{
	struct worker_thread *t = arg;

	log_write(TG_LOG_DEBUG, "worker started", "worker=%u", t->worker.id);
	sign_line_use(&t->worker.sign_line);
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
	struct view *view;
};

static void
on_view(struct loop_call *call)
{
	struct view_call *v = (struct view_call *)call;

	worker_set_view(v->worker, v->view);
	free(v);
}

int
worker_thread_set_view(struct worker_thread *t, struct view *view)
{
	struct view_call *v = malloc(sizeof(*v));

	if (v == NULL) {
		view_unref(view);
		return -TG_ENOMEM;
	}
	v->worker = &t->worker;
	v->view = view;
	loop_post(t->worker.loop, &v->call, on_view);
	return 0;
}

/* challenges */

struct challenges_call {
	struct loop_call call;
	struct worker *worker;
	struct challenges *challenges;
};

static void
on_challenges(struct loop_call *call)
{
	struct challenges_call *c = (struct challenges_call *)call;

	worker_set_challenges(c->worker, c->challenges);
	free(c);
}

int
worker_thread_set_challenges(struct worker_thread *t, struct challenges *challenges)
{
	struct challenges_call *c = malloc(sizeof(*c));

	if (c == NULL) {
		challenges_unref(challenges);
		return -TG_ENOMEM;
	}
	c->worker = &t->worker;
	c->challenges = challenges;
	loop_post(t->worker.loop, &c->call, on_challenges);
	return 0;
}

/* accepting */

static void
start_listener(struct worker_listener *l)
{
	if (listener_start(l) != 0)
		log_write(TG_LOG_ERROR, "cannot watch listener", "listener=%s worker=%u",
			  l->conf->name, l->worker->id);
}

static void
on_accept(struct loop_call *call)
{
	struct worker_thread *t = TG_CONTAINER(call, struct worker_thread, accept);
	struct worker_listener *l;

	t->is_accepting = true;
	TAILQ_FOREACH(l, &t->worker.listeners, link)
		start_listener(l);
	worker_set_accepting(&t->worker, true);
}

void
worker_thread_accept(struct worker_thread *t)
{
	loop_post(t->worker.loop, &t->accept, on_accept);
}

/* Every front there is, of listeners that are leaving too. */
static void
each_front(struct worker *w, void (*fn)(void *arg, struct worker_listener *l, struct front_link *f),
	   void *arg)
{
	struct worker_listeners *lists[] = {&w->listeners, &w->leaving};
	size_t i;

	for (i = 0; i < 2; i++) {
		struct worker_listener *l;
		struct worker_listener *next_l;

		for (l = TAILQ_FIRST(lists[i]); l != NULL; l = next_l) {
			struct front_link *front;
			struct front_link *next;

			next_l = TAILQ_NEXT(l, link);
			for (front = LIST_FIRST(&l->fronts); front != NULL; front = next) {
				next = LIST_NEXT(front, link);
				fn(arg, l, front);
			}
		}
	}
}

/* who signs */

struct line_call {
	struct loop_call call;
	struct worker *worker;
	int fd;
};

static void
on_line(struct loop_call *call)
{
	struct line_call *l = (struct line_call *)call;

	sign_line_set(&l->worker->sign_line, l->fd);
	sign_line_use(&l->worker->sign_line);
	free(l);
}

int
worker_thread_set_line(struct worker_thread *t, int fd)
{
	struct line_call *l = malloc(sizeof(*l));

	if (l == NULL) {
		close(fd);
		return -TG_ENOMEM;
	}
	l->worker = &t->worker;
	l->fd = fd;
	loop_post(t->worker.loop, &l->call, on_line);
	return 0;
}

/* limits */

struct retry_call {
	struct loop_call call;
	struct worker *worker;
};

static void
on_retry(struct loop_call *call)
{
	struct retry_call *r = (struct retry_call *)call;
	struct worker_listener *l;

	TAILQ_FOREACH(l, &r->worker->listeners, link)
		listener_retry(l);
	free(r);
}

int
worker_thread_retry(struct worker_thread *t)
{
	struct retry_call *r = malloc(sizeof(*r));

	if (r == NULL)
		return -TG_ENOMEM;
	r->worker = &t->worker;
	loop_post(t->worker.loop, &r->call, on_retry);
	return 0;
}

/* cutting a backend off */

struct cut_call {
	struct loop_call call;
	struct worker *worker;
	uint32_t slot;
};

static void
cut_front(void *arg, struct worker_listener *l, struct front_link *front)
{
	(void)l;
	front->ops->cut(front, arg);
}

static void
on_cut(struct loop_call *call)
{
	struct cut_call *c = (struct cut_call *)call;
	struct worker_backend *backend = c->worker->backends[c->slot];

	if (backend != NULL)
		each_front(c->worker, cut_front, backend);
	free(c);
}

int
worker_thread_cut(struct worker_thread *t, uint32_t slot)
{
	struct cut_call *c = malloc(sizeof(*c));

	if (c == NULL)
		return -TG_ENOMEM;
	c->worker = &t->worker;
	c->slot = slot;
	loop_post(t->worker.loop, &c->call, on_cut);
	return 0;
}

/* the end */

static void
count_front(void *arg, struct worker_listener *l, struct front_link *front)
{
	(void)l;
	(void)front;
	++*(unsigned *)arg;
}

static bool
has_fronts(struct worker *w)
{
	unsigned n = 0;

	each_front(w, count_front, &n);
	return n > 0;
}

static void
close_front(void *arg, struct worker_listener *l, struct front_link *front)
{
	struct worker_thread *t = arg;

	(void)l;
	t->cut[front->ops->close(front)]++;
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
	each_front(w, close_front, t);
	loop_stop(w->loop);
}

static void
on_drain(struct loop_call *call)
{
	struct worker_thread *t = TG_CONTAINER(call, struct worker_thread, drain);
	struct worker *w = &t->worker;
	struct worker_listener *l;

	w->draining = true;
	worker_set_accepting(w, false);
	TAILQ_FOREACH(l, &w->listeners, link) {
		if (t->is_accepting)
			listener_take_waiting(l);
		listener_stop(l);
		worker_listener_drain(l);
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
	if (t->is_running)
		pthread_join(t->thread, NULL);
	t->is_running = false;
	/* News of places for streams that are gone, and views nobody will use. */
	if (t->worker.loop != NULL)
		loop_serve_calls(t->worker.loop);
	timer_fini(&t->check);
	worker_fini(&t->worker);
	l7_worker_fini(&t->worker);
	conf_unref(t->conf);
}
