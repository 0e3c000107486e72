#include "steer/steer.h"

#include <assert.h>
#include <stdlib.h>

struct steer {
	const struct conf *conf;
	steer_change_cb *change;
	void *user;
	struct steer_entry *entries;
	size_t *first; /* by service: index of its first backend in entries */
};

static struct steer_entry *
find(const struct steer *s, unsigned service, unsigned backend)
{
	assert(service < s->conf->n_services);
	assert(backend < s->conf->services[service].n_backends);
	return &s->entries[s->first[service] + backend];
}

struct steer *
steer_new(const struct conf *conf, steer_change_cb *change, void *user)
{
	struct steer *s = calloc(1, sizeof(*s));
	size_t n = 0;

	if (s == NULL)
		return NULL;
	s->conf = conf;
	s->change = change;
	s->user = user;
	s->first = calloc(conf->n_services + 1, sizeof(s->first[0]));
	for (size_t i = 0; s->first != NULL && i < conf->n_services; i++) {
		s->first[i] = n;
		n += conf->services[i].n_backends;
	}
	s->entries = calloc(n + 1, sizeof(s->entries[0]));
	if (s->first == NULL || s->entries == NULL) {
		steer_free(s);
		return NULL;
	}
	return s;
}

void
steer_free(struct steer *s)
{
	if (s == NULL)
		return;
	free(s->entries);
	free(s->first);
	free(s);
}

const struct steer_entry *
steer_get(const struct steer *s, unsigned service, unsigned backend)
{
	return find(s, service, backend);
}

static struct steer_entry *
begin(const struct steer_target *t)
{
	return find(t->steer, t->service, t->backend);
}

static void
end(const struct steer_target *t, struct steer_entry *entry)
{
	entry->last = *t->note;
	t->steer->change(t->steer->user, t->service, t->backend);
}

void
steer_set_admin(const struct steer_target *t, enum backend_admin admin)
{
	struct steer_entry *entry = begin(t);

	entry->order.told |= TG_ORDER_ADMIN;
	entry->order.admin = admin;
	end(t, entry);
}

static void
set_weight(const struct steer_target *t, uint32_t weight, uint32_t permille)
{
	struct steer_entry *entry = begin(t);

	entry->order.told |= TG_ORDER_WEIGHT;
	entry->order.weight = weight;
	entry->order.weight_permille = permille;
	end(t, entry);
}

void
steer_set_weight(const struct steer_target *t, uint32_t weight)
{
	set_weight(t, weight, 1000);
}

void
steer_set_weight_permille(const struct steer_target *t, uint32_t permille)
{
	set_weight(t, TG_ORDER_AS_CONF, permille);
}

void
steer_set_limit(const struct steer_target *t, uint32_t limit)
{
	struct steer_entry *entry = begin(t);

	entry->order.told |= TG_ORDER_LIMIT;
	entry->order.limit = limit;
	end(t, entry);
}

void
steer_set_addr(const struct steer_target *t, const struct addr *addr)
{
	struct steer_entry *entry = begin(t);

	entry->addr = *addr;
	end(t, entry);
}

void
steer_set_check_port(const struct steer_target *t, uint16_t port)
{
	struct steer_entry *entry = begin(t);

	entry->check_port = port;
	end(t, entry);
}

void
steer_set_checked(const struct steer_target *t, bool is_checked)
{
	struct steer_entry *entry = begin(t);

	entry->is_unchecked = !is_checked;
	end(t, entry);
}

static uint32_t
multiply_permille(uint32_t a, uint32_t b)
{
	uint64_t product = (uint64_t)a * b / 1000;

	return product > TG_ORDER_WEIGHT_PERMILLE_MAX ? TG_ORDER_WEIGHT_PERMILLE_MAX
						      : (uint32_t)product;
}

struct backend_order
steer_effective(const struct steer_entry *entry, const struct backend_order *agent)
{
	static const struct backend_order nothing;
	const struct backend_order *ours = &entry->order;
	struct backend_order order = agent != NULL ? *agent : nothing;

	if ((ours->told & TG_ORDER_WEIGHT) != 0) {
		bool has_two = (order.told & TG_ORDER_WEIGHT) != 0;

		order.weight_permille =
			has_two ? multiply_permille(ours->weight_permille, order.weight_permille)
				: ours->weight_permille;
		if (!has_two || ours->weight != TG_ORDER_AS_CONF)
			order.weight = ours->weight;
	}
	if ((ours->told & TG_ORDER_LIMIT) != 0 &&
	    (ours->limit != TG_ORDER_AS_CONF || (order.told & TG_ORDER_LIMIT) == 0))
		order.limit = ours->limit;
	if ((ours->told & TG_ORDER_ADMIN) != 0 &&
	    ((order.told & TG_ORDER_ADMIN) == 0 || ours->admin > order.admin))
		order.admin = ours->admin;
	order.told |= ours->told;
	return order;
}

const char *
steer_admin_str(enum backend_admin admin)
{
	static const char *const words[TG_BACKEND_ADMIN_COUNT] = {
		[TG_ADMIN_READY] = "ready",
		[TG_ADMIN_DRAIN] = "drain",
		[TG_ADMIN_MAINT] = "maint",
	};

	return admin < TG_BACKEND_ADMIN_COUNT ? words[admin] : "?";
}
