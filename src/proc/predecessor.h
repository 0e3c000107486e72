/*
 * proc/predecessor.h: the parent whose place this one takes: the new side of an
 * upgrade, see proc/upgrade.h.
 *
 * Until it says MSG_YOURS it may end us at any time and go on; when it is gone
 * before, we end too.
 */
#ifndef TG_PROC_PREDECESSOR_H
#define TG_PROC_PREDECESSOR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "proc/inherited.h"
#include "tls/ticket.h"

struct predecessor {
	int channel; /* -1: there is none */
	int segment_fd; /* where it counts; -1: it did not say */
	int state_fd;   /* what is ordered; the same */
	struct ticket_seed tickets; /* hour 0: it did not say */
	struct conf *conf; /* ours, read anew and nobody else's: what secrets were made for it are replaced by its own */
	bool has_log_level; /* an operator ordered one that is to last: */
	enum log_level log_level;
	struct loop *loop;
	struct watch watch;
	/* All is ours. */
	void (*on_yours)(struct predecessor *p);
	/* It is gone without a word. */
	void (*on_gone)(struct predecessor *p);
};

/* Whether the other end of the channel is the process that started us, as the same user. */
TG_MUST_CHECK int predecessor_check(int channel, struct err *err);
/* Waits for all its sockets. Those of which the kernel says other things are closed, with a
 * warning. -TG_EPROTO. */
TG_MUST_CHECK int predecessor_ask(struct predecessor *p, struct inherited *in, struct err *err);
/* Our children serve: one of the callbacks follows. -TG_EIO. */
TG_MUST_CHECK int predecessor_tell_serving(struct predecessor *p, struct loop *loop);
/* Closes the two, when they have been read. */
void predecessor_close_files(struct predecessor *p);
/* Why we end instead. */
void predecessor_refuse(int channel, const char *reason);
void predecessor_fini(struct predecessor *p);

#endif
