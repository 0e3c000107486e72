/*
 * headroom: a scheduler for tidegate, complete and small: take it as the start of your own.
 *
 * The node that has the most left, of the resource it has the least of. A node on which less than `keep` of it would be
 * left is not taken at all: what runs there may need more for a while. A backend waits rather than take that.
 *
 *	make && sudo make install
 *
 *	modules = ( "/usr/local/lib/tidegate/headroom.so" );
 *	services = ( { name = "api"; ... scheduler = "headroom"; placement = { keep = 0.2; }; } );
 */
#include <math.h>

#include <tidegate/module.h>

/* By their place in the table below. */
enum { KEEP };

static const struct tg_option options[] = {
	[KEEP] = {.name = "keep",
		  .type = TG_OPTION_NUMBER,
		  .preset = "0.2",
		  .min = 0,
		  .max = 1,
		  .help = "The share of each resource of a node that stays free."},
	{.name = NULL},
};

/* A capacity that is not known is never too little. */
static double
left_of(int64_t capacity, int64_t free, int64_t need)
{
	return capacity > 0 ? (double)(free - need) / (double)capacity : 1;
}

static void
headroom_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
	       const bool *fits, double *ret_scores)
{
	const struct tg_group *g = &cluster->groups[group];

	for (uint32_t i = 0; i < cluster->n_nodes; i++) {
		const struct tg_node *n = &cluster->nodes[i];
		double left;

		if (!fits[i])
			continue;
		left = fmin(left_of(n->cpu_milli, n->free_cpu_milli, g->cpu_milli),
			    left_of(n->memory_bytes, n->free_memory_bytes, g->memory_bytes));
		ret_scores[i] = left >= values[KEEP].number ? left : NAN;
	}
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = headroom_score,
};

static const struct tg_module module = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "headroom",
	.help = "The node with the most left; none on which less than a share would be.",
	.options = options,
	.ops = &ops,
};

const struct tg_module *tidegate_module(const struct tg_host *host);

const struct tg_module *
tidegate_module(const struct tg_host *host)
{
	/* Schedulers came with 1.1. */
	return host->major == TG_MODULE_MAJOR && host->minor >= 1 ? &module : NULL;
}
