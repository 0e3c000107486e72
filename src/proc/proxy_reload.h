/*
 * proc/proxy_reload.h: the proxy's part of a reload (ipc/msg.h).
 *
 *	          MSG_CONF, _EDIT    MSG_PREPARE           MSG_COMMIT
 *	  IDLE ------------> TOLD --------------> READY ---------------> CHANGING
 *	   ^                   | MSG_ABORT, or it   | MSG_ABORT              | every worker
 *	   |                   v cannot be built    v                        v has gone over
 *	   +-------------------+--------------------+------------------------+
 *
 * All that can fail is done by the time it is READY. Control thread only.
 */
#ifndef TG_PROC_PROXY_RELOAD_H
#define TG_PROC_PROXY_RELOAD_H

#include "proc/handed.h"
#include "proc/worker.h"

/* Storage is the caller's, who sets what is borrowed. */
struct proxy_reload {
	/* borrowed: */
	struct registry *registry;
	struct conf *const *present; /* what runs */
	struct contexts **contexts;  /* of these; changed when all have gone over */
	struct tickets *tickets;
	struct worker_thread *threads;
	unsigned n_threads;
	struct loop *loop;
	/* Every worker has gone over to `conf`, whose reference is handed over. */
	void (*on_changed)(struct proxy_reload *r, struct conf *conf);
	/* its own: */
	struct conf *conf; /* NULL: idle */
	bool *is_edited;   /* as struct edit has it; NULL: not known */
	struct contexts *next_contexts;
	struct registry_next *next;
	struct worker_change **changes; /* [n_threads]; NULL: not ready */
	struct handed sockets;
	unsigned n_changing; /* workers that have not gone over yet */
	bool is_bad; /* what was told so far cannot be built: */
	struct err why;
};

/* What is wrong with what these are told, proxy_reload_prepare() says. `fd` stays the caller's. */
void proxy_reload_conf(struct proxy_reload *r, int fd);
void proxy_reload_edit(struct proxy_reload *r, int fd);
/* Takes the descriptor of the message over. */
void proxy_reload_listen(struct proxy_reload *r, struct message *m);
/* On failure, reason in `err`, nothing is left. */
TG_MUST_CHECK int proxy_reload_prepare(struct proxy_reload *r, struct err *err);
/* -TG_EPROTO: it is not ready. */
TG_MUST_CHECK int proxy_reload_commit(struct proxy_reload *r);
/* Nothing is left of what is not committed. Idempotent. */
void proxy_reload_abort(struct proxy_reload *r);
/* Also of what workers that do not run any more have not finished. */
void proxy_reload_fini(struct proxy_reload *r);

#endif
