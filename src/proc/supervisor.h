/*
 * proc/supervisor.h: the two children from their first start to the end.
 *
 * Per child:
 *
 *	            start                ready
 *	  DOWN ------------> STARTING ------------> UP
 *	   ^ ^                  |  death             |  death
 *	   | +---- back-off ----+--------------------+
 *	   |                    |  stop              |  stop
 *	   +------------- STOPPING <-----------------+
 *
 * A child that dies before it was ever ready ends the daemon: nothing proves
 * that starting it again would help. Later deaths are answered by a new start,
 * the first at once, then more and more slowly, while the sockets stay open and
 * the other child goes on. Stopping takes the proxy first, so that the keeper
 * still writes its last access records.
 *
 * Both are asked at an interval whether their loops turn (proc/pulse.h). One of which a loop has not for
 * hang_limit intervals is STOPPING too: it gets SIGABRT, so that a core tells where, then SIGKILL. A
 * process that stands still (SIGSTOP, a debugger) hangs. STARTING and STOPPING have limits of their own.
 */
#ifndef TG_PROC_SUPERVISOR_H
#define TG_PROC_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "ipc/channel.h"
#include "proc/child.h"
#include "proc/pulse.h"

enum child_state {
	CHILD_DOWN = 0,	    /* no process; the timer may wait for the next start */
	CHILD_STARTING = 1, /* runs; the timer waits for its READY */
	CHILD_UP = 2,
	CHILD_STOPPING = 3, /* was told to stop, or to abort; the timer waits for its end */
	CHILD_STATE_COUNT
};

struct supervisor;

struct child {
	struct supervisor *supervisor;
	enum child_role role;
	enum child_state state;
	pid_t pid;   /* 0: none */
	int channel; /* -1: none */
	struct watch watch;
	struct timer timer;
	struct mono started;
	struct pulse pulse;
	unsigned deaths; /* in a row, each soon after its start */
};

/* Storage is the caller's; supervisor_init() to supervisor_fini(). */
struct supervisor {
	struct loop *loop;
	const struct privileges *privileges;
	int program_fd;
	struct child_equipment equipment; /* but for the peer */
	int kept_fd; /* what is ordered, as the keeper said last; -1: nothing, or a file has it. Set by supervisor_init() */
	uint64_t ready_timeout_ms; /* a child that is not ready after this is taken for dead */
	uint64_t stop_margin_ms; /* a child may take this beyond its grace */
	uint64_t abort_ms; /* from SIGABRT to SIGKILL: what a core may take */
	uint64_t keeper_grace_ms; /* what the keeper's backends get to end; set before the stop */
	/* Both children were ready for the first time. Once. */
	void (*on_ready)(struct supervisor *s);
	/* A child was started again and is ready, or died: for the status line. */
	void (*on_change)(struct supervisor *s);
	/* Both children were ready, and the proxy accepts clients. Once. */
	void (*on_serving)(struct supervisor *s);
	/* The keeper takes no orders any more: the answer to supervisor_hold(). In `fd`, which stays ours, is
	 * what is ordered. */
	void (*on_held)(struct supervisor *s, int fd);
	/* An operator orders the end over a control socket. */
	void (*on_stop_ordered)(struct supervisor *s, uint64_t grace_ms);
	/* What others on the store have their seed of tickets of, as the keeper heard it. */
	void (*on_sealed)(struct supervisor *s, const struct msg_sealed *m);
	/* A child that is up sends what belongs to a reload; the descriptor stays ours. False: it is not the
	 * time for that, and the child breaks the rules. NULL: none may. */
	bool (*on_reload)(struct supervisor *s, enum child_role role, const struct message *m);
	/* What they do now may take long, and has a limit of its own: a reload, an upgrade. NULL: never. */
	bool (*is_busy)(struct supervisor *s);
	/* At each interval: whether both are up and all their loops turn. NULL allowed. */
	void (*on_pulse)(struct supervisor *s, bool is_well);
	/* A child has ended, and is not started again yet. NULL allowed. */
	void (*on_death)(struct supervisor *s, enum child_role role);
	struct child children[CHILD_ROLE_COUNT];
	struct timer pulse_timer;
	uint64_t interval_ms; /* of questions; 0: none are asked */
	unsigned hang_limit;  /* intervals; 0: asks, and ends nobody */
	bool was_ready;
	bool is_accepting; /* the proxy said so */
	bool was_serving;
	bool is_stopping;
	bool has_failed; /* a child ended other than by our order, or had to be killed */
	uint64_t grace_ms;
};

/* The caller sets everything up to the callbacks before. */
void supervisor_init(struct supervisor *s);
/* No child may be left. */
void supervisor_fini(struct supervisor *s);

/* Starts both. On failure (reason in `err`) none is left. */
TG_MUST_CHECK int supervisor_start(struct supervisor *s, struct err *err);
/* From now on asks each interval, from the first one that is over; `interval_ms` and `hang_limit` as above. */
void supervisor_watch(struct supervisor *s, uint64_t interval_ms, unsigned hang_limit);
/* Hands the access log file of `equipment.sockets`, opened anew, to the keeper. */
void supervisor_renew_log(struct supervisor *s);
/* Has the keeper keep still for a new parent's: it answers no control socket, takes no order and
 * writes no state until supervisor_resume(). False: there is no keeper that could hear it. */
bool supervisor_hold(struct supervisor *s);
void supervisor_resume(struct supervisor *s);
/* The channel to a child that is up; -1: it is not. */
int supervisor_channel(const struct supervisor *s, enum child_role role);
/* For what has come to be known since it was given its start: the channel to a child that starts or is
 * up; -1: there is none, or it ends. */
int supervisor_news_channel(const struct supervisor *s, enum child_role role);
/* Kills a child that cannot be gone on with; it is started again as after any death. */
void supervisor_condemn(struct supervisor *s, enum child_role role, const char *why);
/* SIGCHLD came. */
void supervisor_reap(struct supervisor *s);
/* Ends both gracefully, then stops the loop. Again: does nothing. */
void supervisor_stop(struct supervisor *s, uint64_t grace_ms);
/* Ends both at once, then stops the loop. Counts as failure. */
void supervisor_kill(struct supervisor *s);

/* A child died after `life_us`: how long until it is started again. A death now and then costs nothing, one after
 * the other slows down: 0, 100, 200, 400, 500, 500 ... ms. A life of ten seconds forgives what was before. */
uint64_t supervisor_restart_ms(unsigned *deaths, uint64_t life_us);

#endif
