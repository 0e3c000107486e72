/* autoscale/scaler_place.c: nodes for backends that have none, and for whom others make room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/placement_priv.h"

#define EVICT_MAX 64u /* for one backend */

/* Members of one service without a node. */
struct homeless {
	struct scaled *s;
	const struct fleet_member **members;
	uint32_t n;
};

static void
add_homeless(void *user, const struct fleet_member *m)
{
	struct homeless *h = user;

	if (m->state == TG_FLEET_PENDING && !m->has_node && h->n < TG_FLEET_MAX)
		h->members[h->n++] = m;
}

/* What runs is known, of all: else nodes look emptier than they are. One whose provider cannot tell is not waited
 * for. */
static bool
is_all_known(const struct scaler *s)
{
	for (size_t i = 0; i < s->n_services; i++) {
		const struct scaled *one = s->services[i];

		if (placement_is_of(one) && !fleet_is_listed(one->state->fleet) &&
		    !scaled_is_told(one) && one->state->list_failure[0] == '\0')
			return false;
	}
	return true;
}

static const char *
node_name(const struct placement *p, int32_t node)
{
	return p->nodes[node].name;
}

/*** Room for one of higher priority ***/

struct victim {
	const char *node;
	const struct fleet_member *best;
};

/* The fewest in flight; of these the newest. */
static void
look_at_victim(void *user, const struct fleet_member *m)
{
	struct victim *v = user;

	if (m->state > TG_FLEET_DOWN || m->is_evicted || m->is_leaving || !m->has_node ||
	    strcmp(m->node, v->node) != 0)
		return;
	if (v->best == NULL || m->in_flight <= v->best->in_flight)
		v->best = m;
}

static void
evict_one(struct scaler *s, const struct placement *p, uint32_t group, uint32_t node,
	  const char *service, int64_t now_ms)
{
	struct victim v = {.node = p->nodes[node].name};
	char name[TG_INSTANCE_NAME];
	char why[192];

	if (group >= s->n_services || s->services[group] == NULL)
		return;
	fleet_walk(s->services[group]->state->fleet, look_at_victim, &v);
	if (v.best == NULL)
		return;
	snprintf(name, sizeof(name), "%s", v.best->name);
	snprintf(why, sizeof(why), "its place on %s is needed by %.64s, of higher priority",
		 v.node, service);
	fleet_evict(s->services[group]->state->fleet, name, why, now_ms);
	scaled_hurry(s->services[group]);
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

/* Those who leave already may be enough; else others are sent away. */
static void
make_room(struct homeless *h, uint32_t group, const struct sched_by *by, int64_t now_ms)
{
	struct scaler *s = h->s->scaler;
	struct placement *settled = placement_new(s, true);
	uint32_t gone[EVICT_MAX];
	struct sched_verdict *verdicts;
	uint32_t n = 0;
	int32_t node = TG_SCHED_NOWHERE;

	verdicts = settled != NULL ? calloc(settled->cluster.n_nodes + 1, sizeof(*verdicts)) : NULL;
	if (verdicts != NULL && sched_place(settled->board, by, group, verdicts) < 0)
		node = sched_preempt(settled->board, group, gone, EVICT_MAX, &n);
	for (uint32_t i = 0; i < n && node >= 0; i++)
		evict_one(s, settled, gone[i], (uint32_t)node, h->s->conf->name, now_ms);
	free(verdicts);
	placement_free(settled);
}

/*** One service ***/

static void
tell_placed(struct homeless *h, const struct placement *p, uint32_t i, int32_t node, int64_t now_ms)
{
	char why[128];

	snprintf(why, sizeof(why), "%s on %s", h->s->scheduler->name, node_name(p, node));
	fleet_put_on(h->s->state->fleet, h->members[i]->name, node_name(p, node), why, now_ms);
}

/* On others than those where a start has just failed; what fits there alone goes there. -TG_ENOMEM. */
static int
place_groups(struct homeless *h, struct placement *p, const struct sched_by *by, uint32_t *groups,
	     int32_t *nodes)
{
	const struct tg_scheduler *ops = by->module->ops;
	bool is_quick = ops->deadline_ms == NULL || ops->deadline_ms(by->values) == 0;
	bool is_any_shunned = placement_shun(p, h->s, true);
	int n = sched_place_all(p->board, by, groups, h->n, is_quick, nodes);
	uint32_t from = 0;

	if (!is_any_shunned)
		return n;
	(void)placement_shun(p, h->s, false);
	/* All are alike: those that have a node are the first ones, wherever the scheduler had put them. */
	for (uint32_t i = 0; i < h->n && n >= 0; i++) {
		int32_t node = nodes[i];

		if (node == TG_SCHED_NOWHERE)
			continue;
		nodes[i] = TG_SCHED_NOWHERE;
		nodes[from++] = node;
	}
	return n >= 0 && from < h->n
		       ? sched_place_all(p->board, by, groups, h->n - from, is_quick, nodes + from)
		       : n;
}

static void
place_members(struct homeless *h, struct placement *p, uint32_t *groups, int32_t *nodes,
	      struct sched_verdict *verdicts)
{
	uint32_t group = h->s->conf->index;
	struct sched_by by = placement_by(h->s);
	int64_t now_ms = scaler_now_ms(h->s->scaler);
	bool is_any_left = false;
	char why[512] = ""; /* the same of all */

	for (uint32_t i = 0; i < h->n; i++)
		groups[i] = group;
	if (place_groups(h, p, &by, groups, nodes) < 0)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		if (nodes[i] != TG_SCHED_NOWHERE) {
			tell_placed(h, p, i, nodes[i], now_ms);
			continue;
		}
		is_any_left = true;
		if (h->members[i]->is_waiting)
			continue;
		if (why[0] == '\0') {
			(void)sched_place(p->board, &by, group, verdicts);
			placement_why(p, group, verdicts, why, sizeof(why));
		}
		fleet_wait(h->s->state->fleet, h->members[i]->name, why);
	}
	if (is_any_left && has_lower(p, group))
		make_room(h, group, &by, now_ms);
}

