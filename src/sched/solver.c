#include "sched/solver.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "loop/process.h"
#include "loop/process_work.h"

#define WHY_SIZE 128u

/* What comes through the pipe: this, then a node for each. */
struct head {
	uint32_t n;
	uint32_t used;
	double bound;
};

struct solver {
	struct loop *loop;
	struct process_pool *pool;
	struct process *process; /* NULL: none is under way */
	struct timer timer;      /* its deadline */
	struct mono asked;
	solver_cb *done;
	void *user;
	uint32_t n;
	uint32_t n_nodes;
};

/*** The other process ***/

struct job {
	struct board *board;
	const struct sched_by *by;
	const uint32_t *groups;
	uint32_t n;
	uint32_t deadline_ms;
	int32_t *nodes;
};

static int
work(void *user)
{
	struct job *job = user;
	int out = process_work_begin(job->deadline_ms);
	struct head head = {.n = job->n};

	if (out < 0)
		return 2;
	sched_pack(job->board, job->by, job->groups, job->n, job->nodes, &head.bound);
	head.used = board_count_used(job->board);
	return process_work_write(out, &head, sizeof(head)) &&
			       process_work_write(out, job->nodes, job->n * sizeof(job->nodes[0]))
		       ? 0
		       : 3;
}

/*** The answer ***/

static void
tell(struct solver *s, const struct solver_answer *answer)
{
	struct solver_answer told = *answer;

	told.took_ms = (uint64_t)(mono_diff_us(loop_now_update(s->loop), s->asked) / 1000);
	timer_clear(&s->timer);
	s->process = NULL;
	s->done(s->user, &told);
}

static bool
is_sound(const struct solver *s, const struct head *head, const int32_t *nodes)
{
	if (head->n != s->n || head->used > s->n_nodes)
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		if (nodes[i] < TG_SCHED_NOWHERE || nodes[i] >= (int32_t)s->n_nodes)
			return false;
	}
	return true;
}

static void
tell_answer(struct solver *s, const struct process_end *end)
{
	size_t n = s->n * sizeof(int32_t);
	struct solver_answer answer = {.why = "it answered nonsense", .n = s->n};
	int32_t *nodes = malloc(n + 1);
	struct head head;

	if (nodes != NULL && end->output_n == sizeof(head) + n) {
		memcpy(&head, end->output, sizeof(head));
		memcpy(nodes, end->output + sizeof(head), n);
		if (is_sound(s, &head, nodes))
			answer = (struct solver_answer){.nodes = nodes,
							.n = s->n,
							.used = head.used,
							.bound = head.bound};
	}
	tell(s, &answer);
	free(nodes);
}

static void
on_end(void *user, const struct process_end *end)
{
	struct solver *s = user;
	struct solver_answer answer = {.n = s->n};
	char why[WHY_SIZE];

	if (end->error == 0 && end->signal == 0 && end->status == 0) {
		tell_answer(s, end);
		return;
	}
	if (end->signal != 0)
		snprintf(why, sizeof(why), "it was ended by signal %d", end->signal);
	else
		snprintf(why, sizeof(why), "it ended with status %d", end->status);
	answer.why = why;
	tell(s, &answer);
}

static void
on_late(struct timer *t)
{
	struct solver *s = TG_CONTAINER(t, struct solver, timer);
	struct solver_answer answer = {.why = "it did not answer in time", .n = s->n};

	process_kill(&s->process);
	tell(s, &answer);
}

/*** The solver ***/

struct solver *
solver_new(struct loop *loop)
{
	struct solver *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	timer_init(&s->timer, on_late);
	s->pool = process_pool_new(loop, 1);
	if (s->pool != NULL)
		return s;
	free(s);
	return NULL;
}

void
solver_stop(struct solver *s)
{
	process_kill(&s->process);
	timer_clear(&s->timer);
}

void
solver_free(struct solver *s)
{
	if (s == NULL)
		return;
	solver_stop(s);
	timer_fini(&s->timer);
	process_pool_free(s->pool);
	free(s);
}

bool
solver_is_busy(const struct solver *s)
{
	return s->process != NULL;
}

int
solver_ask(struct solver *s, struct board *b, const struct sched_by *by, const uint32_t *groups,
	   uint32_t n, uint32_t deadline_ms, solver_cb *done, void *user)
{
	struct job job = {.board = b,
			  .by = by,
			  .groups = groups,
			  .n = n,
			  .deadline_ms = deadline_ms,
			  .nodes = calloc((size_t)n + 1, sizeof(*job.nodes))};
	const struct process_order order = {
		.input_fd = -1,
		.output_max = sizeof(struct head) + n * sizeof(int32_t) + 1,
		.has_errors = true,
		.end = on_end,
		.user = s,
		.work = work,
		.work_user = &job,
	};
	int r;

	if (job.nodes == NULL)
		return -TG_ENOMEM;
	s->done = done;
	s->user = user;
	s->n = n;
	s->n_nodes = board_cluster(b)->n_nodes;
	s->asked = loop_now_update(s->loop);
	r = s->process == NULL ? process_run(s->pool, &order, &s->process) : -TG_ELIMIT;
	free(job.nodes);
	if (r == 0)
		timer_set(s->loop, &s->timer, mono_add_ms(s->asked, deadline_ms));
	return r;
}
