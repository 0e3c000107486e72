/*
 * autoscale/fleet.h: the backends of one service that its provider started, from asked for to gone.
 *
 *	PENDING -> STARTING -> ADDING -> CHECKING -> READY <-> DOWN
 *	   |           |                    |          |  ^      |
 *	   |           |                    |          v  |      |
 *	   |           |                    |       DRAINING     |
 *	   |           |                    v          v         v
 *	   |           |                    +------> REMOVING <--+
 *	   v           v                                |
 *	(gone) <- STOPPING <------------------------ RESTING
 *
 * Nothing new comes to one that drains; when nothing is in flight it is taken out of the
 * configuration; when that is done nobody can pick it any more, and when still nothing is in flight,
 * RESTING ends and its provider stops it.
 *
 * Members are of the source they were started by, a number of the owner's for its provider. When that changes, those
 * of the source before are not counted any more: what serves goes as soon as as many of the present one
 * are ready, the rest at once. So it is with those whose node is not configured any more.
 *
 * One that its provider says does not work is replaced: it counts no more, and drains when others are
 * ready in its place. One at a time: what all depend on may be what does not work.
 *
 * One whose checks fail, and whose node does not answer either, is lost: it counts no more, so that another is started
 * at once. Back before its time is over it counts again, and there is one too many, which goes as any does.
 *
 * Level-triggered: each tick compares what there is with what is desired and gives the next orders; one
 * that is not answered in its time is given again. Nothing is started before the first list. Starts that fail
 * wait longer each time. No loop, no sockets, no clock: the owner tells what
 * happened, and carries the orders out.
 */
#ifndef TG_AUTOSCALE_FLEET_H
#define TG_AUTOSCALE_FLEET_H

#include <sys/queue.h>

#include "autoscale/decide.h"
#include "provider/provider.h"
#include "store/store.h"

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
	TG_FLEET_RESTING = 8,  /* out of it; what was in flight ends */
	TG_FLEET_STOPPING = 9, /* the provider is asked to stop it */
	TG_FLEET_STATE_COUNT
};
/* "pending", ...; "?" outside the enum. */
const char *fleet_state_str(unsigned state);

/* What has become of a member, with the words for logs. */
#define TG_FLEET_NEWS(X)                                                                           \
	X(STARTING, "starting")                                                                    \
	X(FOUND, "found") /* nobody asked for it, as of a keeper before */                         \
	X(PLACED, "placed")      /* a node is picked */                                            \
	X(WAITING, "waiting")    /* it fits on no node */                                          \
	X(NOMINATED, "nominated") /* room is made for it, and kept */                              \
	X(START_FAILED, "start failed")                                                            \
	X(READY, "ready")                                                                          \
	X(DOWN, "down")                                                                            \
	X(CONDEMNED, "to be replaced") /* its platform says that it does not work */               \
	X(LOST, "lost")          /* its node does not answer, and it does not */                   \
	X(BACK, "back")          /* one that was lost */                                           \
	X(DRAINING, "draining")                                                                    \
	X(UNDRAINED, "undrained")                                                                  \
	X(CUT, "cut")            /* what was left in flight */                                     \
	X(TAKEN_OUT, "taken out") /* of the configuration, by an operator */                       \
	X(NOT_REMOVED, "not removed")                                                              \
	X(GIVEN_UP, "given up") /* down for too long */                                            \
	X(STOPPING, "stopping")  /* before it was in the configuration */                          \
	X(NOT_STOPPED, "not stopped")                                                              \
	X(STOPPED, "stopped")                                                                      \
	X(ENDED, "ended") /* by itself */

enum fleet_news {
#define TG_FLEET_NEWS_ENUM(id, word) TG_FLEET_NEWS_##id,
	TG_FLEET_NEWS(TG_FLEET_NEWS_ENUM)
#undef TG_FLEET_NEWS_ENUM
	TG_FLEET_NEWS_COUNT
};
/* "starting", ...; "?" outside the enum. */
const char *fleet_news_str(unsigned news);

/* Who keeps new work from one that is in the configuration. */
enum fleet_steer {
	TG_FLEET_STEER_NONE = 0,
	TG_FLEET_STEER_OURS = 1, /* drain() did */
	TG_FLEET_STEER_OPERATOR = 2,
	TG_FLEET_STEER_COUNT
};

