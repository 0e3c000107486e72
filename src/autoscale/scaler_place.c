/* autoscale/scaler_place.c: nodes for backends that have none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/placement_priv.h"

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

/*** One service ***/

static void
put_on(struct homeless *h, const struct placement *p, uint32_t i, int32_t node, const char *by,
       int64_t now_ms)
{
	char why[128];

	snprintf(why, sizeof(why), "%s on %s", by, node_name(p, node));
	fleet_put_on(h->s->state->fleet, h->members[i]->name, node_name(p, node), why, now_ms);
}

/* Whoever room is kept for has it first. */
static void
take_kept(struct homeless *h, struct placement *p, int64_t now_ms)
{
	uint32_t group = h->s->conf->index;
	uint32_t left = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		const struct fleet_member *m = h->members[i];
		int32_t node = placement_nominated(p, m);
		uint32_t which;

		if (node < 0 || board_refusal(p->board, group, (uint32_t)node, &which) !=
					TG_REFUSAL_NONE) {
			h->members[left++] = m;
			continue;
		}
		board_put(p->board, group, (uint32_t)node);
		put_on(h, p, i, node, "room was kept", now_ms);
	}
	h->n = left;
}

/* On others than those where a start has just failed; what fits there alone goes there. -TG_ENOMEM. */
static int
place_groups(struct homeless *h, struct placement *p, const struct sched_by *by, uint32_t *groups,
	     int32_t *nodes)
{
	const struct tg_scheduler *ops = by->module->ops;
	bool is_quick = ops->deadline_ms == NULL || ops->deadline_ms(by->values) == 0;
	bool is_any_shunned = placement_shun(p, h->s, true);
	uint32_t from = 0;
	int n;

	take_kept(h, p, scaler_now_ms(h->s->scaler));
	n = sched_place_all(p->board, by, groups, h->n, is_quick, nodes);
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
	char why[512] = ""; /* the same of all */
	uint32_t left = 0;

	for (uint32_t i = 0; i < h->n; i++)
		groups[i] = group;
	if (place_groups(h, p, &by, groups, nodes) < 0)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		if (nodes[i] != TG_SCHED_NOWHERE) {
			put_on(h, p, i, nodes[i], h->s->scheduler->name, now_ms);
			continue;
		}
		h->members[left++] = h->members[i];
		if (h->members[i]->is_waiting)
			continue;
		if (why[0] == '\0') {
			(void)sched_place(p->board, &by, group, verdicts);
			placement_why(p, group, verdicts, why, sizeof(why));
		}
		fleet_wait(h->s->state->fleet, h->members[i]->name, why);
	}
	if (left > 0)
		scaler_make_room(h->s, h->members, left);
}

static void
place_on_nodes(struct homeless *h, struct placement *p)
{
	uint32_t *groups = calloc(h->n, sizeof(*groups));
	int32_t *nodes = calloc(h->n, sizeof(*nodes));
	struct sched_verdict *verdicts = calloc(p->cluster.n_nodes + 1, sizeof(*verdicts));

	if (groups != NULL && nodes != NULL && verdicts != NULL) {
		placement_reserve(p, h->s, false);
		place_members(h, p, groups, nodes, verdicts);
		placement_reserve(p, h->s, true);
	}
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
		if (p != NULL)
			placement_reserve_down_to(p, h.s->scaler, h.s->conf->placement.priority);
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
