/*
 * sim/run.h: one policy through one scene, and the figures of it.
 */
#ifndef TG_SIM_RUN_H
#define TG_SIM_RUN_H

#include <stdatomic.h>

#include "sim/elasticity.h"
#include "sim/policy.h"

/* A value. Costs are in hours of a backend. */
struct figures {
	uint64_t requests;
	uint64_t beyond;   /* the objective */
	uint64_t refused;  /* of these */
	double beyond_percent;
	double replica_hours; /* from asked for to gone */
	struct elasticity_figures elasticity;
	uint32_t changes;
	uint32_t reversals;
	double cost;
	double regret_percent; /* against the optimum; NAN: not known */
};

/* What a run asks of. */
struct run_ops {
	uint64_t (*interval_us)(void *user);
	/* Decides at the time of the world. Negative: as policy_tick(). */
	int (*decide)(void *user, struct world *w, uint32_t *ret_desired, struct err *err);
};

/* How far it is, for another thread to read. */
struct run_progress {
	_Atomic uint64_t us;       /* of the load */
	_Atomic uint64_t requests;
	atomic_bool is_cancelled;  /* set by the other: it ends soon, with -TG_EAGAIN */
};

/* `begin` backends are ready at first. -TG_ENOMEM, -TG_EIO, -TG_EAGAIN. `progress` may be NULL. */
TG_MUST_CHECK int run_scene(const struct scene *scene, const struct run_ops *ops, void *user,
			    uint32_t begin, struct run_progress *progress, struct figures *ret,
			    struct err *err);
/* The same of a policy: it begins with what the first step of the load needs. */
TG_MUST_CHECK int run_policy(const struct scene *scene, struct policy *policy,
			     struct run_progress *progress, struct figures *ret, struct err *err);

/* Hours of a backend that these cost. */
double run_cost(const struct scene *scene, double replica_hours, uint64_t beyond, uint32_t switches);

#endif
