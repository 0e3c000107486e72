/*
 * acme/acme_priv.h: one certificate by ACME.
 */
#ifndef TG_ACME_ACME_PRIV_H
#define TG_ACME_ACME_PRIV_H

#include "acme/acme.h"
#include "acme/board.h"
#include "loop/process.h"

struct acme_order {
	struct acme *all;
	struct conf *owner; /* a reference */
	const struct conf_acme *conf;
	unsigned index; /* in `all` */
	enum acme_state state;
	bool is_ordered; /* by an operator, not begun yet */
	struct acme_facts facts;
	uint64_t mark_before;    /* of the certificate when the run began */
	struct process *process; /* RUNNING */
	struct mono began;       /* of the state */
	struct mono run_began;
	struct mono loaded; /* LOADING: asked for last */
	struct mono next;   /* RESTING */
	unsigned failures;  /* in a row */
	char why[TG_ACME_WHY];
	int folder_error; /* errno: that of challenges cannot be read */
	char error[TG_ACME_WHY];
	struct wall error_at;
	struct wall done_at;
	uint64_t done;
	uint64_t failed;
};

struct acme {
	struct loop *loop;
	const struct acme_ops *ops;
	void *user;
	struct process_pool *programs;
	struct acme_order *list[TG_ACME_MAX];
	size_t n;
	struct acme_board board;
	bool is_awaited_elsewhere;
	bool was_awaited; /* as it was told last */
	bool is_holding;
	struct mono not_before; /* unset: no matter */
	struct timer look;      /* at the folders of what runs */
};

/* run.c */

/* Negative: it could not be started, `why` (of TG_ACME_WHY) says it. Else order_ended() follows. */
TG_MUST_CHECK int order_start(struct acme_order *o, char *why);

/* acme.c */

/* The program is gone. `why` "": it ended with status 0. */
void order_ended(struct acme_order *o, const char *why);

#endif
