/* autoscale/scaler_fewest.c: how few nodes would do, as another process says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/placement_priv.h"
#include "sched/solver.h"

struct fewest {
	struct solver *solver;
	struct scaler_fewest answer; /* of the last question */
};

struct fewest *
scaler_fewest_new(struct loop *loop)
{
	struct fewest *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->solver = solver_new(loop);
	if (f->solver != NULL)
		return f;
	free(f);
	return NULL;
}

void
scaler_fewest_free(struct fewest *f)
{
	if (f == NULL)
		return;
	solver_free(f->solver);
	free(f);
}

static void
on_answer(void *user, const struct solver_answer *answer)
{
	struct fewest *f = user;
	bool is_whole = answer->why == NULL;

	for (uint32_t i = 0; i < answer->n && is_whole; i++)
		is_whole = answer->nodes[i] != TG_SCHED_NOWHERE;
	f->answer = (struct scaler_fewest){
		.used = is_whole ? answer->used : 0,
		.bound = answer->bound,
		.took_ms = answer->took_ms,
	};
	if (answer->why != NULL)
		snprintf(f->answer.why, sizeof(f->answer.why), "%s", answer->why);
}

/* All that is on nodes that are open, taken away: what is closed stays as it is. NULL: no memory. */
static uint32_t *
take_all(struct placement *p, uint32_t *ret_n)
{
	uint32_t *demands;
	size_t n = 0;

	for (size_t i = 0; i < (size_t)p->cluster.n_nodes * p->cluster.n_groups; i++)
		n += p->counts[i];
	demands = calloc(n + 1, sizeof(*demands));
	*ret_n = 0;
	for (uint32_t node = 0; node < p->cluster.n_nodes && demands != NULL; node++) {
		if (p->nodes[node].closed != NULL)
			continue;
		for (uint32_t g = 0; g < p->cluster.n_groups; g++) {
			while (board_count(p->board, node, g) > 0) {
				board_take(p->board, g, node);
				demands[(*ret_n)++] = g;
			}
		}
	}
	return demands;
}

static int
ask(const struct scaler *s, const struct sched_by *by, uint32_t deadline_ms)
{
	struct placement *p = placement_new(s, true);
	uint32_t *demands;
	uint32_t n;
	int r = -TG_ENOMEM;

	if (p == NULL)
		return -TG_ENOMEM;
	demands = take_all(p, &n);
	if (demands != NULL)
		r = solver_ask(s->fewest->solver, p->board, by, demands, n, deadline_ms, on_answer,
			       s->fewest);
	free(demands);
	placement_free(p);
	return r;
}

int
scaler_ask_fewest(const struct scaler *s, const char *scheduler)
{
	struct tg_value values[TG_OPTIONS_MAX];
	const struct tg_scheduler *ops;
	struct sched_by by;
	int r = placement_by_name(scheduler, values, &by);

	if (r < 0)
		return r;
	ops = by.module->ops;
	if (ops->pack == NULL || ops->deadline_ms == NULL || ops->deadline_ms(values) == 0)
		return -TG_ENOTSUP;
	return ask(s, &by, ops->deadline_ms(values));
}

bool
scaler_fewest(const struct scaler *s, struct scaler_fewest *ret)
{
	if (solver_is_busy(s->fewest->solver))
		return false;
	*ret = s->fewest->answer;
	return true;
}