struct fleet_member {
	TAILQ_ENTRY(fleet_member) link;
	char name[TG_INSTANCE_NAME];
	enum fleet_state state;
	int64_t since_ms;      /* in this state */
	int64_t asked_ms;      /* PENDING was begun; of one that was found: found */
	int64_t deadline_ms;   /* of this state; INT64_MAX: none */
	int64_t known_ms;      /* its provider has it since; INT64_MAX: not known to have it */
	int64_t ready_ms;      /* when it was READY first; INT64_MAX: never */
	bool is_order_open;    /* an order of this state has no answer yet */
	bool is_observed;      /* in this state */
	bool is_unwanted;      /* ADDING: it leaves as soon as it is in */
	bool is_ended;         /* its provider says so: nothing to stop */
	bool is_held;          /* an operator keeps new work from it */
	bool is_evicted;       /* it goes for one of higher priority, and does not come back */
	bool is_waiting;       /* PENDING: it fits on no node */
	char nominated[TG_NODE_NAME]; /* the same: the node where room is kept for it; "": none */
	bool has_node;
	char node[TG_NODE_NAME]; /* where it is, or is to be; "": of a kind that has one place */
	bool is_ill;           /* its provider says that it does not work */
	bool is_leaving;       /* its node is not configured any more */
	bool is_condemned;     /* for that it goes, when another one is there; one at a time */
	bool is_cut_off;       /* its node does not answer */
	bool is_lost;          /* it is down besides, or not up yet, and nobody keeps work from it: another one is started */
	bool is_others;        /* of another instance of tidegate: nothing to stop here */
	char origin[TG_STORE_INSTANCE]; /* the same: which one */
	bool has_addr;
	struct addr addr;
	struct usage_place place; /* `cgroup` is its own */
	struct usage usage;    /* the owner's: as read last */
	unsigned source;       /* the owner's: which provider has it */
	uint32_t slot;         /* the owner's; 0: none yet */
	int64_t in_flight;     /* as last observed */
	uint64_t token;        /* of the provider's order under way; 0: none */
};

/* What the owner does. Each is answered by the fleet_x() beside it, in a later turn; one that returns a
 * failure at once is given again in a later tick. */
