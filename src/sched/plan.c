/* sched/plan.c: what would be moved so that services are spread, and fewer nodes are used. */
#include <stdlib.h>
#include <string.h>

#include "sched/board_priv.h"

#define TRIED "it is to be empty"

struct planner {
	struct board *b; /* what is tried */
	const struct sched_by *by;
	struct sched_verdict *verdicts;
	bool *is_done; /* by node: emptied, or looked at */
	struct sched_at *at; /* one for each node */
	struct sched_plan *plan;
	uint32_t room; /* of plan->moves */
};

static int
add_move(struct planner *p, struct sched_move move)
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
	plan->moves[plan->n_moves++] = move;
	board_take(p->b, move.group, move.from);
	board_put(p->b, move.group, move.to);
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

/* Whether others there like the group, and it has left. */
static bool
is_missed(const struct board *b, uint32_t group, uint32_t node)
{
	const struct tg_cluster *c = &b->cluster;

	if (board_count(b, node, group) > 0)
		return false;
	for (uint32_t i = 0; i < c->n_groups; i++) {
		const struct tg_group *g = &c->groups[i];

		for (uint32_t k = 0; k < g->n_affinity && board_count(b, node, i) > 0; k++) {
			if (g->affinity[k] == group)
				return true;
		}
	}
	return false;
}

static int32_t
find_place(const struct planner *p, uint32_t group, uint32_t from)
{
	int32_t to = TG_SCHED_NOWHERE;

	board_take(p->b, group, from);
	if (!is_missed(p->b, group, from))
		to = sched_place(p->b, p->by, group, p->verdicts);
	board_put(p->b, group, from);
	return to != TG_SCHED_NOWHERE && sched_spread_gain(p->b, group, from, (uint32_t)to) >= 0
		       ? to
		       : TG_SCHED_NOWHERE;
}

/*** Services that are spread ***/

/* Where the one is that should rather be elsewhere; TG_SCHED_NOWHERE: all have been looked at. */
static int32_t
find_crowded(struct planner *p, uint32_t group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->b->cluster.n_nodes; i++) {
		if (!p->is_done[i] && p->b->nodes[i].closed == NULL &&
		    board_count(p->b, i, group) > 0)
			p->at[n++] = (struct sched_at){.group = group, .node = (int32_t)i};
	}
	return n > 0 ? p->at[sched_victim(p->b, p->by, p->at, n)].node : TG_SCHED_NOWHERE;
}

static int
spread_group(struct planner *p, uint32_t group)
{
	int32_t node;
	int r = 0;

	memset(p->is_done, 0, p->b->cluster.n_nodes * sizeof(*p->is_done));
	while (r == 0 && (node = find_crowded(p, group)) != TG_SCHED_NOWHERE) {
		uint32_t from = (uint32_t)node;
		int32_t to = find_place(p, group, from);

		if (to == TG_SCHED_NOWHERE ||
		    sched_spread_gain(p->b, group, from, (uint32_t)to) <= 0)
			p->is_done[from] = true;
		else
			r = add_move(p, (struct sched_move){group, from, (uint32_t)to, true});
	}
	return r;
}

static int
spread_all(struct planner *p)
{
	int r = 0;

	for (uint32_t i = 0; i < p->b->cluster.n_groups && r == 0; i++) {
		if (p->b->cluster.groups[i].spread != NULL)
			r = spread_group(p, i);
	}
	return r;
}

/*** Nodes that are emptied ***/

/* -TG_EAGAIN: it cannot be emptied. */
static int
move_group(struct planner *p, uint32_t group, uint32_t from)
{
	int r = 0;

	while (board_count(p->b, from, group) > 0 && r == 0) {
		int32_t to = find_place(p, group, from);

		r = to != TG_SCHED_NOWHERE
			    ? add_move(p, (struct sched_move){group, from, (uint32_t)to, false})
			    : -TG_EAGAIN;
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

static int
empty_node(struct planner *p, uint32_t node)
{
	const char *closed = p->b->nodes[node].closed;
	uint32_t before = p->plan->n_moves;
	uint32_t group;
	int r = 0;

	board_close(p->b, node, TRIED);
	while (r == 0 && (group = next_group(p, node)) < p->b->cluster.n_groups)
		r = move_group(p, group, node);
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
empty_all(struct planner *p)
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

/*** What is told ***/

static void
drop_move(struct sched_plan *plan, uint32_t i)
{
	for (plan->n_moves--; i < plan->n_moves; i++)
		plan->moves[i] = plan->moves[i + 1];
}

/* One that is moved on again goes there at once; one that comes back stays. */
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
		m->is_spread |= plan->moves[k].is_spread;
		drop_move(plan, k);
		i--;
		if (plan->moves[i].from == plan->moves[i].to)
			drop_move(plan, i);
		/* the same one again: it may have come from further */
		if (i > 0)
			i--;
	}
}

static bool
can_move(struct board *b, const struct sched_move *m)
{
	uint32_t which;
	bool can;

	board_take(b, m->group, m->from);
	can = !is_missed(b, m->group, m->from) &&
	      board_refusal(b, m->group, m->to, &which) == TG_REFUSAL_NONE;
	board_put(b, m->group, m->from);
	return can && sched_spread_gain(b, m->group, m->from, m->to) >= 0;
}

static uint32_t
find_next(struct board *b, const struct sched_plan *plan, uint32_t from)
{
	while (from < plan->n_moves && !can_move(b, &plan->moves[from]))
		from++;
	return from;
}

/* One that was joined comes later than it was tried: first what can be done now, and what never can is left out. */
static void
do_moves(struct board *b, struct sched_plan *plan)
{
	struct sched_move m;
	uint32_t next;
	uint32_t i = 0;

	while ((next = find_next(b, plan, i)) < plan->n_moves) {
		m = plan->moves[next];
		for (; next > i; next--)
			plan->moves[next] = plan->moves[next - 1];
		plan->moves[i++] = m;
		board_take(b, m.group, m.from);
		board_put(b, m.group, m.to);
	}
	plan->n_moves = i;
}

int
sched_plan(struct board *b, const struct sched_by *by, struct sched_plan *ret)
{
	struct sched_plan plan = {.used = board_count_used(b)};
	struct planner p = {
		.b = board_new(board_cluster(b)),
		.by = by,
		.verdicts = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*p.verdicts)),
		.is_done = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*p.is_done)),
		.at = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*p.at)),
		.plan = &plan,
	};
	int r = -TG_ENOMEM;

	if (p.b != NULL && p.verdicts != NULL && p.is_done != NULL && p.at != NULL)
		r = spread_all(&p);
	if (r == 0)
		r = empty_all(&p);
	if (r == 0) {
		join_moves(&plan);
		do_moves(b, &plan);
		plan.used_after = board_count_used(b);
		*ret = plan;
	} else {
		sched_plan_fini(&plan);
	}
	board_free(p.b);
	free(p.verdicts);
	free(p.is_done);
	free(p.at);
	return r;
}

void
sched_plan_fini(struct sched_plan *plan)
{
	free(plan->moves);
	plan->moves = NULL;
	plan->n_moves = 0;
}