static void
place_on_nodes(struct homeless *h, struct placement *p)
{
	uint32_t *groups = calloc(h->n, sizeof(*groups));
	int32_t *nodes = calloc(h->n, sizeof(*nodes));
	struct sched_verdict *verdicts = calloc(p->cluster.n_nodes + 1, sizeof(*verdicts));

	if (groups != NULL && nodes != NULL && verdicts != NULL)
		place_members(h, p, groups, nodes, verdicts);
	free(groups);
	free(nodes);
	free(verdicts);
}

static void
place_anywhere(struct homeless *h)
{
	int64_t now_ms = scaler_now_ms(h->s->scaler);

	for (uint32_t i = 0; i < h->n; i++)
		fleet_put_on(h->s->state->fleet, h->members[i]->name, "", "", now_ms);
}

/*** All of them ***/

static int
by_priority(const void *a, const void *b)
{
	const struct scaled *x = *(struct scaled *const *)a;
	const struct scaled *y = *(struct scaled *const *)b;

	if (x->conf->placement.priority != y->conf->placement.priority)
		return x->conf->placement.priority > y->conf->placement.priority ? -1 : 1;
	return x->conf->index < y->conf->index ? -1 : 1;
}

static void
place_service(struct homeless *h, struct placement *p)
{
	h->n = 0;
	fleet_walk(h->s->state->fleet, add_homeless, h);
	if (h->n == 0)
		return;
	if (!placement_is_of(h->s))
		place_anywhere(h);
	else if (p != NULL)
		place_on_nodes(h, p);
}

static void
place_all(struct scaled **list, size_t n, struct placement *p)
{
	struct homeless h = {.members = calloc(TG_FLEET_MAX, sizeof(*h.members))};

	for (size_t i = 0; i < n && h.members != NULL; i++) {
		h.s = list[i];
		place_service(&h, p);
	}
	free(h.members);
}

static size_t
list_scaled(struct scaler *s, struct scaled **list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_services; i++) {
		struct scaled *one = s->services[i];

		if (one != NULL && one->state != NULL && one->scheduler != NULL &&
		    fleet_is_listed(one->state->fleet))
			list[n++] = one;
	}
	qsort(list, n, sizeof(struct scaled *), by_priority);
	return n;
}

void
scaler_place(struct scaler *s)
{
	struct scaled **list = calloc(s->n_services + 1, sizeof(struct scaled *));
	size_t n = list != NULL ? list_scaled(s, list) : 0;
	bool has_nodes = false;
	struct placement *p;

	for (size_t i = 0; i < n; i++)
		has_nodes |= placement_is_of(list[i]);
	p = has_nodes && is_all_known(s) ? placement_new(s, false) : NULL;
	place_all(list, n, p);
	placement_free(p);
	free(list);
}

/*** The one that goes ***/

unsigned
scaler_prefer(struct scaled *s, const struct fleet_member *const *list, unsigned n)
{
	struct placement *p = placement_is_of(s) && s->scheduler != NULL
				      ? placement_new(s->scaler, true)
				      : NULL;
	struct sched_at *at = calloc(n, sizeof(*at));
	unsigned chosen = n;

	if (p != NULL && at != NULL) {
		struct sched_by by = placement_by(s);

		for (unsigned i = 0; i < n; i++)
			at[i] = (struct sched_at){
				.group = s->conf->index,
				.node = list[i]->has_node ? placement_node(p, list[i]->node)
							  : TG_SCHED_NOWHERE,
				.in_flight = list[i]->in_flight,
			};
		chosen = sched_victim(p->board, &by, at, n);
	}
	free(at);
	placement_free(p);
	return chosen;
}