struct fleet_orders {
	int (*start)(void *user, const struct fleet_member *m, uint64_t token); /* fleet_answered() */
	/* Some are pending and have no node: fleet_put_on() or fleet_wait() for each, inside the call. Not called before
	 * the first list. One without an answer is asked for again in the next tick. NULL: there is one place. */
	void (*place)(void *user);
	/* Of those that may go, all as far from serving, the one that does; of `n`, which is above 1. `n`, and where this is NULL:
	 * the one with the fewest in flight, of equals the newest. */
	unsigned (*prefer)(void *user, const struct fleet_member *const *list, unsigned n);
	int (*stop)(void *user, const struct fleet_member *m, uint64_t token,
		    uint64_t grace_ms);                                         /* the same */
	int (*add)(void *user, const struct fleet_member *m);                   /* fleet_added() */
	int (*remove)(void *user, const struct fleet_member *m);                /* fleet_removed() */
	/* Whether the configuration has a backend of this name that is none of ours. */
	bool (*is_taken)(void *user, const char *name);
	/* Done with the return. */
	int (*drain)(void *user, const struct fleet_member *m, bool is_on);
	void (*cut)(void *user, const struct fleet_member *m); /* what is in flight ends */
	/* For people and counters: what has become of one, and why. */
	void (*told)(void *user, const struct fleet_member *m, enum fleet_news what,
		     const char *why);
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
struct fleet *fleet_new(const struct fleet_limits *limits, const struct fleet_orders *orders,
			void *user);
void fleet_free(struct fleet *f); /* NULL allowed; gives no orders */
void fleet_set_limits(struct fleet *f, const struct fleet_limits *limits);

/* Goes towards `desired`: undrains first, then starts; the victim is the one that is least far, of these the one that prefer()
 * has. */
void fleet_tick(struct fleet *f, uint32_t desired, int64_t now_ms);

/* A keeper that begins: this one is in the configuration already. The first list tells whether it is still
 * there. -TG_ENOMEM, -TG_ELIMIT. */
TG_MUST_CHECK int fleet_found(struct fleet *f, const char *name, const struct addr *addr,
			      uint32_t slot, bool is_draining, int64_t now_ms);

/* Of one that is pending: where it is to be started, "" where there is one place. */
void fleet_put_on(struct fleet *f, const char *name, const char *node, const char *why,
		  int64_t now_ms);
/* It fits on no node: it stays pending, and has its time to start when it has one. */
void fleet_wait(struct fleet *f, const char *name, const char *why);
/* One that waits: room on this node is made for it, and kept until it has a place; "": it is not any more. */
void fleet_nominate(struct fleet *f, const char *name, const char *node, const char *why);
/* Another of higher priority needs its place: it drains and goes, and another one is started in its place when there
 * is room. */
void fleet_evict(struct fleet *f, const char *name, const char *why, int64_t now_ms);
/* The room of those that leave this node is another's: they do not come back either. */
void fleet_let_leave(struct fleet *f, const char *node);

/* What happened; names that are not known are nobody's. */

/* All there is of the present source, asked for at `asked_ms`: members that were there before and are not in it have ended; unknown ones
 * are taken in. */
void fleet_listed(struct fleet *f, const struct instance *instances, size_t n, int64_t asked_ms,
		  int64_t now_ms);
/* A part of all there is: what is not in it may be there. */
void fleet_listed_part(struct fleet *f, const struct instance *instances, size_t n, int64_t now_ms);
void fleet_changed(struct fleet *f, const struct instance *instance, int64_t now_ms);
void fleet_answered(struct fleet *f, uint64_t token, int rc, const char *why, int64_t now_ms);
/* `slot`: of the statistics segment. */
void fleet_added(struct fleet *f, const char *name, uint32_t slot, bool is_done, const char *why,
		 int64_t now_ms);
void fleet_removed(struct fleet *f, const char *name, bool is_done, const char *why,
		   int64_t now_ms);
/* Each tick, before fleet_observed(). One that an operator keeps work from is alone with it: it counts, is neither
 * undrained nor given up, and goes when there are too many. One that an operator made ready again is. */
void fleet_steered(struct fleet *f, const char *name, enum fleet_steer by, int64_t now_ms);
/* The same: whether its node does not answer. */
void fleet_cut_off(struct fleet *f, const char *name, bool is_cut_off);
/* Each tick for all that have a slot: what checks and workers say of it now. */
void fleet_observed(struct fleet *f, const char *name, bool is_up, int64_t in_flight,
		    int64_t now_ms);

/* A value. */
struct fleet_counts {
	uint32_t pending;  /* asked for, starting, adding, checking */
	uint32_t waiting;  /* of these: fit on no node */
	uint32_t ready;
	uint32_t down;     /* and lost, and those that an operator keeps work from */
	uint32_t draining; /* and all that follows */
};
struct fleet_counts fleet_counts(const struct fleet *f);
/* Starts that failed. A value; pointers until the next turn. */
struct fleet_failures {
	unsigned in_row;
	int64_t retry_ms; /* when the next one is due; INT64_MIN: at once */
	const char *name; /* who failed last, be it long ago; "": none did */
	const char *why;
	int64_t at_ms;
};
struct fleet_failures fleet_failures(const struct fleet *f);
/* An operator, or a configuration that was edited, asks for a try now. */
void fleet_retry(struct fleet *f);
/* How long others are preferred to a node where a start failed; of so many nodes. */
#define TG_FLEET_SHUN_MS  60000
#define TG_FLEET_SHUN_MAX 32u
/* Whether a start failed on this node within that time, and none went well there since. */
bool fleet_shuns(const struct fleet *f, const char *node, int64_t now_ms);
/* While the next try is not due: the nodes where starts failed, the latest first, as many as are to be started again. */
void fleet_failed_on(const struct fleet *f, void (*told)(void *user, const char *node), void *user);
/* From now on members are started, and listed, by this source; 0 at first. It is a provider that knows of no order:
 * those of its members are given again, and nothing is started before its first list. */
void fleet_set_source(struct fleet *f, unsigned source);
/* Of another configuration: the nodes that it has not any more. Nobody is sent away for it before the first list, as what
 * is there may be found on another one. */
void fleet_leave_nodes(struct fleet *f, bool (*has_left)(void *user, const char *node), void *user);
/* Members of this source, which has no provider, are the present one's: its first list tells whether it has them. */
void fleet_take_over(struct fleet *f, unsigned source);
/* What `source`, which is not the present one, has of before: members of these names are its own, others are taken in to
 * be stopped. */
void fleet_left(struct fleet *f, unsigned source, const struct instance *instances, size_t n,
		int64_t now_ms);
/* Whether any member is of this source. */
bool fleet_has_source(const struct fleet *f, unsigned source);
/* Another configuration: those that should be there and are not, as an operator deleted them, are out of it. */
void fleet_look(struct fleet *f, bool (*is_there)(void *user, const char *name), void *user,
		int64_t now_ms);
/* None of them is in the configuration any more, as their service is not; nor will those be that are to come. */
void fleet_unconfigured(struct fleet *f, int64_t now_ms);
/*
 * Where another instance of tidegate leads, see doc/internals/store.md. A fleet that follows starts nothing, and its
 * ticks carry out what it was told. `is_shared`: whoever asks the provider gets all there is, else only what this
 * instance has started.
 */
struct fleet_told {
	const struct store_member *members;
	size_t n;
	const char *self; /* this instance */
};
void fleet_begin_following(struct fleet *f, bool is_shared, int64_t now_ms);
/* What the leader says now: others join, or leave; before each tick. */
void fleet_follow(struct fleet *f, const struct fleet_told *told, int64_t now_ms);
/* What all can stop is its own, as its first list will tell; what others started serves until there is enough. */
void fleet_begin_leading(struct fleet *f, bool is_shared);
/* Whether the provider has told what there is. */
bool fleet_is_listed(const struct fleet *f);
/* The owner's part of a member; NULL: there is none of this name. */
struct usage *fleet_usage(struct fleet *f, const char *name);
const struct fleet_member *fleet_find(const struct fleet *f, const char *name);
void fleet_walk(const struct fleet *f, void (*told)(void *user, const struct fleet_member *m),
		void *user);

#endif
