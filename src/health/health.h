/*
 * health/health.h: the probes of all backends and what they found.
 *
 * One probe per backend of the configuration. It sleeps until the backend has
 * an address, checks it at once, then every interval (give or take the
 * jitter), and tells each change of state or address. At most
 * TG_HEALTH_RUNNING_MAX checks over the network are under way; the others wait their turn in
 * order. Of programs a service has as many under way as its `concurrency` says, all together
 * TG_HEALTH_PROGRAMS_COMMON, and beyond that one of each service, up to TG_HEALTH_PROGRAMS_MAX; services
 * take turns. A backend whose service has no check is up as soon as it has an
 * address. Where the service has an agent, it is asked beside the checks.
 */
#ifndef TG_HEALTH_HEALTH_H
#define TG_HEALTH_HEALTH_H

#include <stdbool.h>

#include "conf/conf.h"
#include "conf/same.h"
#include "health/agent.h"
#include "health/check.h"
#include "health/quorum.h"
#include "health/verdict.h"
#include "loop/loop.h"

#define TG_HEALTH_RUNNING_MAX  512u
#define TG_HEALTH_PROGRAMS_MAX 64u
/* Of them; the rest is for services that have none under way. */
#define TG_HEALTH_PROGRAMS_COMMON TG_CONCURRENCY_MAX

/* What is known of one backend. Read-only outside health/. */
struct health_status {
	/* What a check that ends touches stands first. */
	struct verdict verdict; /* of the checks of this tidegate alone */
	uint64_t last_us;       /* how long the last check that ended took */
	struct mono last_end;   /* when; unset: never */
	uint64_t passes;
	uint64_t failures;
	struct check_outcome last; /* of that check */
	enum backend_health state; /* what counts: with what others find */
	struct mono since;         /* it has been so */
	struct quorum others;      /* at this address; nothing where they are not to count */
	bool has_addr;
	struct addr addr;	   /* where traffic goes */
	struct addr *next;	   /* where it moves to when a check there passes; NULL: nowhere */
	struct backend_record record;  /* what its name says of that address */
	char *note; /* what is wrong with its name all the same; NULL: nothing */
};

struct health;
struct health_next;

/* State, address or orders of a backend are other ones. From the loop, or inside health_set_addr() and
 * health_set_no_addr(). */
typedef void health_change_cb(void *user, unsigned service, unsigned backend);

/* Owned by the caller; keeps `conf` and `loop`, which must outlive it. NULL: no memory. */
struct health *health_new(struct loop *loop, const struct conf *conf, health_change_cb *change,
			  void *user);
void health_free(struct health *health); /* NULL allowed */

/* What is logged as "backend up" and "backend down"; `why` until the return. From the loop, or as health_change_cb. */
typedef void health_news_cb(void *user, const struct conf_service *service,
			    const struct conf_backend *backend, bool is_up, const char *why);
void health_listen(struct health *health, health_news_cb *news, void *user);

/*
 * The backend is to be at `addr`. Where it is up it stays until a check at the new
 * address has passed, or until it is down; it moves at once where nothing is checked. Then
 * it starts all over: checking, one check at once.
 */
void health_set_addr(struct health *health, unsigned service, unsigned backend,
		     const struct addr *addr);
/* The same for an address its name says more of. Another record alone is no new address. */
void health_set_place(struct health *health, unsigned service, unsigned backend,
		      const struct addr *addr, const struct backend_record *record);
/* Whether any backend is to move. */
bool health_is_moving(const struct health *health);
/* A backend that is to move does so now, whatever the checks say. */
void health_move(struct health *health, unsigned service, unsigned backend);
/* It has none, or none any more; `why` in words for log and statistics. Down and not checked, until
 * it has one. */
void health_set_no_addr(struct health *health, unsigned service, unsigned backend,
			const char *why);

/* Checks rest, or go on, one at once. What they found last stays; a backend that moves while they
 * rest is up. */
void health_set_checked(struct health *health, unsigned service, unsigned backend,
			bool is_checked);
/* Where it is checked from now on; 0: as configured. */
void health_set_check_port(struct health *health, unsigned service, unsigned backend,
			   uint16_t port);

/* What others find of it at the address where it is; what counts may be another state then. */
void health_set_others(struct health *health, unsigned service, unsigned backend,
		       const struct quorum *others);
/* Whether its own checks have a verdict, to be told to others: it has an address, and is checked. */
bool health_has_vote(const struct health *health, unsigned service, unsigned backend);

/* What statistics say of its name beside its health; "": nothing. */
void health_set_note(struct health *health, unsigned service, unsigned backend, const char *note);

/* Indexes as in the configuration. Valid until health_free() or health_commit(). */
const struct health_status *health_status(const struct health *health, unsigned service,
					  unsigned backend);
/* The same; NULL: the service has no agent. */
const struct agent_status *health_agent_status(const struct health *health, unsigned service,
					       unsigned backend);
/* What its agent told of its load, as agent_load() does. */
bool health_agent_load(const struct health *health, unsigned service, unsigned backend,
		       double *ret_cpu, double *ret_memory);
/* What the backend's agent has told, or, when there was one and is none any more, that nothing is
 * ordered; NULL: there never was one. */
const struct backend_order *health_agent_order(const struct health *health, unsigned service,
					       unsigned backend);

/* What was counted of a backend by whoever checked it before. A value. */
struct health_history {
	uint64_t passes;
	uint64_t failures;
	unsigned downs;
	uint64_t down_us;
};
/* What the backend's agent has ordered, and before it has an address: that it stands for it. `at` 0, and no effect, where
 * its service has no agent. */
void health_keep_agent(const struct health *health, unsigned service, unsigned backend, struct agent_kept *ret);
void health_recall_agent(struct health *health, unsigned service, unsigned backend,
			 const struct agent_kept *kept);
/* Before it has an address: goes on from there. The verdict is a new one. */
void health_recall(struct health *health, unsigned service, unsigned backend,
		   const struct health_history *history);

/*
 * Another configuration, in three steps. Backends that are checked by the same rules keep everything, a
 * check under way included; others that were there before keep what is known of them, and are
 * checked by the new rules from then on. Where a backend is now is the caller's to say, after the last
 * step, as after health_new().
 */

/* Beside what runs. `same` outlives *ret. -TG_ENOMEM. */
TG_MUST_CHECK int health_prepare(struct health *health, const struct conf_same *same,
				 struct health_next **ret);
void health_drop(struct health_next *next); /* NULL allowed */
/* Goes over, and tells nobody: after this the configuration before is not used any more. */
void health_commit(struct health *health, struct health_next *next);
/* Checks begin, and changes are told. */
void health_settle(struct health *health);

#endif
