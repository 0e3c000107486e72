/*
 * sched/dot_product.c: what a backend needs, and what a node has left, should point the same way.
 *
 * Of one backend: the node in use whose free resources have its shape, that is the greatest cosine; an empty
 * one only where none in use fits.
 *
 * Of many (Panigrahy, Talwar, Uyeda, Wieder: Heuristics for Vector Bin Packing, 2011): node by node, the next is
 * the one with the greatest product of what it needs and what is left there, each resource weighed by how scarce it is
 * for all. What finds no room then is tried by moving one other; then all begins anew with other weights, a
 * bounded number of times, and the best is kept.
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sched/builtin.h"
#include "sched/share_priv.h"

/*** One ***/

static double
cosine(const struct tg_node *node, const struct tg_group *group)
{
	double cpu = share_of(group->cpu_milli, node->cpu_milli);
	double memory = share_of(group->memory_bytes, node->memory_bytes);
	double free_cpu = share_of(node->free_cpu_milli, node->cpu_milli);
	double free_memory = share_of(node->free_memory_bytes, node->memory_bytes);
	double lengths = sqrt((cpu * cpu + memory * memory) *
			      (free_cpu * free_cpu + free_memory * free_memory));

	return lengths > 0 ? (cpu * free_cpu + memory * free_memory) / lengths : 0;
}

static void
dot_product_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
		  const bool *fits, double *ret_scores)
{
	(void)values;
	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		if (fits[i])
			ret_scores[i] = (node_is_used(cluster, i) ? 1 : 0) +
					cosine(&cluster->nodes[i], &cluster->groups[group]);
	}
}

/*** Many ***/

#define END UINT32_MAX

#define TRIES    16u
#define PLAIN    4u       /* of these, the first: without jitter */
#define JITTER   0.1
#define REPAIRS  20u      /* looks at what has no place, per try */
#define WORK_MAX 4000000u /* steps of some nanoseconds, all tries together */

struct search {
	struct tg_packing *p;
	uint32_t n_nodes;
	uint32_t *order;  /* nodes, those that are used most first */
	double mean_cpu;  /* capacity of a node */
	double mean_memory;
	double *jitter;   /* by demand, alike for those of one group */
	uint32_t *first;  /* demands: the first of each group */
	uint32_t n_first;
	uint32_t *next;   /* by demand: another of its group; END */
	uint32_t *open;   /* of each group that could go to the node that is being filled, one without a place */
	uint32_t n_open;
	int32_t *best;    /* by demand: the best try */
	uint32_t n_best;
	uint32_t work;
	/* Of this try: */
	unsigned number;
	double cpu_weight;
	double memory_weight;
};

static const struct tg_group *
group_of(const struct search *s, uint32_t i)
{
	return &s->p->cluster->groups[s->p->demands[i]];
}

static const struct tg_node *
node_at(const struct search *s, uint32_t node)
{
	return &s->p->cluster->nodes[node];
}

static bool
is_placed(const struct search *s, uint32_t i)
{
	return s->p->nodes[i] >= 0;
}

/* Room alone: fits() asks for all else. `more_x`: what would be given back there. */
static bool
has_room(const struct tg_node *n, const struct tg_group *g, int64_t more_cpu, int64_t more_memory)
{
	return (n->cpu_milli == 0 || g->cpu_milli <= n->free_cpu_milli + more_cpu) &&
	       (n->memory_bytes == 0 || g->memory_bytes <= n->free_memory_bytes + more_memory);
}

/* From 0 to below 1, the same for the same try: SplitMix64. */
static double
fraction(uint64_t number)
{
	return (double)(hash_number(number * UINT64_C(0x9e3779b97f4a7c15)) >> 11) / 9007199254740992.0;
}

/* How much of each resource is wanted: by all of the list, or by those without a place. */
static void
weigh(struct search *s, bool all)
{
	double cpu = 0;
	double memory = 0;

	for (uint32_t i = 0; i < s->p->n; i++) {
		if (!all && is_placed(s, i))
			continue;
		cpu += (double)group_of(s, i)->cpu_milli;
		memory += (double)group_of(s, i)->memory_bytes;
	}
	s->cpu_weight = s->mean_cpu > 0 ? cpu / s->mean_cpu : 0;
	s->memory_weight = s->mean_memory > 0 ? memory / s->mean_memory : 0;
}

