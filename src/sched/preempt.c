/* sched/preempt.c: who would have to go for one of higher priority. */
#include <stdlib.h>

#include "sched/board_priv.h"

/* The least that goes from one node so that one more of the group fits there. */
struct loss {
	uint32_t *groups; /* in the order they go */
	uint32_t n;
	uint32_t max;
	int32_t highest; /* priority among them */
};

/* Of lower priority, the lowest first; of equals the one that gives back the most memory, then the first. */
static int32_t
find_lowest(const struct board *b, int32_t below, uint32_t node)
{
	const struct tg_group *groups = b->cluster.groups;
	int32_t best = -1;

	for (uint32_t i = 0; i < b->cluster.n_groups; i++) {
		if (board_count(b, node, i) == 0 || groups[i].priority >= below)
			continue;
		if (best < 0 || groups[i].priority < groups[best].priority ||
		    (groups[i].priority == groups[best].priority &&
		     groups[i].memory_bytes > groups[best].memory_bytes))
			best = (int32_t)i;
	}
	return best;
}

static bool
can_be(const struct board *b, uint32_t group, uint32_t node)
{
	uint32_t which;

	return board_refusal(b, group, node, &which) == TG_REFUSAL_NONE;
}

/* Those that would fit beside it can stay after all, the last that went first. */
static void
give_back(struct board *b, uint32_t group, uint32_t node, struct loss *loss)
{
	for (uint32_t i = loss->n; i-- > 0;) {
		uint32_t back = loss->groups[i];

		board_put(b, back, node);
		if (!can_be(b, group, node)) {
			board_take(b, back, node);
			continue;
		}
		for (uint32_t k = i; k + 1 < loss->n; k++)
			loss->groups[k] = loss->groups[k + 1];
		loss->n--;
	}
}

/* Puts all back; false: it would not help. */
static bool
try_node(struct board *b, uint32_t group, uint32_t node, struct loss *loss)
{
	int32_t priority = b->cluster.groups[group].priority;
	bool is_good;

	loss->n = 0;
	while (!can_be(b, group, node) && loss->n < loss->max) {
		int32_t lowest = find_lowest(b, priority, node);

		if (lowest < 0)
			break;
		board_take(b, (uint32_t)lowest, node);
		loss->groups[loss->n++] = (uint32_t)lowest;
	}
	is_good = loss->n > 0 && can_be(b, group, node);
	if (is_good)
		give_back(b, group, node, loss);
	loss->highest = INT32_MIN;
	for (uint32_t i = 0; i < loss->n; i++) {
		int32_t is = b->cluster.groups[loss->groups[i]].priority;

		board_put(b, loss->groups[i], node);
		loss->highest = is > loss->highest ? is : loss->highest;
	}
	return is_good;
}

static bool
is_less(const struct loss *a, const struct loss *b)
{
	return a->highest != b->highest ? a->highest < b->highest : a->n < b->n;
}

int32_t
sched_preempt(struct board *b, uint32_t group, uint32_t *ret_groups, uint32_t max, uint32_t *ret_n)
{
	struct loss best = {.groups = ret_groups};
	struct loss loss = {.groups = calloc((size_t)max + 1, sizeof(*loss.groups)), .max = max};
	int32_t node = TG_SCHED_NOWHERE;

	*ret_n = 0;
	for (uint32_t i = 0; i < b->cluster.n_nodes && loss.groups != NULL; i++) {
		if (!try_node(b, group, i, &loss) ||
		    (node != TG_SCHED_NOWHERE && !is_less(&loss, &best)))
			continue;
		node = (int32_t)i;
		best.n = loss.n;
		best.highest = loss.highest;
		for (uint32_t k = 0; k < loss.n; k++)
			best.groups[k] = loss.groups[k];
	}
	*ret_n = best.n;
	free(loss.groups);
	return node;
}
