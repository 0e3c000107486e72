#include "autoscale/plan_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "loop/process_work.h"

/*** The other process ***/

struct job {
	const struct tg_module *module;
	const double *numbers;
	uint32_t n;
};

static int
work(void *user)
{
	const struct job *job = user;
	int out = process_work_begin(TG_PLAN_DEADLINE_MS);
	size_t bytes;
	void *table;

	if (out < 0)
		return 2;
	table = plan_table(job->module, job->numbers, job->n, &bytes);
	return table != NULL && process_work_write(out, table, bytes) ? 0 : 3;
}

/*** This one ***/

/* `table`: taken over, or NULL. */
static void
end(struct plan_process *p, void *table, const char *why)
{
	timer_clear(&p->timer);
	p->process = NULL;
	planning_take(p->planning, &table);
	free(table);
	p->ended(p->user, why);
}

static void
on_end(void *user, const struct process_end *e)
{
	struct plan_process *p = user;
	size_t bytes = planning_bytes(p->planning);
	char why[64] = "it answered too little";
	void *table = NULL;

	if (e->signal != 0)
		snprintf(why, sizeof(why), "it was ended by signal %d", e->signal);
	else if (e->error != 0 || e->status != 0)
		snprintf(why, sizeof(why), "it ended with status %d", e->status);
	else if (e->output_n == bytes && bytes > 0)
		table = malloc(bytes);
	if (table != NULL)
		memcpy(table, e->output, bytes);
	end(p, table, table != NULL ? NULL : why);
}

static void
on_late(struct timer *t)
{
	struct plan_process *p = TG_CONTAINER(t, struct plan_process, timer);

	process_kill(&p->process);
	end(p, NULL, "it did not answer in time");
}

void
plan_process_init(struct plan_process *p, struct loop *loop, struct planning *planning,
		  void (*ended)(void *user, const char *why), void *user)
{
	*p = (struct plan_process){.loop = loop, .planning = planning, .ended = ended, .user = user};
	timer_init(&p->timer, on_late);
}

void
plan_process_fini(struct plan_process *p)
{
	if (p->loop == NULL)
		return;
	process_kill(&p->process);
	timer_clear(&p->timer);
	timer_fini(&p->timer);
}

void
plan_process_start(struct plan_process *p, struct process_pool *pool, const struct tg_module *module)
{
	struct job job = {.module = module};
	const struct process_order order = {
		.input_fd = -1,
		.output_max = planning_bytes(p->planning) + 1,
		.has_errors = true,
		.end = on_end,
		.user = p,
		.work = work,
		.work_user = &job,
	};
	void *none = NULL;

	if (p->process != NULL)
		return;
	job.numbers = planning_numbers(p->planning, &job.n);
	if (process_run(pool, &order, &p->process) < 0)
		planning_take(p->planning, &none);
	else
		timer_set(p->loop, &p->timer,
			  mono_add_ms(loop_now_update(p->loop), TG_PLAN_DEADLINE_MS));
}
