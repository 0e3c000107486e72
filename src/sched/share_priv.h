/*
 * sched/share_priv.h: of what a node has, how much is used; capacity that is not known is not used.
 */
#ifndef TG_SCHED_SHARE_PRIV_H
#define TG_SCHED_SHARE_PRIV_H

#include "tidegate/module.h"

/* More than that no share is, whatever was started past the capacity. */
#define USED_MAX 1000.0

static inline double
share_of(int64_t amount, int64_t capacity)
{
	double share = capacity > 0 ? (double)amount / (double)capacity : 0;

	return share > USED_MAX ? USED_MAX : share;
}

/* Whether anything is there. */
static inline bool
node_is_used(const struct tg_cluster *cluster, uint32_t node)
{
	const uint32_t *counts = cluster->counts + (size_t)node * cluster->n_groups;

	for (uint32_t i = 0; i < cluster->n_groups; i++) {
		if (counts[i] > 0)
			return true;
	}
	return false;
}

/* With one more of the group. */
static inline double
used_cpu_after(const struct tg_node *node, const struct tg_group *group)
{
	return share_of(node->cpu_milli - node->free_cpu_milli + group->cpu_milli, node->cpu_milli);
}

static inline double
used_memory_after(const struct tg_node *node, const struct tg_group *group)
{
	return share_of(node->memory_bytes - node->free_memory_bytes + group->memory_bytes,
			node->memory_bytes);
}

/* The mean of both. */
static inline double
used_after(const struct tg_node *node, const struct tg_group *group)
{
	return (used_cpu_after(node, group) + used_memory_after(node, group)) / 2;
}

#endif
