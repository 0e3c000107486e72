/*
 * A small cluster for tests: nodes of 4 processors and 8 GiB, groups of one processor and 1 GiB, changed before
 * a board is made of them.
 */
#ifndef TG_TESTS_UNIT_SCHED_CLUSTER_H
#define TG_TESTS_UNIT_SCHED_CLUSTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sched/builtin.h"
#include "sched/sched.h"

#define NODES  6u
#define GROUPS 6u
#define GIB    (INT64_C(1) << 30)

struct cluster {
	struct tg_label labels[NODES][2];
	struct tg_node nodes[NODES];
	struct tg_group groups[GROUPS];
	uint32_t counts[NODES * GROUPS];
	struct tg_cluster cluster;
	struct sched_verdict verdicts[NODES];
	struct board *board;
};

/* Those that answer at once: all but optimal. */
__attribute__((unused)) static const struct tg_module *const quick[] = {
	&sched_first_fit, &sched_best_fit, &sched_spread, &sched_balanced, &sched_dot_product, NULL,
};

static const char *const zones[] = {"a", "a", "b", "b", "c", "c"};

static inline void
cluster_set(struct cluster *c, uint32_t n_nodes, uint32_t n_groups)
{
	static const char *const nodes[] = {"n0", "n1", "n2", "n3", "n4", "n5"};
	static const char *const services[] = {"s0", "s1", "s2", "s3", "s4", "s5"};

	*c = (struct cluster){.cluster = {.size = sizeof(c->cluster)}};
	for (uint32_t i = 0; i < n_nodes; i++) {
		c->labels[i][0] = (struct tg_label){"zone", zones[i]};
		c->labels[i][1] = (struct tg_label){"disk", i % 2 ? "ssd" : "hdd"};
		c->nodes[i] = (struct tg_node){
			.name = nodes[i],
			.cpu_milli = 4000,
			.memory_bytes = 8 * GIB,
			.free_cpu_milli = 4000,
			.free_memory_bytes = 8 * GIB,
			.labels = c->labels[i],
			.n_labels = 2,
		};
	}
	for (uint32_t i = 0; i < n_groups; i++)
		c->groups[i] = (struct tg_group){
			.service = services[i], .cpu_milli = 1000, .memory_bytes = GIB};
	c->cluster.n_nodes = n_nodes;
	c->cluster.n_groups = n_groups;
	c->cluster.nodes = c->nodes;
	c->cluster.groups = c->groups;
	c->cluster.counts = c->counts;
}

static inline struct board *
cluster_board(struct cluster *c)
{
	board_free(c->board);
	c->board = board_new(&c->cluster);
	assert_non_null(c->board);
	return c->board;
}

static inline struct sched_by
by(const struct tg_module *module)
{
	static const struct tg_value no_values[1];

	return (struct sched_by){.module = module, .values = no_values};
}

static inline int32_t
cluster_place(struct cluster *c, const struct tg_module *module, uint32_t group)
{
	struct sched_by with = by(module);

	return sched_place(c->board, &with, group, c->verdicts);
}

/* What is said of a node, after cluster_place(). */
static inline const char *
cluster_says(struct cluster *c, uint32_t group, uint32_t node)
{
	static char text[256];

	return sched_verdict_text(c->board, group, node, &c->verdicts[node], text, sizeof(text));
}

#endif