static bool
is_by_norm(unsigned number)
{
	return (number & 2) != 0;
}

/* More is better: the product, or else how little would be left. */
static double
worth(const struct search *s, const struct tg_node *n, double free_cpu, double free_memory,
      uint32_t i)
{
	const struct tg_group *g = group_of(s, i);
	double cpu = share_of(g->cpu_milli, n->cpu_milli);
	double memory = share_of(g->memory_bytes, n->memory_bytes);
	double is;

	if (is_by_norm(s->number))
		is = -(s->cpu_weight * (free_cpu - cpu) * (free_cpu - cpu) +
		       s->memory_weight * (free_memory - memory) * (free_memory - memory));
	else
		is = s->cpu_weight * cpu * free_cpu + s->memory_weight * memory * free_memory;
	return is * s->jitter[i];
}

/* The best of those that are open, by its place among them; those without room are open no more. */
static uint32_t
find_next(struct search *s, uint32_t node)
{
	const struct tg_node *n = node_at(s, node);
	double free_cpu = share_of(n->free_cpu_milli, n->cpu_milli);
	double free_memory = share_of(n->free_memory_bytes, n->memory_bytes);
	double most = -INFINITY;
	uint32_t best = 0;
	uint32_t kept = 0;

	s->work += s->n_open;
	for (uint32_t k = 0; k < s->n_open; k++) {
		uint32_t i = s->open[k];
		double is;

		if (!has_room(n, group_of(s, i), 0, 0))
			continue;
		is = worth(s, n, free_cpu, free_memory, i);
		if (is > most || kept == 0) {
			most = is;
			best = kept;
		}
		s->open[kept++] = i;
	}
	s->n_open = kept;
	return best;
}

/* From this one on, the first of its group that has no place; END. */
static uint32_t
find_without(const struct search *s, uint32_t i)
{
	while (i != END && is_placed(s, i))
		i = s->next[i];
	return i;
}

/* Another of its group, or one fewer that is open. */
static void
go_on_after(struct search *s, uint32_t k, bool is_put)
{
	uint32_t i = is_put ? find_without(s, s->open[k]) : END;

	if (i != END) {
		s->open[k] = i;
		return;
	}
	s->n_open--;
	for (; k < s->n_open; k++)
		s->open[k] = s->open[k + 1];
}

static void
fill_node(struct search *s, uint32_t node)
{
	s->n_open = 0;
	for (uint32_t k = 0; k < s->n_first; k++) {
		uint32_t i = find_without(s, s->first[k]);

		if (i != END && has_room(node_at(s, node), group_of(s, i), 0, 0) &&
		    s->p->fits(s->p, i, node))
			s->open[s->n_open++] = i;
	}
	s->work += s->n_first;
	while (s->n_open > 0) {
		uint32_t k = find_next(s, node);

		if (s->n_open == 0)
			return;
		/* Refused: its node is filled without the group. */
		go_on_after(s, k, s->p->put(s->p, s->open[k], node));
	}
}

/*** What has no place ***/

static bool
put_somewhere(struct search *s, uint32_t i, uint32_t but)
{
	for (uint32_t k = 0; k < s->n_nodes; k++) {
		uint32_t node = s->order[k];

		s->work++;
		if (node != but && has_room(node_at(s, node), group_of(s, i), 0, 0) &&
		    s->p->put(s->p, i, node))
			return true;
	}
	return false;
}

/* `i` would have room there, if `y` were not. */
static bool
could_replace(const struct search *s, uint32_t i, uint32_t y)
{
	const struct tg_group *gone = group_of(s, y);

	return y != i && is_placed(s, y) &&
	       has_room(node_at(s, (uint32_t)s->p->nodes[y]), group_of(s, i), gone->cpu_milli,
			gone->memory_bytes);
}

/* `y` goes elsewhere, and `i` where it was. */
static bool
put_by_move(struct search *s, uint32_t i, uint32_t y)
{
	uint32_t node = (uint32_t)s->p->nodes[y];

	s->p->take(s->p, y);
	if (put_somewhere(s, y, node)) {
		if (s->p->put(s->p, i, node))
			return true;
		s->p->take(s->p, y);
	}
	(void)s->p->put(s->p, y, node);
	return false;
}

