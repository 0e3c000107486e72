#include "backend/registry.h"

#include <stdlib.h>

struct backend_state {
	enum backend_health health;
	bool has_addr;
	struct addr addr;
};

struct service_state {
	const struct conf_service *conf;
	const struct balance_ops *ops;
	struct backend_state *backends;
	struct segment_shared **loads;
	bool changed;
};

struct registry {
	const struct conf *conf;
	struct service_state *services;
	struct balance_shared **balance;
	size_t n_checking;
};

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
	r->balance[i] = s->ops->shared_new(s->conf, s->loads);
	return r->balance[i] != NULL ? 0 : -TG_ENOMEM;
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
	r->balance = calloc(conf->n_services + 1, sizeof(struct balance_shared *));
	if (r->services == NULL || r->balance == NULL)
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
		if (r->services[i].ops != NULL && r->balance != NULL)
			r->services[i].ops->shared_free(r->balance[i]);
		free(r->services[i].backends);
		free(r->services[i].loads);
	}
	free(r->services);
	free(r->balance);
	free(r);
}

int
registry_observe(struct registry *r, const struct msg_backend *msg)
{
	struct service_state *s;
	struct backend_state *b;

	if (msg->service >= r->conf->n_services || msg->health >= TG_BACKEND_HEALTH_COUNT ||
	    msg->backend >= r->conf->services[msg->service].n_backends)
		return -TG_EPROTO;
	s = &r->services[msg->service];
	b = &s->backends[msg->backend];
	if (msg->health == TG_HEALTH_CHECKING && b->health != TG_HEALTH_CHECKING)
		return 0; /* a new keeper, or a new address: the last verdict holds until the next */
	if (b->health == TG_HEALTH_CHECKING && msg->health != TG_HEALTH_CHECKING)
		r->n_checking--;
	b->health = (enum backend_health)msg->health;
	b->has_addr = msg->has_addr != 0;
	b->addr = msg->addr;
	s->changed = true;
	return 0;
}

bool
registry_is_settled(const struct registry *r)
{
	return r->n_checking == 0;
}

static bool
may_serve(const struct service_state *s, size_t i, bool backup)
{
	const struct backend_state *b = &s->backends[i];

	return b->health == TG_HEALTH_UP && b->has_addr && s->conf->backends[i].weight > 0 &&
	       s->conf->backends[i].backup == backup;
}

static uint32_t
count_serving(const struct service_state *s, bool backup)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++)
		n += may_serve(s, i, backup);
	return n;
}

/* Backups serve when nobody else can, and then all of them. */
static struct view *
make_view(const struct service_state *s)
{
	uint32_t n = count_serving(s, false);
	bool backup = n == 0;
	struct view *view = view_new(s->conf, backup ? count_serving(s, true) : n);
	size_t i;

	if (view == NULL)
		return NULL;
	view->is_backup = backup;
	for (i = 0; i < s->conf->n_backends; i++) {
		if (!may_serve(s, i, backup))
			continue;
		view->entry_of[i] = view->n;
		view->entries[view->n++] = (struct view_entry){
			.backend = (uint32_t)i,
			.weight = s->conf->backends[i].weight,
			.addr = s->backends[i].addr,
			.load = s->loads[i],
		};
	}
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
		view = make_view(&r->services[i]);
		if (view == NULL) {
			rc = -TG_ENOMEM;
			continue;
		}
		r->services[i].changed = false;
		r->services[i].ops->shared_update(r->balance[i], view);
		publish(arg, (uint32_t)i, view);
	}
	return rc;
}

struct balance_shared *const *
registry_balance(const struct registry *r)
{
	return r->balance;
}
