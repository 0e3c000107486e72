/*
 * store/redis_nodes.h: the lanes of a store: the one it has, or those to the nodes of a Redis Cluster that are used.
 *
 * Of a cluster the first lane goes to any node, of the url or learned, and asks who has which slot (CLUSTER NODES): at the start, and
 * again when a node says MOVED or fails; after a failure another node is asked. All else goes to who has the slot of its key.
 */
#ifndef TG_STORE_REDIS_NODES_H
#define TG_STORE_REDIS_NODES_H

#include "store/redis_cluster.h"
#include "store/redis_lane.h"

#define TG_CLUSTER_HOPS_MAX 5u /* redirections of one command */

/* Storage is the owner's; zeroed: closed. */
struct redis_nodes {
	struct redis_lanes lanes;
	struct redis_lane *first;
	struct loop *loop;
	const struct redis_lane_ops *ops;
	void *user;
	bool is_cluster;
	/* below: of a cluster alone */
	bool by_names;           /* certificates have them */
	bool is_stale;           /* who has what is to be asked */
	struct cluster_map *map; /* NULL: nobody has told yet */
	uint64_t used[TG_CLUSTER_SLOTS / 64]; /* slots of keys that were asked for */
	struct timer sweep;
};

/* Fails as redis_link_open(). */
TG_MUST_CHECK int nodes_open(struct redis_nodes *n, const struct conf_store *conf,
			     struct loop *loop, struct resolver *resolver,
			     const struct redis_lane_ops *ops, void *user, struct err *err);
void nodes_close(struct redis_nodes *n);

/* Where this key is, which is used from now on; a lane to there is opened if there is none. NULL: nobody is known to have it. */
struct redis_lane *nodes_lane(struct redis_nodes *n, const char *key);
/* What was used is not, until it is asked for again. */
void nodes_forget(struct redis_nodes *n);
/* Whether keys are asked for there. */
bool nodes_has_keys(const struct redis_nodes *n, const struct redis_lane *lane);

/* The question to `lane`, if it is the first one's to ask now. */
void nodes_ask(struct redis_nodes *n, struct redis_lane *lane);
bool nodes_have_asked(const struct batch_kind *kind);
/* The answer: -TG_EPROTO, -TG_ELIMIT: the map stays; -TG_ENOMEM. *ret_moved: what is used is elsewhere now. */
TG_MUST_CHECK int nodes_answered(struct redis_nodes *n, const redisReply *reply, bool *ret_moved);
/* A lane to where keys are has failed, or says the cluster has. */
void nodes_failed(struct redis_nodes *n);

/* Whether the error that answers `item` of `from` is a redirection that is followed: then it waits in `later` of another lane, or of
 * this one. *ret_moved as above, followed or not. */
bool nodes_redirect(struct redis_nodes *n, const struct redis_lane *from,
		    const struct batch_item *item, const redisReply *reply, bool *ret_moved);

/* As store_connections(). */
void nodes_each(const struct redis_nodes *n,
		void (*told)(void *user, const struct store_connection *connection), void *user);
/* Of all that is used together; `why` of TG_STORE_WHY is written where it is LANE_UNWELL. */
enum lane_state nodes_state(const struct redis_nodes *n, char *why);

#endif
