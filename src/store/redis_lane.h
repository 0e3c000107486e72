/*
 * store/redis_lane.h: one connection to one redis, and the tick that is under way on it. A store has one, or of a
 * cluster one to each node that is used, and one more that knows the others.
 */
#ifndef TG_STORE_REDIS_LANE_H
#define TG_STORE_REDIS_LANE_H

#include <sys/queue.h>

#include "store/redis_batch.h"
#include "store/redis_link.h"
#include "store/store_priv.h"

enum lane_state {
	LANE_NEW = 0, /* nothing is known of it yet */
	LANE_WELL = 1,
	LANE_UNWELL = 2,
	LANE_STATE_COUNT
};

struct redis_lane;

/* As struct redis_link_ops. */
struct redis_lane_ops {
	void (*ready)(void *user, struct redis_lane *lane);
	void (*answer)(void *user, struct redis_lane *lane, struct batch_item *item,
		       const redisReply *reply);
	void (*down)(void *user, struct redis_lane *lane, const char *why);
};

/* Owned by redis_nodes.h. */
struct redis_lane {
	TAILQ_ENTRY(redis_lane) link_of;
	const struct redis_lane_ops *ops;
	void *user;
	struct redis_link *link;
	struct endpoint at; /* of a cluster's node; else not set */
	struct mono used;   /* for the last time */
	struct redis_batch next; /* of this tick */
	size_t next_samples;
	struct redis_batch later; /* what others were sent here with; goes first */
	struct redis_batch sent;  /* under way */
	size_t unanswered;
	struct mono began;    /* what is under way */
	bool is_down;         /* the last try has failed */
	bool is_refused;      /* something of the last tick was */
	bool must_leave;      /* another connection may do better */
	bool is_doubtful;     /* the last tick failed: a greeting is not enough */
	char refusal[TG_STORE_WHY];
	enum lane_state state;
	char why[TG_STORE_WHY];
};
TAILQ_HEAD(redis_lanes, redis_lane);

/* Without its link. NULL: no memory. */
struct redis_lane *lane_new(const struct redis_lane_ops *ops, void *user);
void lane_free(struct redis_lane *lane); /* NULL allowed */
extern const struct redis_link_ops lane_link_ops;

/* It may be written to, and nothing is under way. */
bool lane_is_idle(const struct redis_lane *lane);
/* All of `next`, which is not empty. */
void lane_send(struct redis_lane *lane);
/* What is wrong, cleaned. */
void lane_set_unwell(struct redis_lane *lane, const char *why);

#endif
