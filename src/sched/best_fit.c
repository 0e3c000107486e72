/* sched/best_fit.c: the node with the least left, so that others stay free. */
#include "sched/builtin.h"
#include "sched/share_priv.h"

static void
best_fit_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
	       const bool *fits, double *ret_scores)
{
	const struct tg_group *g = &cluster->groups[group];

	(void)values;
	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		if (fits[i])
			ret_scores[i] = used_after(&cluster->nodes[i], g);
	}
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = best_fit_score,
};

const struct tg_module sched_best_fit = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "best-fit",
	.help = "The node that has the least left with it, as the mean of processor and memory.",
	.ops = &ops,
};
