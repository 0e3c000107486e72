/*
 * provider/docker_priv.h: containers of one service, for the files that are the kind `docker`: docker.c, verbs;
 * docker_container.c and
 * docker_begin.c, the way of one; docker_sync.c, what nodes have; docker_leave.c, nodes that go; docker_pull.c, images;
 * docker_usage.c.
 */
#ifndef TG_PROVIDER_DOCKER_PRIV_H
#define TG_PROVIDER_DOCKER_PRIV_H

#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "provider/docker_create.h"
#include "provider/docker_node.h"
#include "provider/provider_priv.h"

#define TG_DOCKER_BACKENDS_MAX 4096u /* of a service */
#define TG_DOCKER_STRAYS_MAX   64u   /* removed at a time */
#define TG_DOCKER_LOOK_MS      5000u /* a look at what a node has, before nobody waits for it any more */
/* Of a node that has left: how long it may be down, or not list what it has, before it is given up, and how long after it has left a look has to be that
 * finds it empty: what was ordered of the daemon just before may have come later than one sooner. */
#define TG_DOCKER_LEAVE_MS 10000u

struct docker;
struct pull;

/* A node, as this service sees it. */
struct place {
	struct docker_user user;
	struct docker *all;
	bool is_listed;        /* once at least: what it has is known */
	unsigned sync_begun;   /* looks at what it has */
	unsigned sync_done;
	bool sync_again;       /* another one, when this one is done */
	struct call *listing;  /* of that look */
	struct mono listed_at; /* when it was asked for */
	bool is_sync_failed;
	struct timer patience; /* set while a look is waited for */
	bool is_mute;          /* a look took longer; until one succeeds */
	bool is_shared;        /* it has a container of another place, which was told */
	unsigned n_adopting;   /* containers it found, that are looked at */
	struct pull *pull;     /* of the image; NULL: none */
	unsigned n_stats;      /* requests under way */
	struct mono since;     /* of one that has left the configuration, user.is_leaving: it was joined */
	struct mono down_since; /* the same; unset: it can be asked */
	bool is_given_up;      /* the same: for too long, and nothing is waited for there */
};

/* What is under way with one container. */
enum docker_step {
	STEP_WAITING = 0,  /* for its node to be up */
	STEP_PULLING = 1,  /* for its image */
	STEP_CREATING = 2,
	STEP_CLAIMING = 3, /* its name was taken: by whom? */
	STEP_CLEARING = 4, /* by one of ours that had ended: that is removed */
	STEP_STARTING = 5,
	STEP_LOOKING = 6,  /* inspected */
	STEP_SETTLED = 7,  /* nothing */
	STEP_ASKING = 8,   /* it has ended: how? */
	STEP_READING = 9,  /* and its last line */
	STEP_STOPPING = 10,
	STEP_REMOVING = 11,
	DOCKER_STEP_COUNT
};

struct docker_waiter {
	STAILQ_ENTRY(docker_waiter) link;
	uint64_t token;
	bool is_stop;
};

struct docker_container {
	UT_hash_handle hh; /* by name */
	struct docker *all;
	struct place *place;
	struct instance instance; /* `why`: what is known of its end */
	char id[TG_DOCKER_ID];    /* "": not known yet */
	struct mono since;        /* its id is known */
	enum docker_step step;
	struct call *call;        /* of that step */
	struct timer kill;        /* set while it has its grace */
	uint64_t grace_ms;
	STAILQ_HEAD(, docker_waiter) waiters;
	enum docker_health health;
	unsigned seen;    /* in the look of this number */
	bool is_adopting; /* its place waits for it */
	bool is_told;     /* somebody knows of it */
	bool is_unwanted; /* to be stopped when its step is done */
	bool is_stop_due; /* in the next turn: a verb answers nothing itself */
	bool is_over;     /* its end was told */
	bool is_late;     /* its grace is over */
	bool has_died;    /* an event said so */
	bool has_pulled;
	bool has_cleared;
	int64_t exit_code;
	char cgroup[256];
	struct usage usage[2]; /* the reading before, and the last */
	uint64_t read_us;      /* of the last, by the daemon's clock */
	struct call *stats;
	struct mono stats_due;
};

/* One that was found and is nobody's; removed. */
struct stray {
	LIST_ENTRY(stray) link;
	struct docker *all;
	struct place *place;
	struct call *call;
};

/* An order that waits for looks at all places. */
struct docker_search {
	STAILQ_ENTRY(docker_search) link;
	uint64_t token;
	bool is_stop; /* of `name`; else the list */
	char name[TG_INSTANCE_NAME];
	uint64_t grace_ms;
	unsigned *needed; /* by place: the look that tells */
};

struct docker {
	struct provider *provider;
	char owner[TG_PROVIDER_RUN_MAX];
	struct place **places; /* those that have left the configuration are the last ones */
	size_t n_places;
	struct docker_container *containers;
	LIST_HEAD(, stray) strays;
	unsigned n_strays;
	STAILQ_HEAD(, docker_search) searches;
	bool is_begun;  /* somebody has asked for something: before that another one may be at it, and nothing is touched */
	bool is_ending; /* all are stopped, with: */
	uint64_t grace_ms;
	bool has_warned; /* of what the daemon cannot hold */
	struct timer usage_timer;
};

