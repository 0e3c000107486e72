/* sched/balanced.c: all nodes are used alike, and processor and memory of each. */
#include "sched/builtin.h"
#include "sched/share_priv.h"

/* Of the resource that is used most, and of the difference between both. */
static double
imbalance(const struct tg_node *node, const struct tg_group *group)
{
	double cpu = used_cpu_after(node, group);
	double memory = used_memory_after(node, group);
	double most = cpu > memory ? cpu : memory;
	double least = cpu > memory ? memory : cpu;

	return most + (most - least);
}

static void
balanced_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
	       const bool *fits, double *ret_scores)
{
	const struct tg_group *g = &cluster->groups[group];

	(void)values;
	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		if (fits[i])
			ret_scores[i] = -imbalance(&cluster->nodes[i], g);
	}
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = balanced_score,
};

const struct tg_module sched_balanced = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "balanced",
	.help = "The node whose processor and memory are used least and most alike with it.",
	.ops = &ops,
};
