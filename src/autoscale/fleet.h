/*
 * autoscale/fleet.h: the backends of one service that its provider started, from asked for to gone.
 *
 *	PENDING -> STARTING -> ADDING -> CHECKING -> READY <-> DOWN
 *	   |           |          |         |          |        |
 *	   |           |          |         |          v        v
 *	   |           |          +---------+------> DRAINING (back to READY: undrained)
 *	   |           |                               |
 *	   v           v                               v
 *	 (gone) <--- STOPPING <--- STOPPED <------- REMOVING
 *
 * Level-triggered: each tick compares what there is with what is desired and gives the next orders;
 * an answer that never comes is asked for again after its time, by list. No loop, no
 * sockets, no clock: the owner tells what happened, and carries the orders out.
 */
#ifndef TG_AUTOSCALE_FLEET_H
#define TG_AUTOSCALE_FLEET_H

#include <sys/queue.h>

#include "autoscale/decide.h"
#include "provider/provider.h"

#define TG_FLEET_MAX 1024u /* backends of a service that are not gone */

enum fleet_state {
	TG_FLEET_PENDING = 0,  /* the provider was asked to start it */
	TG_FLEET_STARTING = 1, /* it did; no address yet */
	TG_FLEET_ADDING = 2,   /* to the configuration */
	TG_FLEET_CHECKING = 3, /* in it, and not up yet */
	TG_FLEET_READY = 4,
	TG_FLEET_DOWN = 5,
	TG_FLEET_DRAINING = 6, /* ordered; something is in flight */
	TG_FLEET_REMOVING = 7, /* from the configuration */
	TG_FLEET_STOPPED = 8,  /* out of it; the provider is to be asked */
	TG_FLEET_STOPPING = 9, /* it was */
	TG_FLEET_STATE_COUNT
};
/* "pending", ...; "?" outside the enum. */
const char *fleet_state_str(unsigned state);

struct fleet_member {
	TAILQ_ENTRY(fleet_member) link;
	char name[TG_INSTANCE_NAME];
	enum fleet_state state;
	int64_t since_ms;      /* in this state */
	int64_t asked_ms;      /* PENDING was begun; of one that was found: found */
	int64_t deadline_ms;   /* of this state; INT64_MAX: none */
	bool is_order_open;    /* an order of this state has no answer yet */
	bool was_ready;
	struct addr addr;      /* len 0: not known yet */
	struct usage_place place;
	int64_t in_flight;     /* as last observed */
	uint64_t token;        /* of the provider's order under way; 0: none */
};

/* What the owner does. Each is answered by the fleet_x() beside it, in a later turn; one that returns a
 * failure at once is given again in a later tick. */
struct fleet_orders {
	int (*start)(void *user, struct fleet_member *m);                      /* fleet_answered() */
	int (*stop)(void *user, struct fleet_member *m, uint64_t grace_ms);    /* fleet_answered() */
	int (*add)(void *user, struct fleet_member *m);                        /* fleet_added() */
	int (*drain)(void *user, struct fleet_member *m, bool is_on);          /* done with the return */
	int (*remove)(void *user, struct fleet_member *m);                     /* fleet_removed() */
	void (*cut)(void *user, struct fleet_member *m);                       /* what is in flight ends */
	/* For people and counters: what has become of one, and why. */
	void (*told)(void *user, const struct fleet_member *m, const char *what, const char *why);
	/* It was ready this long after it was asked for. */
	void (*was_ready)(void *user, const struct fleet_member *m, uint64_t took_ms);
};

struct fleet_limits {
	uint64_t start_timeout_ms; /* from PENDING to READY, else it is stopped and counts as failed */
	uint64_t drain_timeout_ms; /* then what is left is cut */
	uint64_t stop_grace_ms;    /* from SIGTERM to SIGKILL, or what the provider has for it */
};

struct fleet;

/* Owned by the caller. NULL: no memory. */
struct fleet *fleet_new(const char *service, const struct fleet_limits *limits,
			const struct fleet_orders *orders, void *user);
void fleet_free(struct fleet *f); /* NULL allowed; gives no orders */
void fleet_set_limits(struct fleet *f, const struct fleet_limits *limits);

/* Goes towards `desired`: undrains first, then starts; the victim is the one with the fewest in flight, of these
 * the one that is least far. */
void fleet_tick(struct fleet *f, uint32_t desired, int64_t now_ms);

/* What happened. Names that are not known are taken in (found instances) or ignored. */
void fleet_listed(struct fleet *f, const struct instance *instances, size_t n, int64_t now_ms);
void fleet_changed(struct fleet *f, const struct instance *instance, int64_t now_ms);
void fleet_answered(struct fleet *f, uint64_t token, int rc, const char *why, int64_t now_ms);
void fleet_added(struct fleet *f, const char *name, bool is_done, const char *why, int64_t now_ms);
void fleet_removed(struct fleet *f, const char *name, bool is_done, const char *why,
		   int64_t now_ms);
/* Each tick, for every backend of the service in the configuration that autoscale added. */
void fleet_observed(struct fleet *f, const char *name, bool is_up, int64_t in_flight,
		    int64_t now_ms);

/* A value. */
struct fleet_counts {
	uint32_t pending;  /* asked for, starting, adding, checking */
	uint32_t ready;    /* and down */
	uint32_t down;
	uint32_t draining; /* and all that follows */
};
struct fleet_counts fleet_counts(const struct fleet *f);
/* Starts that failed in a row, and when the next one is due; 0: at once. */
unsigned fleet_failures(const struct fleet *f, int64_t *ret_retry_ms);
const struct fleet_member *fleet_find(const struct fleet *f, const char *name);
void fleet_walk(const struct fleet *f, void (*told)(void *user, const struct fleet_member *m),
		void *user);

#endif
