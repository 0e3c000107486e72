/*
 * proc/reload.h: both children go over to another configuration, or neither does.
 *
 *	       start            both can            proxy did            keeper did
 *	IDLE --------> PREPARING --------> COMMITTING --------> COMMITTING --------> IDLE
 *	 ^                |                  _PROXY               _KEEPER
 *	 |                | one cannot, late, died
 *	 +-- answers ---- ABORTING
 *
 * The way from PREPARING to COMMITTING_PROXY is the decision: before it everything is as it was,
 * after it the configuration is the next one whatever happens. A child that dies then is started again
 * with it; one that does not go over in time is killed for that.
 *
 * A child answers each MSG_PREPARE once, also when MSG_ABORT crosses its answer or comes before
 * it: ABORTING waits for those, as nothing else tells an answer from that to the
 * next question.
 */
#ifndef TG_PROC_RELOAD_H
#define TG_PROC_RELOAD_H

#include <stdbool.h>

#include "ipc/msg.h"
#include "loop/loop.h"
#include "proc/child.h"

enum reload_state {
	RELOAD_IDLE = 0,
	RELOAD_PREPARING = 1,
	RELOAD_ABORTING = 2,
	RELOAD_COMMITTING_PROXY = 3,
	RELOAD_COMMITTING_KEEPER = 4,
	RELOAD_STATE_COUNT
};

struct reload_child {
	bool is_asked; /* MSG_PREPARE was sent */
	bool owes_prepared;
	bool owes_committed;
	bool is_new; /* started after the decision: has the configuration already */
};

/* Storage is the caller's; reload_init() to reload_fini(). */
struct reload {
	struct loop *loop;
	unsigned timeout_ms; /* for each answer */
	/* Sends a child all up to MSG_PREPARE; false: it is gone, which reload_on_death() tells later. */
	bool (*prepare)(struct reload *r, enum child_role role);
	/* Sends MSG_COMMIT or MSG_ABORT; false likewise. */
	bool (*tell)(struct reload *r, enum child_role role, enum msg_type type);
	/* The decision: who starts from now on starts with the next. */
	void (*on_decided)(struct reload *r);
	/* No worker uses anything of the one before any more. */
	void (*on_proxy_over)(struct reload *r);
	/* One of these ends each; on_idle() follows, when another may be started. */
	void (*on_done)(struct reload *r);
	void (*on_failed)(struct reload *r, const char *why);
	void (*on_idle)(struct reload *r);
	/* A child does not go over: kill it. */
	void (*on_stuck)(struct reload *r, enum child_role role);
	enum reload_state state;
	struct timer timer;
	struct reload_child children[CHILD_ROLE_COUNT];
};

/* The caller sets everything up to the callbacks before. */
void reload_init(struct reload *r);
void reload_fini(struct reload *r); /* zeroed is allowed */

/* From the start to on_done() or on_failed(), and until another may start. */
bool reload_is_running(const struct reload *r);
/* Both children are up and none is running. May call on_failed() at once. */
void reload_start(struct reload *r);
/* Answers of the children; false: they were not asked. */
bool reload_on_prepared(struct reload *r, enum child_role role, const struct msg_prepared *m);
bool reload_on_committed(struct reload *r, enum child_role role);
void reload_on_death(struct reload *r, enum child_role role);
/* It is stopping: aborts what is not decided; of the rest, what is left to tell is told, and nothing
 * waited for. */
void reload_cut(struct reload *r, const char *why);

#endif
