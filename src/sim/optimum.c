#include "sim/optimum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TICK_US UINT64_C(1000000)

struct optimum {
	const struct scene *scene;
	double penalty_s;
	double up_s;      /* of one more */
	double down_s;    /* of one fewer */
	uint32_t least;
	uint32_t most;
	uint16_t *plan;   /* of the load's steps */
	double planned_s;
};

/* What is needed while it is worked out. */
struct solving {
	struct optimum *o;
	uint32_t n;       /* numbers of backends looked at, from `least` on */
	double *value;    /* V of the step, by number */
	double *next;
	double *tails;    /* 0 to most */
	uint16_t *from;   /* [step * n + number]: the best one before */
};

static size_t
steps_of(const struct optimum *o)
{
	return o->scene->load.n;
}

static double
step_s(const struct optimum *o)
{
	return (double)o->scene->load.step_us / 1e6;
}

/* From below, adding; then from above, taking away. */
static void
move(struct solving *s, uint16_t *from)
{
	const struct optimum *o = s->o;

	for (uint32_t k = 0; k < s->n; k++) {
		s->next[k] = s->value[k];
		from[k] = (uint16_t)k;
		if (k > 0 && s->next[k - 1] + o->up_s < s->next[k]) {
			s->next[k] = s->next[k - 1] + o->up_s;
			from[k] = from[k - 1];
		}
	}
	for (uint32_t k = s->n - 1; k-- > 0;) {
		if (s->next[k + 1] + o->down_s < s->next[k]) {
			s->next[k] = s->next[k + 1] + o->down_s;
			from[k] = from[k + 1];
		}
	}
}

static void
pay(struct solving *s, size_t step)
{
	const struct optimum *o = s->o;
	double rate = o->scene->load.rates[step];
	bool is_same = step > 0 && rate == o->scene->load.rates[step - 1];

	if (!is_same)
		scene_tails(o->scene, rate, o->most, s->tails);
	for (uint32_t k = 0; k < s->n; k++) {
		uint32_t r = o->least + k;

		s->value[k] = s->next[k] + r * step_s(o) +
			      rate * step_s(o) * s->tails[r] * o->penalty_s;
	}
}

static void
trace_back(struct solving *s)
{
	struct optimum *o = s->o;
	uint32_t best = 0;

	for (uint32_t k = 1; k < s->n; k++)
		best = s->value[k] < s->value[best] ? k : best;
	o->planned_s = s->value[best];
	for (size_t i = steps_of(o); i-- > 0;) {
		o->plan[i] = (uint16_t)(o->least + best);
		best = s->from[i * s->n + best];
	}
}

/* The first step has what it wants, as all policies have what they need then. */
static void
solve(struct solving *s)
{
	memset(s->value, 0, s->n * sizeof(*s->value));
	for (size_t i = 0; i < steps_of(s->o); i++) {
		move(s, &s->from[i * s->n]);
		if (i == 0)
			memset(s->next, 0, s->n * sizeof(*s->next));
		pay(s, i);
	}
	trace_back(s);
}

static int
make_plan(struct optimum *o, struct err *err)
{
	struct solving s = {.o = o, .n = o->most - o->least + 1};
	int rc = 0;

	if (steps_of(o) > TG_OPTIMUM_CELLS_MAX / s.n)
		return err_set(err, TG_ELIMIT,
			       "the optimum of %zu steps and %u backends is too large; allowed: %zu of both "
			       "together: a shorter --span, or a smaller --scale",
			       steps_of(o), s.n, TG_OPTIMUM_CELLS_MAX);
	s.value = malloc(s.n * sizeof(*s.value));
	s.next = malloc(s.n * sizeof(*s.next));
	s.tails = malloc((o->most + 1) * sizeof(*s.tails));
	s.from = malloc(steps_of(o) * s.n * sizeof(*s.from));
	if (s.value == NULL || s.next == NULL || s.tails == NULL || s.from == NULL)
		rc = err_no_memory(err);
	else
		solve(&s);
	free(s.value);
	free(s.next);
	free(s.tails);
	free(s.from);
	return rc;
}

int
optimum_new(const struct scene *scene, double penalty, struct optimum **ret, struct err *err)
{
	struct optimum *o = calloc(1, sizeof(*o));
	int rc;

	if (o == NULL)
		return err_no_memory(err);
	o->scene = scene;
	o->penalty_s = penalty * (double)scene->world.service_us / 1e6 / scene->world.slots;
	o->up_s = (double)scene->world.start_us / 1e6 + scene->per_switch;
	o->down_s = (double)scene->world.service_us / 1e6 + scene->per_switch;
	o->least = scene->min;
	o->most = scene_enough(scene, workload_peak(&scene->load));
	o->most = o->most > o->least ? o->most : o->least;
	o->plan = malloc(scene->load.n * sizeof(*o->plan));
	rc = o->plan != NULL ? make_plan(o, err) : err_no_memory(err);
	if (rc < 0) {
		optimum_free(o);
		return rc;
	}
	*ret = o;
	return 0;
}

void
optimum_free(struct optimum *o)
{
	if (o == NULL)
		return;
	free(o->plan);
	free(o);
}

const uint16_t *
optimum_plan(const struct optimum *o)
{
	return o->plan;
}

double
optimum_planned_s(const struct optimum *o)
{
	return o->planned_s;
}

/*** The plan at work ***/

static uint64_t
ask_interval(void *user)
{
	(void)user;
	return TICK_US;
}

/* The most that is to run between now and when one would be ready that is asked for at the next look. */
static uint32_t
wanted(const struct optimum *o, uint64_t now_us)
{
	uint64_t step_us = o->scene->load.step_us;
	size_t i = (size_t)(now_us / step_us);
	size_t last = (size_t)((now_us + o->scene->world.start_us + TICK_US - 1) / step_us);
	uint32_t most = 0;

	for (; i <= last && i < steps_of(o); i++)
		most = o->plan[i] > most ? o->plan[i] : most;
	return most;
}

static int
ask_plan(void *user, struct world *w, uint32_t *ret_desired, struct err *err)
{
	struct optimum *o = user;

	(void)err;
	*ret_desired = wanted(o, world_now_us(w));
	return 0;
}

static const struct run_ops plan_ops = {
	.interval_us = ask_interval,
	.decide = ask_plan,
};

int
optimum_run(struct optimum *o, struct run_progress *progress, struct figures *ret, struct err *err)
{
	return run_scene(o->scene, &plan_ops, o, wanted(o, 0), progress, ret, err);
}
