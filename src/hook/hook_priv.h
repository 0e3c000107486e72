/*
 * hook/hook_priv.h: one hook, and the ways in which it is told.
 */
#ifndef TG_HOOK_HOOK_PRIV_H
#define TG_HOOK_HOOK_PRIV_H

#include <sys/queue.h>

#include "hook/hook.h"
#include "loop/process.h"

/* An event of one hook. */
struct delivery {
	STAILQ_ENTRY(delivery) link;
	size_t n;
	char body[]; /* with a NUL */
};

enum hook_state {
	HOOK_IDLE = 0,    /* nothing waits */
	HOOK_RUNNING = 1, /* the first of those that wait is under way */
	HOOK_RESTING = 2, /* it failed, and is tried again at the timer */
};

struct hook {
	struct hooks *all;
	struct conf *owner; /* a reference */
	const struct conf_hook *conf;
	const struct hook_way *way;
	void *own; /* of the way */
	STAILQ_HEAD(, delivery) waiting;
	unsigned n_waiting;
	unsigned tries; /* of the first, those that have ended */
	enum hook_state state;
	struct timer timer; /* RUNNING: its deadline; RESTING: the next try */
	struct deferred deferred;
	uint64_t sent;
	uint64_t failed;
	uint64_t dropped;
	uint64_t retries;
	bool is_dropping; /* since the last that had room */
	char error[TG_HOOK_WHY];
	struct wall error_at;
};

/* How one is told. */
struct hook_way {
	const char *name;
	/* Once; h->own is its own. Fails as hooks_new(). */
	int (*open)(struct hook *h, struct err *err);
	/* Once, h->own may be NULL. */
	void (*close)(struct hook *h);
	/* hook_ended() follows, from the loop and not inside this, unless it is cancelled. Negative: not now, `why` (of
	 * TG_HOOK_WHY) says it. */
	int (*start)(struct hook *h, const struct delivery *d, char *why);
	/* Its time is over. `why`, of TG_HOOK_WHY, may say more than that. */
	void (*cancel)(struct hook *h, char *why);
	/* Whom it tells, to `ret`. */
	void (*target)(const struct hook *h, char *ret, size_t size);
};

extern const struct hook_way hook_exec;
extern const struct hook_way hook_web;

struct hooks {
	struct loop *loop;
	struct resolver *resolver;
	struct process_pool *programs;
	struct hook **list;
	size_t n;
	char host[256]; /* of this machine */
	struct timer end;
	struct timer soon; /* to say that it is over */
	void (*ended)(void *user);
	void *user;
	bool is_ending;
};

/* A try is over. Not inside `start`. */
void hook_ended(struct hook *h, bool is_told, bool may_retry, const char *why);
/* What waits is begun where nothing is under way. */
void hook_go_on(struct hook *h);
/* NULL allowed. */
void hook_free(struct hook *h);
/* -TG_ENOMEM, or what `err` says. */
int hook_new(struct hooks *all, struct conf *owner, const struct conf_hook *conf, struct hook **ret,
	     struct err *err);

#endif
