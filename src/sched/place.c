/* sched/place.c: one backend, many, and the one that goes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "sched/board_priv.h"

/*** One ***/

/* Sound: what a module declines, or does not say, is not taken. */
static int32_t
best_of(const struct board *b, struct sched_verdict *ret)
{
	int32_t best = TG_SCHED_NOWHERE;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		if (!b->fits[i])
			continue;
		ret[i].score = b->scores[i];
		if (isnan(b->scores[i]))
			ret[i].refusal = TG_REFUSAL_DECLINED;
		else if (best == TG_SCHED_NOWHERE || b->scores[i] > b->scores[best])
			best = (int32_t)i;
	}
	return best;
}

static void
score(const struct board *b, const struct sched_by *by, uint32_t group)
{
	const struct tg_scheduler *ops = by->module->ops;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++)
		b->scores[i] = NAN;
	ops->score(by->values, &b->cluster, group, b->fits, b->scores);
}

int32_t
sched_place(const struct board *b, const struct sched_by *by, uint32_t group,
	    struct sched_verdict *ret)
{
	if (!sched_filter(b, group, ret))
		return TG_SCHED_NOWHERE;
	score(b, by, group);
	return best_of(b, ret);
}

/*** Many ***/

/* What pack() is given, and whose. */
struct packer {
	struct tg_packing packing;
	struct board *board;
	int32_t *nodes;
};

static bool
packing_fits(const struct tg_packing *packing, uint32_t i, uint32_t node)
{
	const struct packer *p = TG_CONTAINER(packing, const struct packer, packing);
	uint32_t which;

	return i < packing->n && node < p->board->cluster.n_nodes &&
	       board_refusal(p->board, packing->demands[i], node, &which) == TG_REFUSAL_NONE;
}

static bool
packing_put(struct tg_packing *packing, uint32_t i, uint32_t node)
{
	struct packer *p = TG_CONTAINER(packing, struct packer, packing);

	if (!packing_fits(packing, i, node) || p->nodes[i] != TG_SCHED_NOWHERE)
		return false;
	board_put(p->board, packing->demands[i], node);
	p->nodes[i] = (int32_t)node;
	return true;
}

static void
packing_take(struct tg_packing *packing, uint32_t i)
{
	struct packer *p = TG_CONTAINER(packing, struct packer, packing);

	if (i >= packing->n || p->nodes[i] == TG_SCHED_NOWHERE)
		return;
	board_take(p->board, packing->demands[i], (uint32_t)p->nodes[i]);
	p->nodes[i] = TG_SCHED_NOWHERE;
}

/* Affinity may have ended with what was taken after. */
static void
take_back_wrong(struct packer *p)
{
	bool is_changed = true;

	while (is_changed) {
		is_changed = false;
		for (uint32_t i = 0; i < p->packing.n; i++) {
			uint32_t group = p->packing.demands[i];
			uint32_t node = (uint32_t)p->nodes[i];
			uint32_t which;

			if (p->nodes[i] == TG_SCHED_NOWHERE)
				continue;
			board_take(p->board, group, node);
			if (board_refusal(p->board, group, node, &which) == TG_REFUSAL_NONE) {
				board_put(p->board, group, node);
				continue;
			}
			p->nodes[i] = TG_SCHED_NOWHERE;
			is_changed = true;
		}
	}
}

void
sched_pack(struct board *b, const struct sched_by *by, const uint32_t *groups, uint32_t n,
	   int32_t *nodes, double *ret_bound)
{
	const struct tg_scheduler *ops = by->module->ops;
	struct packer p = {
		.packing = {
			.size = sizeof(p.packing),
			.n = n,
			.demands = groups,
			.cluster = &b->cluster,
			.nodes = nodes,
			.fits = packing_fits,
			.put = packing_put,
			.take = packing_take,
			.bound = NAN,
		},
		.board = b,
		.nodes = nodes,
	};

	for (uint32_t i = 0; i < n; i++)
		nodes[i] = TG_SCHED_NOWHERE;
	ops->pack(by->values, &p.packing);
	take_back_wrong(&p);
	*ret_bound = p.packing.bound;
}

/* A list in the order it is placed in, and what is tried. */
struct batch {
	struct board *b;
	const struct sched_by *by;
	const uint32_t *groups;
	int32_t *nodes;
	struct item *items;
	struct sched_verdict *verdicts;
	uint32_t *packed_groups;
	int32_t *packed_nodes;
};

struct item {
	uint32_t i; /* in the caller's list */
	int32_t priority;
	bool is_spread;
	bool has_affinity;
	double size; /* of the mean node */
};

/* Higher priority, then larger, then first. */
static int
order(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->size > y->size)
		return -1;
	if (x->size < y->size)
		return 1;
	return x->i < y->i ? -1 : 1;
}

static void
capacity(const struct tg_cluster *c, double *ret_cpu, double *ret_memory)
{
	*ret_cpu = 0;
	*ret_memory = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		*ret_cpu += (double)c->nodes[i].cpu_milli / c->n_nodes;
		*ret_memory += (double)c->nodes[i].memory_bytes / c->n_nodes;
	}
}

static void
fill_items(struct batch *batch, uint32_t n)
{
	const struct tg_cluster *c = &batch->b->cluster;
	double cpu;
	double memory;

	capacity(c, &cpu, &memory);
	for (uint32_t i = 0; i < n; i++) {
		const struct tg_group *g = &c->groups[batch->groups[i]];

		batch->items[i] = (struct item){
			.i = i,
			.priority = g->priority,
			.is_spread = g->spread != NULL,
			.has_affinity = g->n_affinity > 0,
			.size = (cpu > 0 ? (double)g->cpu_milli / cpu : 0) +
				(memory > 0 ? (double)g->memory_bytes / memory : 0),
		};
		batch->nodes[i] = TG_SCHED_NOWHERE;
	}
	qsort(batch->items, n, sizeof(batch->items[0]), order);
}

