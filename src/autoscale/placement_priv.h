/*
 * autoscale/placement_priv.h: the nodes and what is on them, as schedulers see it.
 */
#ifndef TG_AUTOSCALE_PLACEMENT_PRIV_H
#define TG_AUTOSCALE_PLACEMENT_PRIV_H

#include "autoscale/scaler_priv.h"
#include "sched/sched.h"

/* Made of the configuration and all fleets; a group is a service by its index, then those that are gone. */
struct placement {
	struct tg_cluster cluster;
	struct tg_node *nodes;
	struct tg_group *groups;
	struct tg_label *labels; /* of both */
	uint32_t *links;         /* affinity of groups */
	uint32_t *counts;
	uint32_t *leaving;       /* of these */
	struct board *board;     /* what is there, those on their way to it and from it included */
	int64_t reserved;        /* room that is kept for this priority and above is taken on it */
};

#define TG_NODE_NOTE 192u

/* Whether the daemon of a node tells of less than is configured, and what of both: "its configuration has 16 cpus, its daemon
 * 8"; "" if not, or nothing is told yet. */
bool placement_node_note(const struct conf_node *conf, const struct provider_node *told,
			 char ret[TG_NODE_NOTE]);

/* NULL: no memory. What is left out is not there: members that leave, where `is_settled`. The owner's; valid until the next
 * turn. */
struct placement *placement_new(const struct scaler *s, bool is_settled);
void placement_free(struct placement *p); /* NULL allowed */
/* What a daemon tells is the same for all that have it; but one of them may not know what it has there. False: nobody has
 * this node. */
bool placement_ask_node(const struct scaler *s, const char *name, struct provider_node *ret);

/* Whether backends of this service are on nodes. */
bool placement_is_of(const struct scaled *s);
/* How it is placed. */
struct sched_by placement_by(const struct scaled *s);
/* A scheduler by its name, with its options as they are preset, which go to `values`. -TG_ENOENT: there is none. */
TG_MUST_CHECK int placement_by_name(const char *scheduler, struct tg_value values[TG_OPTIONS_MAX],
				    struct sched_by *ret);
/* Closes nodes where a start of this service failed a moment ago, or whose daemon is doubted, where `is_on`, or opens them again. Whether there
 * are any. */
bool placement_shun(struct placement *p, const struct scaled *s, bool is_on);
/* TG_SCHED_NOWHERE: there is no such node. */
int32_t placement_node(const struct placement *p, const char *name);
/* Where room is kept for one that waits; TG_SCHED_NOWHERE: nowhere, or that node is not configured any more. */
int32_t placement_nominated(const struct placement *p, const struct fleet_member *m);
/* Room that is kept for backends of a service is taken on the board, where `is_on`, or free again. Not to be done twice; who
 * is nominated must be the same for both. */
void placement_reserve(struct placement *p, const struct scaled *s, bool is_on);
/* Takes it for all services of this priority and above; and for those above it also where a start has failed, until the next
 * try. From then on the board is good for services of this priority. Priorities fall from call to call. */
void placement_reserve_down_to(struct placement *p, const struct scaler *s, int64_t priority);
/* In one line: "fits on none of 3 nodes: a cpu: ...; b ...". */
void placement_why(const struct placement *p, uint32_t group, const struct sched_verdict *verdicts,
		   char *ret, size_t size);

#endif
