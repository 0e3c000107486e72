/* A fleet, and what is behind its names: as provider, configuration and workers have it. */
#ifndef TG_TESTS_FLEET_WORLD_H
#define TG_TESTS_FLEET_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/fleet.h"

#define MAX 512

/* What is behind one name, as provider, configuration and workers have it. */
struct thing {
	char name[TG_INSTANCE_NAME];
	bool is_running;
	bool is_configured;
	bool is_draining;
	bool is_up;
	bool is_ill; /* never up */
	int64_t in_flight;
	uint32_t slot;
	/* orders without an answer: */
	uint64_t start;
	uint64_t stop;
	bool is_adding;
	bool is_removing;
	unsigned starts;
	unsigned stops;
	bool is_held; /* by an operator */
	bool is_cut_off;
	bool is_leaving;
	char node[TG_NODE_NAME];
};

struct world {
	struct fleet *fleet;
	struct thing things[MAX];
	unsigned n;
	int64_t now;
	unsigned cuts;
	unsigned readies;
	unsigned failures;
	unsigned lost;
	unsigned back;
	bool refuses; /* orders fail at once */
	const char *taken; /* a name of another's */
};

static const struct fleet_limits limits = {
	.start_timeout_ms = 30000,
	.drain_timeout_ms = 20000,
	.stop_grace_ms = 5000,
};

static inline struct thing *
thing(struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (strcmp(w->things[i].name, name) == 0)
			return &w->things[i];
	}
	assert_true(w->n < MAX);
	snprintf(w->things[w->n].name, sizeof(w->things[0].name), "%s", name);
	w->things[w->n].slot = w->n + 1;
	return &w->things[w->n++];
}

static inline int
on_start(void *user, const struct fleet_member *m, uint64_t token)
{
	struct world *w = user;

	if (w->refuses)
		return -TG_ELIMIT;
	thing(w, m->name)->start = token;
	thing(w, m->name)->starts++;
	return 0;
}

static inline int
on_stop(void *user, const struct fleet_member *m, uint64_t token, uint64_t grace_ms)
{
	struct world *w = user;
	struct thing *t = thing(w, m->name);

	assert_int_equal(grace_ms, limits.stop_grace_ms);
	if (w->refuses)
		return -TG_ELIMIT;
	assert_false(t->is_configured);
	assert_true(t->in_flight == 0 || w->cuts > 0);
	t->stop = token;
	t->stops++;
	return 0;
}

static inline int
on_add(void *user, const struct fleet_member *m)
{
	struct world *w = user;

	assert_true(m->has_addr);
	if (w->refuses)
		return -TG_ELIMIT;
	thing(w, m->name)->is_adding = true;
	return 0;
}

static inline int
on_remove(void *user, const struct fleet_member *m)
{
	struct world *w = user;

	if (w->refuses)
		return -TG_ELIMIT;
	thing(w, m->name)->is_removing = true;
	return 0;
}

static inline bool
on_taken(void *user, const char *name)
{
	const struct world *w = user;

	return w->taken != NULL && strcmp(name, w->taken) == 0;
}

static inline int
on_drain(void *user, const struct fleet_member *m, bool is_on)
{
	struct world *w = user;

	thing(w, m->name)->is_draining = is_on;
	return 0;
}

static inline void
on_cut(void *user, const struct fleet_member *m)
{
	struct world *w = user;

	thing(w, m->name)->in_flight = 0;
	w->cuts++;
}

static inline void
on_told(void *user, const struct fleet_member *m, enum fleet_news what, const char *why)
{
	struct world *w = user;

	assert_non_null(m);
	assert_non_null(why);
	w->failures += what == TG_FLEET_NEWS_START_FAILED;
	w->lost += what == TG_FLEET_NEWS_LOST;
	w->back += what == TG_FLEET_NEWS_BACK;
}

static inline void
on_ready(void *user, const struct fleet_member *m, uint64_t took_ms)
{
	struct world *w = user;

	assert_true(took_ms <= limits.start_timeout_ms);
	assert_int_equal(m->state, TG_FLEET_READY);
	w->readies++;
}

