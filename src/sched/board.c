/* sched/board.c: a cluster as it would be. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sched/board_priv.h"

static int
add_enemy(struct board *b, uint32_t of, uint32_t enemy)
{
	struct enemies *e = &b->enemies[of];
	uint32_t *grown;

	for (uint32_t i = 0; i < e->n; i++) {
		if (e->groups[i] == enemy)
			return 0;
	}
	grown = realloc(e->groups, (e->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return -TG_ENOMEM;
	e->groups = grown;
	e->groups[e->n++] = enemy;
	return 0;
}

/* Who keeps away keeps others away. */
static int
find_enemies(struct board *b)
{
	int r = 0;

	for (uint32_t g = 0; g < b->cluster.n_groups; g++) {
		const struct tg_group *group = &b->cluster.groups[g];

		for (uint32_t i = 0; i < group->n_anti_affinity && r == 0; i++) {
			assert(group->anti_affinity[i] < b->cluster.n_groups);
			r = add_enemy(b, g, group->anti_affinity[i]);
			if (r == 0)
				r = add_enemy(b, group->anti_affinity[i], g);
		}
	}
	return r;
}

static void
count_used(struct board *b)
{
	for (size_t i = 0; i < b->n_counts; i++)
		b->used[i / b->cluster.n_groups] += b->counts[i];
}

static bool
copy(struct board *b, const struct tg_cluster *from)
{
	size_t nodes = from->n_nodes;

	b->cluster = *from;
	b->n_counts = nodes * from->n_groups;
	b->nodes = calloc(nodes + 1, sizeof(*b->nodes));
	b->counts = calloc(b->n_counts + 1, sizeof(*b->counts));
	b->leaving = calloc(b->n_counts + 1, sizeof(*b->leaving));
	b->reserved = calloc(b->n_counts + 1, sizeof(*b->reserved));
	b->used = calloc(nodes + 1, sizeof(*b->used));
	b->fits = calloc(nodes + 1, sizeof(*b->fits));
	b->scores = calloc(nodes + 1, sizeof(*b->scores));
	b->enemies = calloc((size_t)from->n_groups + 1, sizeof(*b->enemies));
	if (b->nodes == NULL || b->counts == NULL || b->leaving == NULL || b->reserved == NULL ||
	    b->used == NULL || b->fits == NULL || b->scores == NULL || b->enemies == NULL)
		return false;
	if (nodes > 0)
		memcpy(b->nodes, from->nodes, nodes * sizeof(*b->nodes));
	if (b->n_counts > 0)
		memcpy(b->counts, from->counts, b->n_counts * sizeof(*b->counts));
	b->cluster.size = sizeof(b->cluster);
	b->cluster.nodes = b->nodes;
	b->cluster.counts = b->counts;
	count_used(b);
	return true;
}

struct board *
board_new(const struct tg_cluster *cluster)
{
	struct board *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	if (copy(b, cluster) && find_enemies(b) == 0 && sched_spread_make(b) == 0)
		return b;
	board_free(b);
	return NULL;
}

void
board_free(struct board *b)
{
	if (b == NULL)
		return;
	for (uint32_t i = 0; b->enemies != NULL && i < b->cluster.n_groups; i++)
		free(b->enemies[i].groups);
	free(b->enemies);
	sched_spread_free(b);
	free(b->nodes);
	free(b->counts);
	free(b->leaving);
	free(b->reserved);
	free(b->used);
	free(b->fits);
	free(b->scores);
	free(b);
}

const struct tg_cluster *
board_cluster(const struct board *b)
{
	return &b->cluster;
}

uint32_t
board_count(const struct board *b, uint32_t node, uint32_t group)
{
	return b->counts[(size_t)node * b->cluster.n_groups + group];
}

void
board_put(struct board *b, uint32_t group, uint32_t node)
{
	const struct tg_group *g = &b->cluster.groups[group];

	b->counts[(size_t)node * b->cluster.n_groups + group]++;
	b->used[node]++;
	b->nodes[node].free_cpu_milli -= g->cpu_milli;
	b->nodes[node].free_memory_bytes -= g->memory_bytes;
}

void
board_leave(struct board *b, uint32_t group, uint32_t node)
{
	uint32_t *leaving = &b->leaving[(size_t)node * b->cluster.n_groups + group];

	assert(*leaving < board_count(b, node, group));
	*leaving += 1;
}

void
board_take(struct board *b, uint32_t group, uint32_t node)
{
	const struct tg_group *g = &b->cluster.groups[group];

	assert(board_count(b, node, group) > 0);
	b->counts[(size_t)node * b->cluster.n_groups + group]--;
	b->used[node]--;
	b->nodes[node].free_cpu_milli += g->cpu_milli;
	b->nodes[node].free_memory_bytes += g->memory_bytes;
}

void
board_reserve(struct board *b, uint32_t group, uint32_t node)
{
	board_put(b, group, node);
	b->reserved[(size_t)node * b->cluster.n_groups + group]++;
}

void
board_release(struct board *b, uint32_t group, uint32_t node)
{
	uint32_t *reserved = &b->reserved[(size_t)node * b->cluster.n_groups + group];

	assert(*reserved > 0);
	*reserved -= 1;
	board_take(b, group, node);
}

uint32_t
board_reserved(const struct board *b, uint32_t node, uint32_t from)
{
	const uint32_t *reserved = &b->reserved[(size_t)node * b->cluster.n_groups];

	while (from < b->cluster.n_groups && reserved[from] == 0)
		from++;
	return from;
}

void
board_close(struct board *b, uint32_t node, const char *why)
{
	b->nodes[node].closed = why;
}

bool
board_is_used(const struct board *b, uint32_t node)
{
	return b->used[node] > 0;
}

uint32_t
board_count_used(const struct board *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++)
		n += board_is_used(b, i);
	return n;
}
