/* sched/spread.c: as far from each other as can be: what one node takes with it is the least. */
#include "sched/builtin.h"
#include "sched/share_priv.h"

/* Backends of the service first; how much is used decides among nodes with as many. */
static double
spread_of(const struct tg_cluster *cluster, uint32_t node, uint32_t group)
{
	double n = cluster->counts[(size_t)node * cluster->n_groups + group];

	return -n - 0.5 * used_after(&cluster->nodes[node], &cluster->groups[group]) / USED_MAX;
}

static void
spread_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
	     const bool *fits, double *ret_scores)
{
	(void)values;
	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		if (fits[i])
			ret_scores[i] = spread_of(cluster, i, group);
	}
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = spread_score,
};

const struct tg_module sched_spread = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "spread",
	.help = "The node with the fewest backends of the service, then the one that is used least.",
	.ops = &ops,
};