static const struct fleet_orders orders = {
	.start = on_start,
	.stop = on_stop,
	.add = on_add,
	.remove = on_remove,
	.is_taken = on_taken,
	.drain = on_drain,
	.cut = on_cut,
	.told = on_told,
	.was_ready = on_ready,
};

static inline int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = 1000000;
	w->fleet = fleet_new(&limits, &orders, w);
	assert_non_null(w->fleet);
	*state = w;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct world *w = *state;

	fleet_free(w->fleet);
	free(w);
	return 0;
}

static inline struct instance
instance_of(const struct thing *t, enum instance_state state)
{
	struct instance i = {.state = state, .has_addr = true, .addr.len = sizeof(struct sockaddr_in)};

	snprintf(i.name, sizeof(i.name), "%s", t->name);
	snprintf(i.node, sizeof(i.node), "%s", t->node);
	i.is_leaving = t->is_leaving;
	return i;
}

static inline void
list(struct world *w)
{
	static struct instance instances[MAX];
	size_t n = 0;

	for (unsigned i = 0; i < w->n; i++) {
		if (w->things[i].is_running)
			instances[n++] = instance_of(&w->things[i], TG_INSTANCE_RUNNING);
	}
	fleet_listed(w->fleet, instances, n, w->now, w->now);
}

static inline void
answer_provider(struct world *w, struct thing *t)
{
	uint64_t token;

	if (t->start != 0) {
		struct instance i;

		token = t->start;
		t->start = 0;
		t->is_running = true;
		i = instance_of(t, TG_INSTANCE_RUNNING);
		fleet_answered(w->fleet, token, 0, "", w->now);
		fleet_changed(w->fleet, &i, w->now);
	}
	if (t->stop != 0) {
		token = t->stop;
		t->stop = 0;
		t->is_running = false;
		t->is_up = false;
		fleet_answered(w->fleet, token, 0, "", w->now);
	}
}

static inline void
answer_configuration(struct world *w, struct thing *t)
{
	if (t->is_adding) {
		t->is_adding = false;
		t->is_configured = true;
		fleet_added(w->fleet, t->name, t->slot, true, "", w->now);
	}
	if (t->is_removing) {
		t->is_removing = false;
		t->is_configured = false;
		fleet_removed(w->fleet, t->name, true, "", w->now);
	}
}

static inline enum fleet_steer
steer_of(const struct thing *t)
{
	if (t->is_held)
		return TG_FLEET_STEER_OPERATOR;
	return t->is_draining ? TG_FLEET_STEER_OURS : TG_FLEET_STEER_NONE;
}

/* In the configuration, so it can be steered. */
static inline bool
fleet_is_in(const struct fleet_member *m)
{
	return m->state >= TG_FLEET_CHECKING && m->state <= TG_FLEET_REMOVING;
}

static inline void
observe(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct thing *t = &w->things[i];
		const struct fleet_member *m = fleet_find(w->fleet, t->name);

		if (m == NULL || m->slot == 0)
			continue;
		if (fleet_is_in(m))
			fleet_steered(w->fleet, t->name, steer_of(t), w->now);
		fleet_cut_off(w->fleet, t->name, t->is_cut_off);
		fleet_observed(w->fleet, t->name, t->is_up && t->is_running, t->in_flight, w->now);
	}
}

/* All is answered, all that runs is up. */
static inline void
turn(struct world *w, uint32_t desired)
{
	w->now += 1000;
	for (unsigned i = 0; i < w->n; i++) {
		answer_provider(w, &w->things[i]);
		answer_configuration(w, &w->things[i]);
		w->things[i].is_up = w->things[i].is_running && w->things[i].is_configured &&
				     !w->things[i].is_ill;
	}
	observe(w);
	fleet_tick(w->fleet, desired, w->now);
}

static inline void
settle(struct world *w, uint32_t desired)
{
	for (int i = 0; i < 10; i++)
		turn(w, desired);
}

static inline unsigned
running(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n; i++)
		n += w->things[i].is_running;
	return n;
}

#endif