/* `y` and `z` change places, and `i` goes where `y` was. */
static bool
could_swap(const struct search *s, uint32_t i, uint32_t y, uint32_t z)
{
	const struct tg_group *gone = group_of(s, y);
	const struct tg_group *come = group_of(s, z);

	return is_placed(s, z) && s->p->nodes[y] != s->p->nodes[z] &&
	       has_room(node_at(s, (uint32_t)s->p->nodes[y]), group_of(s, i),
			gone->cpu_milli - come->cpu_milli,
			gone->memory_bytes - come->memory_bytes) &&
	       has_room(node_at(s, (uint32_t)s->p->nodes[z]), gone, come->cpu_milli,
			come->memory_bytes);
}

static bool
put_by_swap(struct search *s, uint32_t i, uint32_t y, uint32_t z)
{
	uint32_t node = (uint32_t)s->p->nodes[y];
	uint32_t other = (uint32_t)s->p->nodes[z];

	s->p->take(s->p, y);
	s->p->take(s->p, z);
	if (s->p->put(s->p, y, other) && s->p->put(s->p, z, node) && s->p->put(s->p, i, node))
		return true;
	s->p->take(s->p, y);
	s->p->take(s->p, z);
	(void)s->p->put(s->p, y, node);
	(void)s->p->put(s->p, z, other);
	return false;
}

static bool
insert_by_swap(struct search *s, uint32_t i)
{
	for (uint32_t y = 0; y < s->p->n && s->work < WORK_MAX; y++) {
		if (!could_replace(s, i, y))
			continue;
		s->work += s->p->n;
		for (uint32_t z = 0; z < s->p->n; z++) {
			if (could_swap(s, i, y, z) && put_by_swap(s, i, y, z))
				return true;
		}
	}
	return false;
}

static bool
insert(struct search *s, uint32_t i)
{
	if (put_somewhere(s, i, UINT32_MAX))
		return true;
	for (uint32_t y = 0; y < s->p->n && s->work < WORK_MAX; y++) {
		s->work++;
		if (could_replace(s, i, y) && put_by_move(s, i, y))
			return true;
	}
	return insert_by_swap(s, i);
}

static double
size_of(const struct search *s, uint32_t i)
{
	const struct tg_group *g = group_of(s, i);

	return (s->mean_cpu > 0 ? (double)g->cpu_milli / s->mean_cpu : 0) +
	       (s->mean_memory > 0 ? (double)g->memory_bytes / s->mean_memory : 0);
}

/* In the place of the smallest that makes room: then a smaller one has none. */
static bool
replace_smaller(struct search *s, uint32_t i)
{
	double least = size_of(s, i);
	uint32_t victim = UINT32_MAX;
	uint32_t node;

	s->work += s->p->n;
	for (uint32_t y = 0; y < s->p->n; y++) {
		if (could_replace(s, i, y) && size_of(s, y) < least) {
			least = size_of(s, y);
			victim = y;
		}
	}
	if (victim == UINT32_MAX)
		return false;
	node = (uint32_t)s->p->nodes[victim];
	s->p->take(s->p, victim);
	if (s->p->put(s->p, i, node))
		return true;
	(void)s->p->put(s->p, victim, node);
	return false;
}

/* How many are still without a place. */
static uint32_t
look_at_rest(struct search *s, bool *ret_changed)
{
	uint32_t left = 0;

	*ret_changed = false;
	for (uint32_t i = 0; i < s->p->n && s->work < WORK_MAX; i++) {
		if (is_placed(s, i))
			continue;
		if (insert(s, i)) {
			*ret_changed = true;
			continue;
		}
		left++;
		*ret_changed |= replace_smaller(s, i);
	}
	return left;
}

static void
repair(struct search *s)
{
	bool is_changed = true;

	for (unsigned i = 0; i < REPAIRS && is_changed && s->work < WORK_MAX; i++) {
		if (look_at_rest(s, &is_changed) == 0)
			return;
	}
}

/*** Tries ***/

static uint32_t
count_placed(const struct search *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->p->n; i++)
		n += is_placed(s, i);
	return n;
}

static void
take_all(struct search *s)
{
	for (uint32_t i = 0; i < s->p->n; i++)
		s->p->take(s->p, i);
}

