#include "proc/cuts.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/container.h"

struct cut {
	LIST_ENTRY(cut) link;
	struct cuts *cuts;
	struct timer timer;
	struct deferred deferred;
	unsigned service;
	unsigned backend;
};

struct cuts {
	struct loop *loop;
	cuts_due_cb *due;
	void *user;
	LIST_HEAD(, cut) list;
};

static void
free_deferred(struct deferred *d)
{
	free(TG_CONTAINER(d, struct cut, deferred));
}

static void
cut_free(struct cut *c)
{
	LIST_REMOVE(c, link);
	timer_fini(&c->timer);
	loop_defer(c->cuts->loop, &c->deferred, free_deferred);
}

static void
on_due(struct timer *t)
{
	struct cut *c = TG_CONTAINER(t, struct cut, timer);

	cut_free(c);
	c->cuts->due(c->cuts->user, c->service, c->backend);
}

static struct cut *
find(struct cuts *cuts, unsigned service, unsigned backend)
{
	struct cut *c;

	LIST_FOREACH (c, &cuts->list, link) {
		if (c->service == service && c->backend == backend)
			return c;
	}
	return NULL;
}

static struct cut *
cut_new(struct cuts *cuts, unsigned service, unsigned backend)
{
	struct cut *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->cuts = cuts;
	c->service = service;
	c->backend = backend;
	timer_init(&c->timer, on_due);
	LIST_INSERT_HEAD(&cuts->list, c, link);
	return c;
}

struct cuts *
cuts_new(struct loop *loop, cuts_due_cb *due, void *user)
{
	struct cuts *cuts = calloc(1, sizeof(*cuts));

	if (cuts == NULL)
		return NULL;
	cuts->loop = loop;
	cuts->due = due;
	cuts->user = user;
	LIST_INIT(&cuts->list);
	return cuts;
}

void
cuts_free(struct cuts *cuts)
{
	if (cuts == NULL)
		return;
	while (!LIST_EMPTY(&cuts->list))
		cut_free(LIST_FIRST(&cuts->list));
	free(cuts);
}

int
cuts_set(struct cuts *cuts, unsigned service, unsigned backend, uint64_t after_ms)
{
	struct cut *c = find(cuts, service, backend);

	if (c == NULL)
		c = cut_new(cuts, service, backend);
	if (c == NULL)
		return -TG_ENOMEM;
	timer_set(cuts->loop, &c->timer, mono_add_ms(loop_now(cuts->loop), after_ms));
	return 0;
}

void
cuts_clear(struct cuts *cuts, unsigned service, unsigned backend)
{
	struct cut *c = find(cuts, service, backend);

	if (c != NULL)
		cut_free(c);
}

void
cuts_commit(struct cuts *cuts, const struct conf_same *same)
{
	struct cut *c;
	struct cut *next;

	for (c = LIST_FIRST(&cuts->list); c != NULL; c = next) {
		const struct conf_service *service = &same->before->services[c->service];
		struct conf_place now =
			conf_same_next(same, service, &service->backends[c->backend]);

		next = LIST_NEXT(c, link);
		if (now.service == NULL) {
			cut_free(c);
			continue;
		}
		c->service = now.service->index;
		c->backend = now.backend->index;
	}
}
