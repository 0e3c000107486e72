/* sched/plan.c: what would be moved so that fewer nodes are used. */
#include <stdlib.h>

#include "sched/board_priv.h"

#define TRIED "it is to be empty"

struct planner {
	struct board *b;
	const struct sched_by *by;
	struct sched_verdict *verdicts;
	bool *is_done; /* by node: emptied, or looked at */
	struct sched_plan *plan;
	uint32_t room; /* of plan->moves */
};

static int
add_move(struct planner *p, uint32_t group, uint32_t from, uint32_t to)
{
	struct sched_plan *plan = p->plan;

	if (plan->n_moves == p->room) {
		uint32_t room = p->room > 0 ? 2 * p->room : 16;
		struct sched_move *grown = realloc(plan->moves, room * sizeof(*grown));

		if (grown == NULL)
			return -TG_ENOMEM;
		plan->moves = grown;
		p->room = room;
	}
	plan->moves[plan->n_moves++] = (struct sched_move){group, from, to};
	return 0;
}

static void
undo(struct planner *p, uint32_t n_moves)
{
	struct sched_plan *plan = p->plan;

	while (plan->n_moves > n_moves) {
		const struct sched_move *m = &plan->moves[--plan->n_moves];

		board_take(p->b, m->group, m->to);
		board_put(p->b, m->group, m->from);
	}
}

/* On one that is in use: an empty one would be no gain. */
static int32_t
find_place(struct planner *p, uint32_t group, uint32_t from)
{
	int32_t to;

	board_take(p->b, group, from);
	to = sched_place(p->b, p->by, group, p->verdicts);
	if (to == TG_SCHED_NOWHERE)
		board_put(p->b, group, from);
	return to;
}

/* -TG_EAGAIN: it cannot be emptied. */
static int
move_group(struct planner *p, uint32_t group, uint32_t from)
{
	int r = 0;

	while (board_count(p->b, from, group) > 0 && r == 0) {
		int32_t to = find_place(p, group, from);

		if (to == TG_SCHED_NOWHERE)
			return -TG_EAGAIN;
		r = add_move(p, group, from, (uint32_t)to);
		board_put(p->b, group, r == 0 ? (uint32_t)to : from);
	}
	return r;
}

static double
size_of(const struct tg_node *n, const struct tg_group *g)
{
	return (n->cpu_milli > 0 ? (double)g->cpu_milli / (double)n->cpu_milli : 0) +
	       (n->memory_bytes > 0 ? (double)g->memory_bytes / (double)n->memory_bytes : 0);
}

/* The largest of those that are there. */
static uint32_t
next_group(const struct planner *p, uint32_t node)
{
	const struct tg_cluster *c = &p->b->cluster;
	uint32_t best = c->n_groups;

	for (uint32_t i = 0; i < c->n_groups; i++) {
		if (board_count(p->b, node, i) > 0 &&
		    (best == c->n_groups || size_of(&c->nodes[node], &c->groups[i]) >
						    size_of(&c->nodes[node], &c->groups[best])))
			best = i;
	}
	return best;
}

/* What it held and others like may not leave them: nothing of the plan may be refused by what is after it. */
static bool
leaves_friends(const struct planner *p, uint32_t node)
{
	const struct tg_cluster *c = &p->b->cluster;

	for (uint32_t i = 0; i < c->n_groups; i++) {
		const struct tg_group *g = &c->groups[i];

		for (uint32_t k = 0; k < g->n_affinity; k++) {
			if (board_count(p->b, node, i) > 0 &&
			    board_count(p->b, node, g->affinity[k]) == 0)
				return true;
		}
	}
	return false;
}

static int
empty_node(struct planner *p, uint32_t node)
{
	const char *closed = p->b->nodes[node].closed;
	uint32_t before = p->plan->n_moves;
	uint32_t group;
	int r = 0;

	board_close(p->b, node, TRIED);
	while (r == 0 && (group = next_group(p, node)) < p->b->cluster.n_groups) {
		r = move_group(p, group, node);
		if (r == 0 && leaves_friends(p, node))
			r = -TG_EAGAIN;
	}
	if (r == 0)
		return 0; /* closed: nothing comes back */
	undo(p, before);
	board_close(p->b, node, closed);
	return r == -TG_EAGAIN ? 0 : r;
}

static double
fullness(const struct tg_node *n)
{
	return (n->cpu_milli > 0
			? 1 - (double)n->free_cpu_milli / (double)n->cpu_milli : 0) +
	       (n->memory_bytes > 0
			? 1 - (double)n->free_memory_bytes / (double)n->memory_bytes : 0);
}

/* In use, not looked at, and used least; of equals the last. */
static int32_t
next_node(const struct planner *p)
{
	int32_t best = -1;

	for (uint32_t i = 0; i < p->b->cluster.n_nodes; i++) {
		if (!p->is_done[i] && board_is_used(p->b, i) &&
		    (best < 0 || fullness(&p->b->nodes[i]) <= fullness(&p->b->nodes[best])))
			best = (int32_t)i;
	}
	return best;
}

static int
plan_all(struct planner *p)
{
	int32_t node;
	int r = 0;

	for (uint32_t i = 0; i < p->b->cluster.n_nodes; i++) {
		p->is_done[i] = p->b->nodes[i].closed != NULL;
		if (!board_is_used(p->b, i) && !p->is_done[i])
			board_close(p->b, i, "it is empty");
	}
	while (r == 0 && (node = next_node(p)) >= 0) {
		p->is_done[node] = true;
		r = empty_node(p, (uint32_t)node);
	}
	return r;
}

/* One that is moved on again goes there at once, when its place is free. */
static void
join_moves(struct sched_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_moves; i++) {
		struct sched_move *m = &plan->moves[i];
		uint32_t k = 0;

		while (k < i && (plan->moves[k].group != m->group || plan->moves[k].to != m->from))
			k++;
		if (k == i)
			continue;
		m->from = plan->moves[k].from;
		for (; k + 1 < plan->n_moves; k++)
			plan->moves[k] = plan->moves[k + 1];
		plan->n_moves--;
		i--; /* the same one again: it may have come from further */
		if (i > 0)
			i--;
	}
}

int
sched_plan(struct board *b, const struct sched_by *by, struct sched_plan *ret)
{
	struct sched_plan plan = {.used = board_count_used(b)};
	struct planner p = {
		.b = b,
		.by = by,
		.verdicts = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*p.verdicts)),
		.is_done = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*p.is_done)),
		.plan = &plan,
	};
	int r = p.verdicts != NULL && p.is_done != NULL ? plan_all(&p) : -TG_ENOMEM;

	join_moves(&plan);
	plan.used_after = board_count_used(b);
	if (r == 0)
		*ret = plan;
	else
		sched_plan_fini(&plan);
	free(p.verdicts);
	free(p.is_done);
	return r;
}

void
sched_plan_fini(struct sched_plan *plan)
{
	free(plan->moves);
	plan->moves = NULL;
	plan->n_moves = 0;
}
