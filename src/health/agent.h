/*
 * health/agent.h: asks the agent of one backend at intervals and keeps what it
 * has ordered.
 *
 * What an answer does not mention stays as it was; an agent that cannot be
 * reached, or says nothing that is known, changes nothing, unless that lasts for the
 * configured lapse: then all that it ordered is taken back. What it tells of
 * load is no order: it is good until the next answer that tells some, and
 * for TG_AGENT_LOAD_INTERVALS at most.
 */
#ifndef TG_HEALTH_AGENT_H
#define TG_HEALTH_AGENT_H

#include "conf/conf.h"
#include "health/check.h"
#include "health/pace.h"
#include "http/load_report.h"
#include "ipc/msg.h"

#define TG_AGENT_LINE_MAX       256u /* with its end */
#define TG_AGENT_LOAD_INTERVALS 3u
#define TG_AGENT_MISSES_MAX     3u /* questions in a row without an answer; then it is silent */

/* What is known of one agent. Read-only outside health/. */
struct agent_status {
	struct backend_order order; /* all it has told */
	struct check_outcome last;  /* of the last answer; the text is what it said */
	uint64_t last_us;	    /* how long that took */
	struct mono last_end;	    /* when; unset: never */
	struct mono heard;	    /* when it last said a known word, or was first asked */
	unsigned misses;	    /* questions since, in a row, without one */
	struct load_report load;    /* as last told */
	struct mono load_at;	    /* when; unset: never */
};

struct agent;

/* Its order is another one. From the loop, or inside agent_set_addr(). */
typedef void agent_change_cb(void *user);

/* Owned by the caller; what is passed outlives it. Asks nobody yet. NULL: no memory. */
struct agent *agent_new(struct lane_flow *flow, const struct conf_service *service,
			const struct conf_backend *backend, agent_change_cb *change, void *user);
void agent_free(struct agent *agent); /* NULL allowed */

/* The same backend and the same rules in another configuration, or of another probe. */
void agent_rebind(struct agent *agent, const struct conf_service *service,
		  const struct conf_backend *backend, void *user);
/* A new agent of the same backend stands for what the one before has told. */
void agent_inherit(struct agent *agent, const struct agent *before);

/* What it has ordered, for whom asks it after this process. A value. */
struct agent_kept {
	struct backend_order order;
	struct mono heard;
	uint64_t at; /* where, as a hash; 0: nowhere, and nothing was ordered */
};
void agent_keep(const struct agent *agent, struct agent_kept *ret);
/* Before it is told where it is: if that is there, it stands for this. */
void agent_recall(struct agent *agent, const struct agent_kept *kept);

/* Where the backend is: asks there from now on, with the port of the agent. When it was
 * elsewhere before, all that was ordered there is taken back. */
void agent_set_addr(struct agent *agent, const struct addr *addr);

/* It is nowhere: nobody is asked. What was ordered stays, until it is elsewhere. */
void agent_set_no_addr(struct agent *agent);

/* Whether it was ever told where it is. */
bool agent_has_addr(const struct agent *agent);

/* What it told of the backend's load, as shares of what that may use; NAN: not told. False: it told nothing, or
 * not lately: both are untouched. */
bool agent_load(const struct agent *agent, struct mono now, double *ret_cpu, double *ret_memory);

/* Whether it does not answer, by now. */
bool agent_is_silent(const struct agent_status *status);

/* Valid until agent_free(). */
const struct agent_status *agent_status(const struct agent *agent);

#endif
