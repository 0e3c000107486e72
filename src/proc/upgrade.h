/*
 * proc/upgrade.h: the parent's side of its replacement by a new one.
 *
 *	      start          it asks, keeper holds        it serves
 *	NONE --------> STARTING -----> ASKED -----> GIVEN ---------> DONE
 *	  ^               |              |            |
 *	  +--- it ended --+-- ENDING <---+------------+  refused, late, gone
 *
 * The new parent is our child and holds one end of a channel (ipc/msg.h, from
 * MSG_ASK on). Until it serves, nothing here has changed but that the keeper
 * holds; whatever fails, it is ended and we go on. Its other side is
 * proc/predecessor.h.
 */
#ifndef TG_PROC_UPGRADE_H
#define TG_PROC_UPGRADE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ipc/segment.h"
#include "loop/loop.h"
#include "proc/sockets.h"
#include "tls/ticket.h"

enum upgrade_state {
	UPGRADE_NONE = 0,
	UPGRADE_STARTING = 1, /* it runs and reads its configuration */
	UPGRADE_ASKED = 2,    /* it wants our sockets; our keeper is to hold */
	UPGRADE_GIVEN = 3,    /* it has them and starts its children */
	UPGRADE_ENDING = 4,   /* it failed; waits for its end */
	UPGRADE_DONE = 5,     /* it serves, and is nobody's child any more when we end */
	UPGRADE_STATE_COUNT
};

/* Storage is the caller's; upgrade_init() to upgrade_fini(). */
struct upgrade {
	struct loop *loop;
	const char *program; /* path of the program, as it is then */
	int program_fd;      /* the one that runs */
	const char *conf_path;
	const struct sockets *sockets;
	const struct segment *segment;
	unsigned timeout_ms; /* from its start until it serves */
	unsigned generation; /* processes of before that stay, with us; 0: none does */
	/* It has read its configuration: have the keeper hold, then upgrade_give(). */
	void (*on_asked)(struct upgrade *u);
	/* Its children accept clients: stop, without touching what it uses. */
	void (*on_serving)(struct upgrade *u);
	/* It served and has ended, as waitpid() says. */
	void (*on_ended)(struct upgrade *u, int status);
	/* It is gone, and this is why. */
	void (*on_failed)(struct upgrade *u, const char *why);
	enum upgrade_state state;
	pid_t pid;   /* 0: none */
	int channel; /* -1: none */
	struct watch watch;
	struct timer timer;
	char why[512]; /* it is ending; "": not known yet */
};

/* The caller sets everything up to the callbacks before. */
void upgrade_init(struct upgrade *u);
/* Ends a new parent that does not serve. */
void upgrade_fini(struct upgrade *u);

/* Starts the new parent, of the program that runs, or of what is at its path by now. -TG_EEXIST: one is starting already; or it cannot be started. */
TG_MUST_CHECK int upgrade_start(struct upgrade *u, bool is_same_program, struct err *err);
/* The keeper holds; in `state_fd`, which stays the caller's, is what is ordered, and to be logged `level`; NULL: as
 * configured. Tickets go on with `tickets`, cookies with the secrets that were made for `conf`. */
void upgrade_give(struct upgrade *u, int state_fd, const enum log_level *level,
		  const struct ticket_seed *tickets, const struct conf *conf);
/* Ends the new parent unless it serves; on_failed follows. */
void upgrade_abort(struct upgrade *u, const char *why);
/* SIGCHLD came. */
void upgrade_reap(struct upgrade *u);

/* From the start on until it serves or has ended. */
bool upgrade_is_running(const struct upgrade *u);

#endif
