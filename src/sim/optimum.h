/*
 * sim/optimum.h: what one would do who knows the rates of all the load.
 *
 * Dynamic programming over backends running, backends pending and time, a step of the load each. In a step r running
 * ones cost their time, and of the requests the share costs its penalty that waits too long in the steady state of
 * scene_tails(). What is to run next must have been asked for a start delay before; that time is paid for too. As
 * all that comes is known, what is pending is no choice of its own: it is what will run one start delay
 * later, and is ordered just then. So the state is r, and
 *
 *	V(i, r) = cost(i, r) + min over s of V(i-1, s) + up(r - s) or down(s - r)
 *
 * with up and down in proportion, which two passes find for all r at once: steps * backends in all. What the queue holds
 * from one step to the next is left out: it is seconds, by its deadline.
 *
 * Clairvoyant are the rates, not each request. The plan is then run like any policy, so that its figures are of the
 * same requests.
 */
#ifndef TG_SIM_OPTIMUM_H
#define TG_SIM_OPTIMUM_H

#include "sim/run.h"

#define TG_OPTIMUM_CELLS_MAX ((size_t)1 << 27)

struct optimum;

/* At this penalty, which may be another than that of the scene. `scene` outlives it. Freed with optimum_free().
 * -TG_ENOMEM; -TG_ELIMIT: too many steps times backends. */
TG_MUST_CHECK int optimum_new(const struct scene *scene, double penalty, struct optimum **ret,
			      struct err *err);
void optimum_free(struct optimum *o); /* NULL allowed */
/* How many run in each step of the load. */
const uint16_t *optimum_plan(const struct optimum *o);
/* What the plan costs by its model, in seconds of a backend. */
double optimum_planned_s(const struct optimum *o);
/* As run_policy(). */
TG_MUST_CHECK int optimum_run(struct optimum *o, struct run_progress *progress,
			      struct figures *ret, struct err *err);

#endif
