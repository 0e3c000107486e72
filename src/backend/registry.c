#include "backend/registry.h"

#include <stdlib.h>

#include "backend/serving.h"
#include "base/log.h"

struct backend_state {
	struct serving_state serving;
	struct addr addr;
};

struct service_state {
	const struct conf_service *conf;
	const struct balance_ops *ops;
	struct backend_state *backends;
	struct segment_shared **loads;
	bool changed;
	bool is_fail_open; /* as last published */
};

struct registry {
	const struct conf *conf;
	struct service_state *services;
	struct service_shared *shared; /* [conf->n_services] */
	size_t n_checking;
};

/* Configured, or an agent may order one any time. */
static bool
has_limits(const struct conf_service *conf)
{
	size_t i;

	if (conf->agent.port != 0)
		return true;
	for (i = 0; i < conf->n_backends; i++) {
		if (conf_backend_limit(conf, &conf->backends[i]) != 0)
			return true;
	}
	return false;
}

/* Only a service with limits pays for them. */
static int
init_limits(struct registry *r, size_t i, struct segment *segment)
{
	const struct conf_service *conf = r->services[i].conf;
	struct service_shared *shared = &r->shared[i];
	uint32_t slot = 1 + (uint32_t)(r->conf->n_listeners + i);

	if (!has_limits(conf))
		return 0;
	shared->room = room_new((uint32_t)conf->n_backends);
	shared->queue = queue_new(conf->queue, segment_shared(segment, slot));
	return shared->room != NULL && shared->queue != NULL ? 0 : -TG_ENOMEM;
}

static int
init_service(struct registry *r, size_t i, struct segment *segment, uint32_t *slot)
{
	struct service_state *s = &r->services[i];
	size_t b;

	s->conf = &r->conf->services[i];
	s->ops = balance_find(s->conf->balance);
	s->backends = calloc(s->conf->n_backends + 1, sizeof(s->backends[0]));
	s->loads = calloc(s->conf->n_backends + 1, sizeof(struct segment_shared *));
	if (s->backends == NULL || s->loads == NULL)
		return -TG_ENOMEM;
	for (b = 0; b < s->conf->n_backends; b++)
		s->loads[b] = segment_shared(segment, (*slot)++);
	r->n_checking += s->conf->n_backends;
	r->shared[i].balance = s->ops->shared_new(s->conf, s->loads);
	if (r->shared[i].balance == NULL)
		return -TG_ENOMEM;
	return init_limits(r, i, segment);
}

struct registry *
registry_new(const struct conf *conf, struct segment *segment)
{
	/* After the global slot, the listeners' and the services'. */
	uint32_t slot = 1 + (uint32_t)(conf->n_listeners + conf->n_services);
	struct registry *r = calloc(1, sizeof(*r));
	size_t i;

	if (r == NULL)
		return NULL;
	r->conf = conf;
	r->services = calloc(conf->n_services + 1, sizeof(r->services[0]));
	r->shared = calloc(conf->n_services + 1, sizeof(r->shared[0]));
	if (r->services == NULL || r->shared == NULL)
		goto fail;
	for (i = 0; i < conf->n_services; i++) {
		if (init_service(r, i, segment, &slot) != 0)
			goto fail;
	}
	return r;
fail:
	registry_free(r);
	return NULL;
}

void
registry_free(struct registry *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; r->services != NULL && i < r->conf->n_services; i++) {
		if (r->services[i].ops != NULL && r->shared != NULL) {
			r->services[i].ops->shared_free(r->shared[i].balance);
			queue_free(r->shared[i].queue);
			room_free(r->shared[i].room);
		}
		free(r->services[i].backends);
		free(r->services[i].loads);
	}
	free(r->services);
	free(r->shared);
	free(r);
}