/*** docker_container.c ***/

struct docker_container *docker_find(const struct docker *all, const char *name);
/* NULL: no memory, or too many. */
struct docker_container *docker_container_new(struct docker *all, struct place *place,
					      const char *name);
/* -TG_ENOMEM. */
TG_MUST_CHECK int docker_container_wait(struct docker_container *c, uint64_t token, bool is_stop);
/* Its place is down, or cannot take a request. It may be gone with the return. */
void docker_container_lose(struct docker_container *c, const char *why);
/* On its way out. */
void docker_container_stop(struct docker_container *c, uint64_t grace_ms);
/* It has ended. */
void docker_container_died(struct docker_container *c);
/* It is not there any more. */
void docker_container_gone(struct docker_container *c, const char *why);
void docker_container_free(struct docker_container *c);
/* Its state, to whoever knows of it. */
void docker_container_tell(struct docker_container *c);
/* Answers those who wait for its stop, or for its start; and whether there are any. */
void docker_container_answer(struct docker_container *c, bool is_stop, int rc, const char *why);
bool docker_container_is_awaited(const struct docker_container *c, bool is_stop);
/* Its next step, with a request. False: its place cannot take it, and the container may be gone. */
bool docker_container_request(struct docker_container *c, enum docker_step step,
			      struct docker_order *order,
			      void (*ended)(void *user, const struct call_end *end));
/* The same of its id; with the last line. */
void docker_container_ask(struct docker_container *c, enum docker_step step, enum docker_verb verb,
			  void (*ended)(void *user, const struct call_end *end));
/* It never ran, or is to be taken for that; what there may be of it is removed. */
void docker_container_fail(struct docker_container *c, int rc, const char *why);
/* It is known now, to whoever waits for what its place has. */
void docker_container_adopted(struct docker_container *c);
/* By force. */
void docker_container_remove(struct docker_container *c);
/* With its grace. */
void docker_container_end(struct docker_container *c);
/* How it has ended, with its last line; then it is removed. `i` NULL: what an event said. */
void docker_container_explain(struct docker_container *c, const struct docker_inspected *i);

/*** docker_begin.c ***/

/* Its image is there, or is not to be had. */
void docker_container_pulled(struct docker_container *c, const char *why);
/* Looks at one that runs; found, or with news. */
void docker_container_look(struct docker_container *c);
/* Its place is up: one that waited goes on. */
void docker_container_go_on(struct docker_container *c);
/* On its way to run, as far as its place is up. */
void docker_container_begin(struct docker_container *c);
/* What was seen of it. */
void docker_container_take(struct docker_container *c, const struct docker_inspected *i);

/*** docker_sync.c ***/

/* Before all others of its place, and after. */
void docker_sync_start(struct place *place);
void docker_sync_stop(struct place *place);
/* Why nothing can be started there now; NULL: it can. */
const char *docker_place_why(const struct place *place);
/* Whether it is to tell yet what it has. */
bool docker_place_is_awaited(const struct place *place);
/* Looks at what a place has, that is up. */
void docker_sync(struct place *place);
/* One that a look found there is known now, or gone. */
void docker_adopted(struct place *place);
void docker_sync_lose(struct place *place);
/* Orders that wait. */
void docker_sync_free(struct docker *all);
/* Waits for looks at all places. -TG_ENOMEM. */
TG_MUST_CHECK int docker_search(struct docker *all, const struct docker_search *search);
/* Answers what can be. From the loop. */
void docker_search_answer(struct docker *all);

/* Its answer does not depend on this place any more, which is about to be gone. */
void docker_search_forget(struct docker *all, size_t place);
/* Whether a removal is under way there. */
bool docker_place_has_strays(const struct place *place);

/*** docker_leave.c ***/

/* Looks at those that have left: what is empty is let go, what does not answer given up. From the loop. */
void docker_leave(struct docker *all);
/* One that a node has which has left is `place`'s: the daemon has another name, or address, now. */
void docker_hand_over(struct docker_container *c, struct place *place);
/* The last word on what was to stop there and could not be. */
void docker_tell_left(const struct place *place);
/* The end of a place that nobody has any more. */
void docker_place_free(struct place *place);

/*** docker_pull.c ***/

/* Its image, for one that is in STEP_PULLING. Negative: it cannot begin. */
TG_MUST_CHECK int docker_pull(struct place *place, struct err *err);
void docker_pull_cancel(struct place *place);

/*** docker_usage.c ***/

void docker_usage_start(struct docker *all);
/* Where the kernel of this machine tells of it; "": nowhere. */
void docker_find_cgroup(int64_t pid, const char *id, char *ret, size_t size);
bool docker_usage(const struct docker_container *c, struct usage ret[2]);

#endif
