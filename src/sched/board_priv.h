/*
 * sched/board_priv.h: a board, for the files it is made of.
 */
#ifndef TG_SCHED_BOARD_PRIV_H
#define TG_SCHED_BOARD_PRIV_H

#include "sched/sched.h"

/* Groups that may not be where this one is. */
struct enemies {
	uint32_t *groups;
	uint32_t n;
};

/* A label by whose values backends are spread. */
struct spread {
	const char *key;
	uint32_t *values; /* by node: a number for each value, UINT32_MAX without one */
};

struct board {
	struct tg_cluster cluster; /* of what follows, and the caller's groups */
	struct tg_node *nodes;
	uint32_t *counts;
	size_t n_counts;
	uint32_t *leaving; /* of these, as counts */
	uint32_t *reserved; /* the same: they are to come */
	uint32_t *used; /* by node: backends there */
	struct enemies *enemies; /* by group */
	struct spread *spreads;
	uint32_t n_spreads;
	uint32_t *tally; /* by value, while they are counted */
	/* By node, of the question that is being asked: */
	bool *fits;
	double *scores;
};

/* The value of a label; NULL: it has none. */
const char *sched_label(const struct tg_node *node, const char *key);
/* Whether it has all that are required. */
bool sched_has_labels(const struct tg_node *node, const struct tg_group *group);
/* Nodes for one more, but for the module: fits[] and verdicts. False: none. */
bool sched_filter(const struct board *b, uint32_t group, struct sched_verdict *ret);

/* What `spread` of all groups needs. -TG_ENOMEM. */
int sched_spread_make(struct board *b);
void sched_spread_free(struct board *b);
/* Of the nodes in fits[] those stay whose value has the fewest; one without the label only where no other fits. */
void sched_spread_filter(const struct board *b, uint32_t group, struct sched_verdict *ret);
/* Of the group, on all nodes with this one's value, but those that leave; UINT32_MAX: it has none; 0: the group has no `spread`. */
uint32_t sched_spread_count(const struct board *b, uint32_t group, uint32_t node);
/* Whether one of the group that goes from one node to another is spread better by that, 1; as well, 0; or worse, -1. */
int sched_spread_gain(const struct board *b, uint32_t group, uint32_t from, uint32_t to);

#endif
