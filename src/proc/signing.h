/*
 * proc/signing.h: the parent's side of the signer, where key_isolation is set: its life, its keys, and whom it signs for.
 *
 *	          start              keys are taken
 *	  DOWN ----------> (waited for) ----------> UP       death, or five questions without an answer: DOWN,
 *	   ^                                         |        and a new start, as of the other children
 *	   +-----------------------------------------+
 *
 * While it is down handshakes that need a signature fail, and are counted; connections that are open and sessions that are resumed do
 * not notice. It has its keys once it is the user of the proxy, and nobody can look into it. Each start gives a
 * new line to each worker there is; a worker whose line has ended alone asks for another, and has no signatures until it is there.
 */
#ifndef TG_PROC_SIGNING_H
#define TG_PROC_SIGNING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "proc/privileges.h"

struct supervisor;

/* Storage is the parent's; zeroed and signing_init(). */
struct signing {
	struct loop *loop;
	struct supervisor *supervisor; /* of the proxy */
	struct conf *const *conf;      /* that which runs */
	struct conf *next; /* that of the last signing_change(), counted; NULL: there was none */
	const struct privileges *privileges;
	int program_fd;
	pid_t pid;   /* 0: none */
	int channel; /* -1: none */
	struct watch watch;
	struct timer timer; /* the next question, or the next start */
	struct mono started;
	unsigned deaths;          /* in a row */
	unsigned n_unheard;       /* questions */
	_Atomic int64_t given_ns; /* lines that were asked for: base/throttle.h */
};

/* The caller has set all up to program_fd. */
void signing_init(struct signing *s);
/* Starts it, and waits until it has the keys. Nothing, where the configuration does not want it. */
TG_MUST_CHECK int signing_start(struct signing *s, struct err *err);
/* Ends it, at once: it has nothing to finish. */
void signing_stop(struct signing *s);
/* At SIGCHLD. */
void signing_reap(struct signing *s);
/* A new line for each worker of the proxy at the other end of `proxy`; nothing while there is no signer. -TG_EIO: the proxy does
 * not take messages. */
TG_MUST_CHECK int signing_connect(struct signing *s, int proxy);
/* The proxy at the other end of `proxy` has a worker without a line: another one. Nothing while there is no signer, which gives new
 * ones when it starts, nor beyond two a second for each worker. -TG_EPROTO: there is no such worker; -TG_EIO: as above. */
TG_MUST_CHECK int signing_give_line(struct signing *s, int proxy, uint32_t worker);
/* Before a proxy hears of `next`: its keys, and for a while those of before. Those of the present one again, where nothing came of
 * it. Waits for the answer, 2 s and what many keys take: a signer that gives none is ended, and started again. Nothing while there
 * is none: the next has them. -TG_EINVAL: it cannot use them; -TG_EIO. */
TG_MUST_CHECK int signing_change(struct signing *s, struct conf *next, struct err *err);

#endif
