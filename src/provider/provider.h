/*
 * provider/provider.h: who starts and stops backends.
 *
 * One provider per service that has one, in the keeper, which it never blocks: an order is
 * given with a token, and what came of it is told later, from the loop, once. Orders are
 * idempotent: to start what runs, or to stop what is gone, succeeds. The caller lists from time to time and
 * compares: an answer that was lost heals itself that way.
 *
 * Instances are known by their name, which the caller gives and the provider keeps
 * wherever its backends live (environment, label), so that those of a keeper that
 * died are found again. doc/internals/providers.md tells how the kinds that are to come fit.
 */
#ifndef TG_PROVIDER_PROVIDER_H
#define TG_PROVIDER_PROVIDER_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "sample/usage.h"

#define TG_INSTANCE_NAME 64u
#define TG_INSTANCE_WHY  256u
#define TG_PROVIDER_ORDERS_MAX 4096u /* taken and not answered yet */
#define TG_PROVIDER_RUN_MAX    1024u /* bytes of `run` */

enum instance_state {
	TG_INSTANCE_STARTING = 0, /* it has no address yet */
	TG_INSTANCE_RUNNING = 1,
	TG_INSTANCE_STOPPING = 2,
	TG_INSTANCE_ENDED = 3,    /* and `why` says how; gone from the next list on */
	TG_INSTANCE_STATE_COUNT
};

/* One backend as its provider sees it. A value; text is valid inside the callback. */
struct instance {
	char name[TG_INSTANCE_NAME];
	char node[TG_NODE_NAME]; /* where it is; "": of a kind that has one place */
	enum instance_state state;
	bool has_addr;
	struct addr addr;          /* where it takes connections */
	char why[TG_INSTANCE_WHY]; /* "": nothing to say */
	struct usage_place place;  /* where its usage is read; both 0: not known */
	bool is_ill;               /* it runs, and its platform says that it does not work */
	bool is_leaving;           /* it is on a node that is not configured any more */
};

/* What came of an order. A value. */
struct provider_answer {
	uint64_t token;
	int rc; /* 0, or -TG_E...: what and why in `why` */
	const char *why;
	/* of provider_list() that succeeded: */
	const struct instance *instances;
	size_t n_instances;
	bool is_partial; /* of a node that is down nothing is known: what is missing may be there */
};

struct provider_events {
	/* Once per order that was taken, never inside the call that gave it; neither closes the provider. */
	void (*answered)(void *user, const struct provider_answer *answer);
	/* An instance is in another state, whoever caused it; before the answer of the order that did. */
	void (*changed)(void *user, const struct instance *instance);
	/* Whether steps of an order that was taken before may go on, by the clock of this moment: asked before each that
	 * changes something outside, of kinds that need several. NULL: always. */
	bool (*may_act)(void *user);
};

/* What a kind can do beyond the four verbs. */
#define TG_PROVIDER_ADOPTS (1u << 0) /* finds instances of a keeper that died */
#define TG_PROVIDER_EVENTS (1u << 1) /* calls changed() by itself; else only lists tell */
#define TG_PROVIDER_USAGE  (1u << 2) /* its instances have a place */

struct provider;

/* What the providers of a keeper share: connections to daemons. `resolver` is asked for hosts of nodes, and outlives
 * it; NULL: no node has a name. Owned by the caller, and outlives them. NULL: no memory. */
struct providers *providers_new(struct loop *loop, struct resolver *resolver);
void providers_free(struct providers *all); /* NULL allowed */

/* NULL when the service has none, with *ret_rc 0. `run` tells this daemon from others on one machine, and is the same
 * after a crash of its keeper, a restart and an upgrade: conf->origin. `conf`, which has nodes and the service, and
 * `events` outlive it. Instances of a keeper before it are found, and told by list.
 * -TG_ENOMEM, -TG_EINVAL, -TG_EIO. */
TG_MUST_CHECK int provider_open(struct providers *all, const struct conf *conf,
				const struct conf_service *service,
				const char *run, const struct provider_events *events, void *user,
				struct provider **ret, struct err *err);
/* What is under way is never answered. Instances that are left go on, for who comes after. NULL allowed. */
void provider_close(struct provider *p);

/* Tidegate ends: no start is taken any more, and all instances are asked to stop, and ended after
 * `grace_ms`. changed() tells of each; the end is when provider_count() is 0. */
void provider_stop_all(struct provider *p, uint64_t grace_ms);
/* Instances that are not gone, as far as it knows, and orders that may make one. */
size_t provider_count(const struct provider *p);

/* As configured in `type`, and TG_PROVIDER_x. */
const char *provider_kind(const struct provider *p);
unsigned provider_can(const struct provider *p);

/* Whether what it starts is there for other tidegates too: else they can neither list nor stop it. */
bool provider_is_shared(const struct provider *p);
/* In whose name orders are given from now on, which kinds that can hand it on; 0: there is nobody else. */
void provider_set_epoch(struct provider *p, uint64_t epoch);

/* What is known of a node beyond its configuration. */
struct provider_node {
	const char *why;       /* nothing can be started there; until the next turn. NULL: it answered when it was asked last */
	uint32_t cpu_permille; /* processors it has in all; 0: not told yet */
	uint64_t memory;       /* bytes, the same */
	uint32_t orphans;      /* containers there that are of our owner, and that nobody has */
	bool is_away;          /* it does not answer, or does not tell what it has */
	bool is_doubted;       /* whether it answers is being asked, as provider_doubt_node() has it */
};
/* Whether its backends are on nodes; else it has one place. */
bool provider_has_nodes(const struct provider *p);
/* False: a kind that has one place, or no such node. */
bool provider_node(const struct provider *p, const char *name, struct provider_node *ret);

/* The same of a node that is not configured any more, and of which what is there is known, and can be stopped, still. False:
 * there is none of this name. */
bool provider_left_node(const struct provider *p, const char *name, struct provider_node *ret);

/* What is there seems not to work: whether the node answers is asked now, not when it is due. */
void provider_doubt_node(struct provider *p, const char *name);

/* What an instance used, as it was told: the reading before, and the last. False: that is not told, read it at its
 * place. */
bool provider_usage(const struct provider *p, const char *name, struct usage ret[2]);

/*
 * The verbs. -TG_ELIMIT: too much is under way, ask again later; -TG_ENOMEM; -TG_EINVAL: no good name; else answered()
 * follows. Names: letters, digits, '-', '_' and '.', not first; shorter than TG_INSTANCE_NAME.
 */
TG_MUST_CHECK int provider_list(struct provider *p, uint64_t token);
/* All that a backend is started with is in the configuration; its name and where it is to be are the caller's:
 * `node` is the name of one that is configured, "" for kinds that have one place, which are not asked. Answered when it runs, which
 * does not say that it takes connections. -TG_EAGAIN in the answer: one of this name is stopping. */
TG_MUST_CHECK int provider_start(struct provider *p, uint64_t token, const char *name,
				 const char *node);
/* Asks it to end, and ends it after `grace_ms`. Answered when it is gone. */
TG_MUST_CHECK int provider_stop(struct provider *p, uint64_t token, const char *name,
				uint64_t grace_ms);

#endif
