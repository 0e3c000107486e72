/*
 * sim/informed.h: what one would do who is told the rate of each step, and how rates follow on each other
 * in this load, but not what comes.
 *
 * Dynamic programming over backends running, the rate, and its level: the mean of the rates so far, the
 * newer the more. What comes next is the level times a ratio; ratios are those of the load itself, of
 * times of about as high a level. In a step with x requests a second, m backends running and the level l
 * before it
 *
 *	V(m, l, x) = until it is told of x, m
 *		+ least over s of
 *			a start delay with the lesser of m and s, paid as s, and the rest of the step with s, at
 *			first with what queued until then
 *			+ least over n, not below s, that are to be ready as the next step begins, of
 *				(n - s) * start delay + mean over ratios of V(n, l', l' * ratio)
 *
 * with l' the level that x makes of l, and costs as in sim/optimum.h. Who has no clock does not know when a
 * step ends, and has n = s.
 *
 * With a clock, and told at once, it is a bound: a rule that looks at the load knows less, but for a better
 * forecast than such a level. Told late and without a clock it is a yardstick: as if a rate were unknown
 * until then, and quite certain from then on.
 *
 * A step must hold two start delays, and the time until it is told. The plan is run like any policy, so
 * that its figures are of the same requests.
 */
#ifndef TG_SIM_INFORMED_H
#define TG_SIM_INFORMED_H

#include "sim/run.h"

#define TG_INFORMED_BACKENDS_MAX 256u

struct informed;

/* What is known. A value. */
struct informed_setup {
	double penalty;   /* which may be another than that of the scene */
	uint64_t late_us; /* told of a rate so long after its step began */
	bool has_clock;   /* knows when the next step begins */
};

/* `scene` outlives it. Freed with informed_free().
 * -TG_ENOMEM; -TG_EINVAL: steps are too short, or there are too few to learn from; -TG_ELIMIT. */
TG_MUST_CHECK int informed_new(const struct scene *scene, const struct informed_setup *setup,
			       struct informed **ret, struct err *err);
void informed_free(struct informed *f); /* NULL allowed */

/* A value: how many are to run in a step, and how many are to be ready as the next one begins. */
struct informed_choice {
	uint32_t during;
	uint32_t behind;
};
/* In a step of the load, with so many running as it begins. */
struct informed_choice informed_choose(struct informed *f, size_t step, uint32_t running);
/* The level before a step; the share of the newest rate in it. */
double informed_level(const struct informed *f, size_t step);
double informed_share(const struct informed *f);
/* As run_policy(). */
TG_MUST_CHECK int informed_run(struct informed *f, struct run_progress *progress,
			       struct figures *ret, struct err *err);

#endif
