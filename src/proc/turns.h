/*
 * proc/turns.h: whether the loop of each worker still turns, for the parent, who asks at an interval
 * (proc/pulse.h). Costs a worker one call from outside an interval, and nothing else.
 */
#ifndef TG_PROC_TURNS_H
#define TG_PROC_TURNS_H

#include "ipc/msg.h"
#include "loop/loop.h"
#include "proc/worker.h"

struct turn;

/* Storage is the caller's, zeroed; of the control thread. */
struct turns {
	struct loop *loop; /* control's; another one only while no question is on its way */
	struct turn *turns; /* of each worker */
	unsigned n;
};

/* `threads` outlive it. -TG_ENOMEM. */
TG_MUST_CHECK int turns_init(struct turns *t, struct loop *control, struct worker_thread *threads,
			     unsigned n_threads);
/* When workers are joined, and control's loop is gone. */
void turns_fini(struct turns *t);

/* Asks each worker that has answered before. *ret tells of the one that owes its answer for the longest. */
void turns_ask(struct turns *t, struct msg_pong *ret);

#endif
