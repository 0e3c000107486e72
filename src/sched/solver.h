/*
 * sched/solver.h: pack() of a scheduler that takes its time, in a process of its own.
 *
 * What is to be packed is copied with the process; its answer comes through a pipe and is checked here: a solver that
 * crashes, hangs or answers nonsense costs an answer, and no more. One question at a time.
 */
#ifndef TG_SCHED_SOLVER_H
#define TG_SCHED_SOLVER_H

#include "loop/loop.h"
#include "sched/sched.h"

/* A value; pointers are valid inside the callback. */
struct solver_answer {
	const char *why;      /* why there is none; NULL: there is */
	const int32_t *nodes; /* where each is to be; TG_SCHED_NOWHERE */
	uint32_t n;
	uint32_t used;        /* nodes in use then */
	double bound;         /* at least so many must be; NAN: not known */
	uint64_t took_ms;
};
/* From the loop, once, unless the solver is freed or stopped before. */
typedef void solver_cb(void *user, const struct solver_answer *answer);

struct solver;

/* Owned by the caller; `loop` outlives it. NULL: no memory. */
struct solver *solver_new(struct loop *loop);
void solver_free(struct solver *s); /* NULL allowed */
/* The board, and what `by` has, are needed during the call only; the board stays as it is. -TG_ELIMIT: one is under way;
 * -TG_ENOMEM; -TG_EIO: no process. */
TG_MUST_CHECK int solver_ask(struct solver *s, struct board *b, const struct sched_by *by,
			     const uint32_t *groups, uint32_t n, uint32_t deadline_ms,
			     solver_cb *done, void *user);
/* Nobody wants to know any more. */
void solver_stop(struct solver *s);
bool solver_is_busy(const struct solver *s);

#endif
