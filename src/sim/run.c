#include "sim/run.h"

#include <math.h>

struct run {
	const struct scene *scene;
	struct world *world;
	struct elasticity elasticity;
	uint32_t desired;
	uint32_t switches; /* starts and stops that were ordered */
	int direction;     /* of the last change */
	uint32_t changes;
	uint32_t reversals;
};

static void
on_ready_changed(void *user, uint64_t now_us, uint32_t ready)
{
	struct run *r = user;

	elasticity_advance(&r->elasticity, now_us);
	elasticity_supply(&r->elasticity, ready);
}

double
run_cost(const struct scene *scene, double replica_hours, uint64_t beyond, uint32_t switches)
{
	return replica_hours + (double)beyond * scene_penalty_s(scene) / 3600 +
	       switches * scene->per_switch / 3600;
}

static void
take_figures(const struct run *r, struct figures *ret)
{
	const struct world_counts *c = world_counts(r->world);
	uint64_t alive_us = replicas_alive_us(world_replicas(r->world), world_now_us(r->world));

	*ret = (struct figures){
		.requests = c->requests,
		.beyond = c->beyond,
		.refused = c->refused,
		.beyond_percent = c->requests > 0 ? 100 * (double)c->beyond / (double)c->requests : 0,
		.replica_hours = (double)alive_us / 3.6e9,
		.elasticity = elasticity_figures(&r->elasticity),
		.changes = r->changes,
		.reversals = r->reversals,
		.regret_percent = NAN,
	};
	ret->cost = run_cost(r->scene, ret->replica_hours, ret->beyond, r->switches);
}

static void
scale(struct run *r, uint32_t desired)
{
	int direction = desired > r->desired ? 1 : -1;

	if (desired != r->desired) {
		r->changes++;
		r->reversals += r->direction == -direction;
		r->direction = direction;
	}
	r->switches += desired > r->desired ? desired - r->desired : r->desired - desired;
	r->desired = desired;
	world_scale(r->world, desired);
}

static bool
note_progress(const struct run *r, struct run_progress *p)
{
	if (p == NULL)
		return true;
	atomic_store_explicit(&p->us, world_now_us(r->world), memory_order_relaxed);
	atomic_store_explicit(&p->requests, world_counts(r->world)->requests, memory_order_relaxed);
	return !atomic_load_explicit(&p->is_cancelled, memory_order_relaxed);
}

/* From tick to tick. */
static int
run_all(struct run *r, const struct run_ops *ops, void *user, struct run_progress *progress,
	struct err *err)
{
	uint64_t end_us = workload_us(&r->scene->load);
	uint64_t interval_us = ops->interval_us(user);
	uint64_t at_us = 0;
	int rc = 0;

	while (rc == 0 && at_us < end_us) {
		uint32_t desired;

		world_run(r->world, at_us);
		if (world_is_broken(r->world))
			return err_no_memory(err);
		if (!note_progress(r, progress))
			return err_set(err, TG_EAGAIN, "it was ended");
		rc = ops->decide(user, r->world, &desired, err);
		if (rc == 0)
			scale(r, desired);
		at_us += interval_us;
	}
	world_run(r->world, end_us);
	elasticity_advance(&r->elasticity, end_us);
	(void)note_progress(r, progress);
	return rc;
}

int
run_scene(const struct scene *scene, const struct run_ops *ops, void *user, uint32_t begin,
	  struct run_progress *progress, struct figures *ret, struct err *err)
{
	struct run r = {.scene = scene, .desired = begin};
	int rc;

	r.world = world_new(&scene->world, &scene->load, begin);
	if (r.world == NULL)
		return err_no_memory(err);
	elasticity_init(&r.elasticity, scene, begin);
	world_watch(r.world, on_ready_changed, &r);
	rc = run_all(&r, ops, user, progress, err);
	if (rc == 0)
		take_figures(&r, ret);
	world_free(r.world);
	return rc;
}

/*** A policy ***/

static uint64_t
ask_interval(void *user)
{
	return policy_interval_us(user);
}

static int
ask_policy(void *user, struct world *w, uint32_t *ret_desired, struct err *err)
{
	return policy_tick(user, w, ret_desired, err);
}

static const struct run_ops policy_ops = {
	.interval_us = ask_interval,
	.decide = ask_policy,
};

static uint32_t
begin_of(const struct scene *scene, const struct policy *policy)
{
	uint32_t n = scene->need[0];

	if (n < policy_min(policy))
		n = policy_min(policy);
	return n < policy_max(policy) ? n : policy_max(policy);
}

int
run_policy(const struct scene *scene, struct policy *policy, struct run_progress *progress,
	   struct figures *ret, struct err *err)
{
	uint32_t begin = begin_of(scene, policy);
	int rc;

	policy_begin(policy, begin);
	rc = run_scene(scene, &policy_ops, policy, begin, progress, ret, err);
	if (rc < 0)
		return rc;
	ret->changes = policy_changes(policy);
	ret->reversals = policy_reversals(policy);
	return 0;
}
