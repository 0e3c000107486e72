/*
 * store/redis_cluster.h: who of a Redis Cluster has which slot, as its nodes tell it: redirections, and the answer to CLUSTER
 * NODES. Foreign text. Pure.
 */
#ifndef TG_STORE_REDIS_CLUSTER_H
#define TG_STORE_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define TG_CLUSTER_SLOTS     16384u
#define TG_CLUSTER_NODES_MAX 128u
#define TG_CLUSTER_NOBODY    UINT8_MAX

/* Of the braces in a key: what is between the first and the next behind it; of all of it without. */
unsigned cluster_slot(const char *key);

struct cluster_redirect {
	bool is_ask; /* this once, behind ASKING; else from now on */
	unsigned slot;
	struct endpoint at;
};

/* "MOVED 3999 10.0.0.1:6381", "ASK 3999 ::1:6381", with brackets too; without a host, or "?" for one, it is that of `asked`, who said
 * so. -TG_ENOENT: no redirection; -TG_EPROTO: one that leads nowhere. */
TG_MUST_CHECK int cluster_redirect_parse(const char *text, const struct endpoint *asked,
					 struct cluster_redirect *ret);

/* A value, of some size. */
struct cluster_map {
	struct endpoint nodes[TG_CLUSTER_NODES_MAX]; /* who has slots first, then copies */
	size_t n_nodes;
	uint8_t owners[TG_CLUSTER_SLOTS]; /* places in nodes, or TG_CLUSTER_NOBODY */
};

void cluster_map_init(struct cluster_map *map);
/* By names where nodes have one, if `by_names`. -TG_EPROTO: no such answer, or nobody has a slot; -TG_ELIMIT: more nodes than these have
 * slots; *ret is undefined then. */
TG_MUST_CHECK int cluster_map_read(const char *text, size_t n, const struct endpoint *asked,
				   bool by_names, struct cluster_map *ret);
/* Whoever had it. -TG_ELIMIT: no room for one more node. */
TG_MUST_CHECK int cluster_map_move(struct cluster_map *map, unsigned slot,
				   const struct endpoint *to);
bool cluster_is_same(const struct endpoint *a, const struct endpoint *b);

#endif
