/*
 * autoscale/fleet_priv.h: a fleet, for the files it is made of: fleet.c, its members and what happens to them;
 * fleet_tick.c, what time and the desired number make of them; fleet_follow.c, what another instance says.
 */
#ifndef TG_AUTOSCALE_FLEET_PRIV_H
#define TG_AUTOSCALE_FLEET_PRIV_H

#include "autoscale/fleet.h"

#define TG_FLEET_PREFIX  "auto-"
#define TG_FLEET_NEVER   INT64_MAX
#define TG_FLEET_AT_ONCE INT64_MIN
/* An answer that did not come by then is not awaited any more. */
#define TG_FLEET_AGAIN_MS 10000
#define TG_FLEET_WHY      256 /* of a reason is kept so much */

TAILQ_HEAD(member_list, fleet_member);

struct shunned {
	char node[TG_NODE_NAME];
	int64_t since_ms;
};

struct fleet {
	struct fleet_limits limits;
	struct fleet_orders orders;
	void *user;
	struct member_list members; /* in the order they came */
	unsigned n;
	unsigned source; /* the present one */
	bool is_following;
	bool is_shared;
	bool is_listed; /* what there is, is known: before that nothing is started */
	uint64_t number; /* of the name given last, or the highest found */
	uint64_t token;
	unsigned failures; /* in a row */
	int64_t retry_ms;
	char failed_name[TG_INSTANCE_NAME]; /* the last one; "": none yet */
	char failed_why[TG_FLEET_WHY];
	int64_t failed_ms;
	struct shunned shunned[TG_FLEET_SHUN_MAX]; /* nodes where starts failed, the latest first */
	unsigned n_shunned;
	uint32_t missing; /* of what is desired, while the next try is not due */
};

/* NULL: no memory, or TG_FLEET_MAX are there. */
struct fleet_member *fleet_member_new(struct fleet *f, const char *name, int64_t now_ms);
void fleet_member_free(struct fleet *f, struct fleet_member *m);
/* Goes over to this state, with its deadline and without an order. */
void fleet_enter(struct fleet *f, struct fleet_member *m, enum fleet_state state, int64_t now_ms);
void fleet_tell(struct fleet *f, const struct fleet_member *m, enum fleet_news what,
		const char *why);
/* The configuration has it, or is about to have it no more. */
bool fleet_is_configured(const struct fleet_member *m);
/* In the configuration, and wanted there again. */
void fleet_return(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms);
/* On its way out: of the configuration first, if it is there. It may be gone with the return, as in the next. */
void fleet_leave(struct fleet *f, struct fleet_member *m, int64_t now_ms);
/* It is sent away: drained first, where it is in the configuration. False: not now. */
bool fleet_send_away(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms);
/* Its start has failed: it leaves, and the next one waits. */
void fleet_fail(struct fleet *f, struct fleet_member *m, const char *why, int64_t now_ms);

#endif
