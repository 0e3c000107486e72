/*
 * proc/reconf.h: orders to change the configuration while it is in use.
 *
 * One transaction (proc/reload.h) at a time. Who wants the file read anew meanwhile is told
 * so, but for SIGHUP, which nobody waits for: it is done again after. Backends to be added
 * or deleted wait, at most TG_RECONF_QUEUE, and go all together into the next transaction; what is
 * wrong with one is its own affair.
 */
#ifndef TG_PROC_RECONF_H
#define TG_PROC_RECONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/reload_order.h"
#include "proc/certificate_edit.h"
#include "proc/replies.h"
#include "proc/next.h"
#include "proc/reload.h"
#include "proc/supervisor.h"

#define TG_RECONF_QUEUE TG_RELOAD_EDIT_MAX

struct reconf_order;

/* Storage is the caller's; reconf_init() to reconf_fini(). */
struct reconf {
	struct loop *loop;
	struct supervisor *supervisor; /* its equipment follows the configuration */
	struct present now;
	struct segment *segment; /* what is counted goes to its slot 0 */
	const char *conf_path;
	unsigned timeout_ms;
	/* Why there can be no change now; NULL: there can. */
	const char *(*why_not)(struct reconf *r);
	/* That is because of what is about to end: orders of backends wait for reconf_go_on(). */
	bool (*is_starting)(struct reconf *r);
	/* now.conf is another one: what the parent itself does by it. */
	void (*on_changed)(struct reconf *r);
	/* The file is one that only other processes can take over: they are started, and reconf_replaced() tells
	 * what came of it. Negative: they cannot be. */
	int (*replace)(struct reconf *r, struct err *err);
	/* An operator orders an upgrade: it is begun, and reconf_upgraded() tells what came of it. Negative: not. */
	int (*upgrade)(struct reconf *r, struct err *err);
	/* The file is being read anew, for the service manager; and that is over, unless other processes have
	 * taken over and say so themselves. */
	void (*on_begun)(struct reconf *r);
	void (*on_ended)(struct reconf *r, bool is_done);
	struct reload reload;
	struct next next;
	bool is_of_file;   /* the transaction under way: the file read anew, not orders */
	uint32_t caller;   /* of it; 0: SIGHUP */
	bool is_due_again; /* SIGHUP came meanwhile */
	struct certificate_edit certificate; /* that an operator has set and not committed yet */
	bool is_renewal;   /* the transaction under way is of certificates, beside is_of_file */
	bool is_log_level_edited; /* by that file */
	bool is_replacing; /* other processes are to take it over, as `difference` tells */
	uint32_t upgrader; /* who ordered the upgrade under way; 0: nobody who waits */
	struct next_difference difference;
	char *notes;       /* of what the file made impossible, for the answer; NULL: none */
	struct reconf_order *batch; /* in the transaction under way */
	size_t n_batch;
	struct reconf_order *queue;
	size_t n_queue;
	struct replies replies;
	bool is_over;
};

/* The caller sets everything up to the callbacks before. */
void reconf_init(struct reconf *r);
void reconf_fini(struct reconf *r); /* zeroed is allowed */

/* SIGHUP. */
void reconf_read_file(struct reconf *r);
/* All that was being started is there. */
void reconf_go_on(struct reconf *r);
/* Certificates are to be read anew, and nothing else. False: not now. */
TG_MUST_CHECK bool reconf_renew(struct reconf *r);
/* What a child sends of it (supervisor.h), and its end. */
bool reconf_on_message(struct reconf *r, enum child_role role, const struct message *m);
void reconf_on_death(struct reconf *r, enum child_role role);
/* Other processes start, that read the file anew. */
bool reconf_is_replacing(const struct reconf *r);
/* The same, and what is configured to be logged is not edited. */
bool reconf_keeps_log_level(const struct reconf *r);
/* They serve (`why` NULL), and ours are to end; or they are gone, and nothing has changed. True: they are to read the
 * file once more. */
TG_MUST_CHECK bool reconf_replaced(struct reconf *r, const char *why);
/* An upgrade has served (`why` NULL), or failed; whoever ordered it. */
void reconf_upgraded(struct reconf *r, const char *why);
/* From the first order to the end of the last transaction. */
bool reconf_is_busy(const struct reconf *r);
/* The daemon stops. */
void reconf_stop(struct reconf *r, const char *why);

#endif
