/*
 * autoscale/plan_process.h: plans of modules, made in a process of their own so that nothing waits for them.
 *
 * As with sched/solver.h: what is needed is copied with the process, the table comes through a pipe. One that crashes,
 * hangs or answers too little costs a plan, and the one before is used on. At most TG_PLAN_PROCESSES at a time, one
 * for each service.
 */
#ifndef TG_AUTOSCALE_PLAN_PROCESS_H
#define TG_AUTOSCALE_PLAN_PROCESS_H

#include "autoscale/planning.h"
#include "loop/loop.h"
#include "loop/process.h"

#define TG_PLAN_PROCESSES   2u
#define TG_PLAN_DEADLINE_MS 10000u

/* The plan of one service that is being made. Part of what owns it. */
struct plan_process {
	struct loop *loop;
	struct planning *planning;
	struct process *process; /* NULL: none */
	struct timer timer;      /* its deadline */
	/* It has come, or not: why; NULL: it has. From the loop. */
	void (*ended)(void *user, const char *why);
	void *user;
};

/* `loop` and `planning` outlive it. */
void plan_process_init(struct plan_process *p, struct loop *loop, struct planning *planning,
		       void (*ended)(void *user, const char *why), void *user);
void plan_process_fini(struct plan_process *p);
/* What planning_wants() said is wanted. The pool is full: it is asked for again later. */
void plan_process_start(struct plan_process *p, struct process_pool *pool, const struct tg_module *module);

#endif