static void
shake(struct search *s, unsigned number)
{
	for (uint32_t k = 0; k < s->n_first; k++) {
		double by = JITTER * (fraction((uint64_t)number << 32 | k) - 0.5);

		for (uint32_t i = s->first[k]; i != END; i = s->next[i])
			s->jitter[i] = number < PLAIN ? 1 : 1 + by;
	}
}

/* True: all have a place. */
static bool
try(struct search *s, unsigned number)
{
	s->number = number;
	shake(s, number);
	weigh(s, true);
	for (uint32_t k = 0; k < s->n_nodes; k++) {
		if ((number & 1) != 0)
			weigh(s, false);
		fill_node(s, s->order[k]);
	}
	if (count_placed(s) < s->p->n)
		repair(s);
	return count_placed(s) == s->p->n;
}

static void
keep_better(struct search *s)
{
	uint32_t n = count_placed(s);

	if (n <= s->n_best)
		return;
	s->n_best = n;
	for (uint32_t i = 0; i < s->p->n; i++)
		s->best[i] = s->p->nodes[i];
}

/* In any order: what one likes may come after it. */
static void
put_best(struct search *s)
{
	uint32_t before = 0;
	uint32_t n = 0;

	do {
		before = n;
		for (uint32_t i = 0; i < s->p->n; i++) {
			if (!is_placed(s, i) && s->best[i] >= 0)
				n += s->p->put(s->p, i, (uint32_t)s->best[i]);
		}
	} while (n > before);
}

static void
search(struct search *s)
{
	for (unsigned number = 0; number < TRIES && s->work < WORK_MAX; number++) {
		if (try(s, number))
			return;
		keep_better(s);
		take_all(s);
	}
	put_best(s);
}

/* Nodes in use first, so that others stay empty: a bounded insertion sort, as it must be stable. */
static void
order_nodes(struct search *s, const struct tg_cluster *c)
{
	static const struct tg_group nothing = {.service = ""};

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		double used = used_after(&c->nodes[i], &nothing);
		uint32_t k = i;

		while (k > 0 && used_after(&c->nodes[s->order[k - 1]], &nothing) < used) {
			s->order[k] = s->order[k - 1];
			k--;
		}
		s->order[k] = i;
		s->mean_cpu += (double)c->nodes[i].cpu_milli / c->n_nodes;
		s->mean_memory += (double)c->nodes[i].memory_bytes / c->n_nodes;
	}
}

/* `last`: by group, and has room for all. */
static void
chain_groups(struct search *s, uint32_t *last)
{
	for (uint32_t i = 0; i < s->p->cluster->n_groups; i++)
		last[i] = END;
	for (uint32_t i = 0; i < s->p->n; i++) {
		uint32_t group = s->p->demands[i];

		s->next[i] = END;
		if (last[group] == END)
			s->first[s->n_first++] = i;
		else
			s->next[last[group]] = i;
		last[group] = i;
	}
}

static void
dot_product_pack(const struct tg_value *values, struct tg_packing *packing)
{
	size_t n = packing->n;
	struct search s = {
		.p = packing,
		.n_nodes = packing->cluster->n_nodes,
		.order = calloc((size_t)packing->cluster->n_nodes + 1, sizeof(*s.order)),
		.jitter = calloc(n + 1, sizeof(*s.jitter)),
		.first = calloc(n + 1, sizeof(*s.first)),
		.next = calloc(n + 1, sizeof(*s.next)),
		.open = calloc(n + 1, sizeof(*s.open)),
		.best = calloc(n + 1, sizeof(*s.best)),
	};
	uint32_t *last = calloc((size_t)packing->cluster->n_groups + 1, sizeof(*last));

	(void)values;
	/* Without memory the host does it by score(). */
	if (s.order != NULL && s.jitter != NULL && s.first != NULL && s.next != NULL &&
	    s.open != NULL && s.best != NULL && last != NULL) {
		order_nodes(&s, packing->cluster);
		chain_groups(&s, last);
		search(&s);
	}
	free(s.order);
	free(s.jitter);
	free(s.first);
	free(s.next);
	free(last);
	free(s.open);
	free(s.best);
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = dot_product_score,
	.pack = dot_product_pack,
};

const struct tg_module sched_dot_product = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "dot-product",
	.help = "The node whose free resources have the shape of what is needed, as few nodes as can be.",
	.ops = &ops,
};
