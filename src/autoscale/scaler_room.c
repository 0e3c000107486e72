/*
 * autoscale/scaler_room.c: room for a backend that fits nowhere: who of lower priority goes for it. The backend is
 * nominated for the node then, and nobody of its priority or below is placed where it would take the room of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/placement_priv.h"

#define EVICT_MAX 64u /* for one backend */

/* What is asked for one service. */
struct room {
	struct scaled *s;
	uint32_t group;
	struct sched_by by;
	struct placement *
		settled; /* as it is when all that leaves has left, and all that are nominated are there */
	struct sched_verdict *verdicts;
	int64_t now_ms;
};

/*** Who goes ***/

struct victim {
	const char *node;
	const struct fleet_member *best;
};

/* The fewest in flight; of these the newest. */
static void
look_at_victim(void *user, const struct fleet_member *m)
{
	struct victim *v = user;

	if (m->state > TG_FLEET_DOWN || m->is_evicted || m->is_unwanted || m->is_leaving ||
	    !m->has_node || strcmp(m->node, v->node) != 0)
		return;
	if (v->best == NULL || m->in_flight <= v->best->in_flight)
		v->best = m;
}

static void
evict_one(struct room *r, uint32_t group, uint32_t node)
{
	const struct scaler *sc = r->s->scaler;
	struct scaled *of = group < sc->n_services ? sc->services[group] : NULL;
	struct victim v = {.node = r->settled->nodes[node].name};
	char name[TG_INSTANCE_NAME];
	char why[192];

	board_take(r->settled->board, group, node);
	if (of == NULL)
		return;
	fleet_walk(of->state->fleet, look_at_victim, &v);
	if (v.best == NULL)
		return;
	snprintf(name, sizeof(name), "%s", v.best->name);
	snprintf(why, sizeof(why), "its place on %s is needed by %.64s, of higher priority", v.node,
		 r->s->conf->name);
	fleet_evict(of->state->fleet, name, why, r->now_ms);
	scaled_hurry(of);
}

/* Backends of other instances' services are not ours to send away. */
static void
keep_others(struct room *r)
{
	const struct scaler *sc = r->s->scaler;

	for (size_t i = 0; i < sc->n_services; i++) {
		if (sc->services[i] != NULL && !scaled_leads(sc->services[i]))
			r->settled->groups[i].priority = INT32_MAX;
	}
}

/* What was on its way when the place was picked is not to come back to it. */
static void
let_leave(struct room *r, uint32_t node)
{
	const struct placement *p = r->settled;
	const struct scaler *sc = r->s->scaler;

	for (size_t i = 0; i < sc->n_services; i++) {
		if (sc->services[i] != NULL && p->groups[i].priority < p->groups[r->group].priority)
			fleet_let_leave(sc->services[i]->state->fleet, p->nodes[node].name);
	}
}

/*** For whom ***/

static void
nominate(struct room *r, const struct fleet_member *m, uint32_t node, uint32_t n_gone)
{
	const char *name = r->settled->nodes[node].name;
	char why[192];

	if (n_gone > 0)
		snprintf(why, sizeof(why), "%s is kept for it: %u of lower priority go", name,
			 n_gone);
	else
		snprintf(why, sizeof(why),
			 "%s is kept for it: there is room when what leaves has left", name);
	fleet_nominate(r->s->state->fleet, m->name, name, why);
	board_reserve(r->settled->board, r->group, node);
}

/* Those who leave already may be enough; else others are sent away. False: no room can be made. */
static bool
find_room(struct room *r, const struct fleet_member *m)
{
	uint32_t gone[EVICT_MAX];
	uint32_t n = 0;
	int32_t node = sched_place(r->settled->board, &r->by, r->group, r->verdicts);

	if (node == TG_SCHED_NOWHERE)
		node = sched_preempt(r->settled->board, r->group, gone, EVICT_MAX, &n);
	if (node == TG_SCHED_NOWHERE)
		return false;
	for (uint32_t i = 0; i < n; i++)
		evict_one(r, gone[i], (uint32_t)node);
	let_leave(r, (uint32_t)node);
	nominate(r, m, (uint32_t)node, n);
	return true;
}

/* It was nominated before, and will fit there still. */
static bool
keeps(struct room *r, const struct fleet_member *m)
{
	int32_t node = placement_nominated(r->settled, m);
	uint32_t which;

	if (node == TG_SCHED_NOWHERE ||
	    board_refusal(r->settled->board, r->group, (uint32_t)node, &which) != TG_REFUSAL_NONE)
		return false;
	board_reserve(r->settled->board, r->group, (uint32_t)node);
	return true;
}

static void
give_up(struct room *r, const struct fleet_member *m)
{
	char why[128];

	if (m->nominated[0] == '\0')
		return;
	snprintf(why, sizeof(why), "no room can be kept for it on %.64s any more", m->nominated);
	fleet_nominate(r->s->state->fleet, m->name, "", why);
}

/* Equals never go for each other. */
static bool
has_lower(const struct placement *p, uint32_t group)
{
	for (uint32_t i = 0; i < p->cluster.n_groups; i++)
		if (p->groups[i].priority < p->groups[group].priority)
			return true;
	return false;
}

/* All that keep theirs first, so that no other takes it. All are alike: where there is no room for one, there is none for
 * the rest. */
static void
make_room(struct room *r, const struct fleet_member **members, uint32_t n)
{
	uint32_t left = 0;
	bool is_any = has_lower(r->settled, r->group);

	keep_others(r);
	for (uint32_t i = 0; i < n; i++) {
		if (!keeps(r, members[i]))
			members[left++] = members[i];
	}
	for (uint32_t i = 0; i < left; i++) {
		is_any = is_any && find_room(r, members[i]);
		if (!is_any)
			give_up(r, members[i]);
	}
}

void
scaler_make_room(struct scaled *s, const struct fleet_member **members, uint32_t n)
{
	struct room r = {
		.s = s,
		.group = s->conf->index,
		.by = placement_by(s),
		.settled = placement_new(s->scaler, true),
		.now_ms = scaler_now_ms(s->scaler),
	};

	if (r.settled != NULL)
		r.verdicts = calloc((size_t)r.settled->cluster.n_nodes + 1, sizeof(*r.verdicts));
	if (r.verdicts != NULL) {
		placement_reserve_down_to(r.settled, s->scaler,
					  r.settled->groups[r.group].priority);
		placement_reserve(r.settled, s, false);
		make_room(&r, members, n);
	}
	free(r.verdicts);
	placement_free(r.settled);
}
