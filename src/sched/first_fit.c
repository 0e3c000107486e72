/* sched/first_fit.c: the first node in the order of the configuration. */
#include "sched/builtin.h"
#include "sched/share_priv.h"

static void
first_fit_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
		const bool *fits, double *ret_scores)
{
	(void)values;
	(void)group;
	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		if (fits[i])
			ret_scores[i] = (double)(cluster->n_nodes - i);
	}
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = first_fit_score,
};

const struct tg_module sched_first_fit = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "first-fit",
	.help = "The first node that has room, in the order of the configuration.",
	.ops = &ops,
};