int
registry_observe(struct registry *r, const struct msg_backend *msg)
{
	struct service_state *s;
	struct serving_state *b;

	if (msg->service >= r->conf->n_services || msg->health >= TG_BACKEND_HEALTH_COUNT ||
	    msg->backend >= r->conf->services[msg->service].n_backends)
		return -TG_EPROTO;
	s = &r->services[msg->service];
	b = &s->backends[msg->backend].serving;
	s->changed |= backend_order_merge(&b->order, &msg->order);
	if (msg->health == TG_HEALTH_CHECKING && b->health != TG_HEALTH_CHECKING)
		return 0; /* a new keeper, or a new address: the last verdict holds until the next */
	if (b->health == TG_HEALTH_CHECKING && msg->health != TG_HEALTH_CHECKING)
		r->n_checking--;
	b->health = (enum backend_health)msg->health;
	b->has_addr = msg->has_addr != 0;
	s->backends[msg->backend].addr = msg->addr;
	s->changed = true;
	return 0;
}

bool
registry_is_settled(const struct registry *r)
{
	return r->n_checking == 0;
}

static void
add_entry(struct view *view, const struct service_state *s, size_t i)
{
	const struct conf_backend *conf = &s->conf->backends[i];
	const struct backend_state *b = &s->backends[i];

	view->entry_of[i] = view->n;
	view->entries[view->n++] = (struct view_entry){
		.backend = (uint32_t)i,
		.weight = serving_weight(conf, &b->serving.order),
		.limit = serving_limit(s->conf, conf, &b->serving.order),
		.addr = b->addr,
		.load = s->loads[i],
	};
}

static struct serving_count
count_backends(const struct service_state *s)
{
	struct serving_count count = {.wanted = 0};
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++)
		serving_count_add(&count, &s->conf->backends[i], &s->backends[i].serving);
	return count;
}

static struct view *
make_view(const struct service_state *s, const struct serving *serving, struct room *room)
{
	struct view *view = view_new(s->conf, serving->n);
	size_t i;

	if (view == NULL)
		return NULL;
	view->is_backup = serving->is_backup;
	view->room = room;
	for (i = 0; i < s->conf->n_backends; i++) {
		if (serving_has(serving, &s->conf->backends[i], &s->backends[i].serving))
			add_entry(view, s, i);
	}
	return view;
}

static void
note_fail_open(struct service_state *s, const struct serving_count *count, bool is_fail_open)
{
	if (s->is_fail_open == is_fail_open)
		return;
	s->is_fail_open = is_fail_open;
	if (is_fail_open)
		log_write(TG_LOG_WARN, "too few backends are up, using all of them",
			  "svc=%s up=%u of=%u", s->conf->name, count->up, count->wanted);
	else
		log_write(TG_LOG_INFO, "no longer using all backends", "svc=%s up=%u of=%u",
			  s->conf->name, count->up, count->wanted);
}

/* Who is in the view may be taken; whether it has room is found out by taking. */
static void
open_rooms(const struct view *view)
{
	size_t i;

	for (i = 0; view->room != NULL && i < view->conf->n_backends; i++) {
		if (view->entry_of[i] != TG_VIEW_NONE)
			room_open(view->room, (uint32_t)i);
		else
			room_close(view->room, (uint32_t)i);
	}
}

/* NULL: no memory. */
static struct view *
build_view(struct registry *r, size_t i)
{
	struct service_state *s = &r->services[i];
	struct serving_count count = count_backends(s);
	struct serving serving = serving_decide(&count, s->conf->health.fail_open_percent);
	struct view *view = make_view(s, &serving, r->shared[i].room);

	if (view == NULL)
		return NULL;
	if (s->ops->prepare(r->shared[i].balance, view) != 0) {
		view_unref(view);
		return NULL;
	}
	open_rooms(view);
	note_fail_open(s, &count, serving.is_fail_open);
	return view;
}

int
registry_publish(struct registry *r,
		 void (*publish)(void *arg, uint32_t service, struct view *view), void *arg)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < r->conf->n_services; i++) {
		struct view *view;

		if (!r->services[i].changed)
			continue;
		view = build_view(r, i);
		if (view == NULL) {
			rc = -TG_ENOMEM;
			continue;
		}
		r->services[i].changed = false;
		publish(arg, (uint32_t)i, view);
	}
	return rc;
}

const struct service_shared *
registry_shared(const struct registry *r)
{
	return r->shared;
}