/* False: it is somewhere, or fits nowhere. */
static bool
place_item(struct batch *batch, uint32_t i)
{
	int32_t node;

	if (batch->nodes[i] != TG_SCHED_NOWHERE)
		return false;
	node = sched_place(batch->b, batch->by, batch->groups[i], batch->verdicts);
	if (node == TG_SCHED_NOWHERE)
		return false;
	batch->nodes[i] = node;
	board_put(batch->b, batch->groups[i], (uint32_t)node);
	return true;
}

/* One after the other; what others bring that it likes may make room for one that had none. */
static void
place_each(struct batch *batch, const struct item *items, uint32_t n, bool spread_alone)
{
	bool is_changed = true;

	for (unsigned round = 0; is_changed; round++) {
		is_changed = false;
		for (uint32_t i = 0; i < n; i++) {
			if ((items[i].is_spread || !spread_alone) &&
			    (items[i].has_affinity || round == 0))
				is_changed |= place_item(batch, items[i].i);
		}
	}
}

static void
pack_some(struct batch *batch, const struct item *items, uint32_t n)
{
	uint32_t some = 0;
	double bound;

	for (uint32_t i = 0; i < n; i++) {
		if (!items[i].is_spread)
			batch->packed_groups[some++] = batch->groups[items[i].i];
	}
	sched_pack(batch->b, batch->by, batch->packed_groups, some, batch->packed_nodes, &bound);
	some = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!items[i].is_spread)
			batch->nodes[items[i].i] = batch->packed_nodes[some++];
	}
}

/* Of one priority. */
static void
place_level(struct batch *batch, const struct item *items, uint32_t n, bool can_pack)
{
	const struct tg_scheduler *ops = batch->by->module->ops;

	if (can_pack && ops->pack != NULL) {
		place_each(batch, items, n, true);
		pack_some(batch, items, n);
	}
	place_each(batch, items, n, false);
}

static uint32_t
level_end(const struct item *items, uint32_t from, uint32_t n)
{
	uint32_t to = from;

	while (to < n && items[to].priority == items[from].priority)
		to++;
	return to;
}

static int
count_placed(const int32_t *nodes, uint32_t n)
{
	int placed = 0;

	for (uint32_t i = 0; i < n; i++)
		placed += nodes[i] != TG_SCHED_NOWHERE;
	return placed;
}

int
sched_place_all(struct board *b, const struct sched_by *by, const uint32_t *groups, uint32_t n,
		bool can_pack, int32_t *nodes)
{
	struct batch batch = {
		.b = b,
		.by = by,
		.groups = groups,
		.nodes = nodes,
		.items = calloc((size_t)n + 1, sizeof(*batch.items)),
		.verdicts = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*batch.verdicts)),
		.packed_groups = calloc((size_t)n + 1, sizeof(*batch.packed_groups)),
		.packed_nodes = calloc((size_t)n + 1, sizeof(*batch.packed_nodes)),
	};
	int r = -TG_ENOMEM;

	if (batch.items != NULL && batch.verdicts != NULL && batch.packed_groups != NULL &&
	    batch.packed_nodes != NULL) {
		fill_items(&batch, n);
		for (uint32_t from = 0, to; from < n; from = to) {
			to = level_end(batch.items, from, n);
			place_level(&batch, batch.items + from, to - from, can_pack);
		}
		r = count_placed(nodes, n);
	}
	free(batch.items);
	free(batch.verdicts);
	free(batch.packed_groups);
	free(batch.packed_nodes);
	return r;
}

/*** The one that goes ***/

/* Why it goes, or stays: by these in their order. */
struct standing {
	uint32_t crowd; /* of a spread service: how many its value has */
	int64_t in_flight;
	bool is_lost; /* its node is not there, or nobody can tell */
	double score;
};

/* How good its node would be for it, if it were not there. */
static double
score_without(struct board *b, const struct sched_by *by, uint32_t group, uint32_t node)
{
	double is;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++)
		b->fits[i] = i == node;
	board_take(b, group, node);
	score(b, by, group);
	board_put(b, group, node);
	is = b->scores[node];
	return isnan(is) ? -INFINITY : is;
}

static struct standing
standing_of(struct board *b, const struct sched_by *by, const struct sched_at *at)
{
	bool is_lost = at->node == TG_SCHED_NOWHERE || b->nodes[at->node].closed != NULL;
	struct standing s = {.in_flight = at->in_flight, .is_lost = is_lost};

	if (is_lost) {
		s.crowd = b->cluster.groups[at->group].spread != NULL ? UINT32_MAX : 0;
		return s;
	}
	s.crowd = sched_spread_count(b, at->group, (uint32_t)at->node);
	s.score = score_without(b, by, at->group, (uint32_t)at->node);
	return s;
}

/* Or it is as good, and comes later. */
static bool
goes_first(const struct standing *a, const struct standing *b)
{
	if (a->crowd != b->crowd)
		return a->crowd > b->crowd;
	if (a->in_flight != b->in_flight)
		return a->in_flight < b->in_flight;
	if (a->is_lost != b->is_lost)
		return a->is_lost;
	return a->score <= b->score;
}

uint32_t
sched_victim(struct board *b, const struct sched_by *by, const struct sched_at *at, uint32_t n)
{
	struct standing first = standing_of(b, by, &at[0]);
	uint32_t victim = 0;

	for (uint32_t i = 1; i < n; i++) {
		struct standing next = standing_of(b, by, &at[i]);

		if (!goes_first(&next, &first))
			continue;
		victim = i;
		first = next;
	}
	return victim;
}
