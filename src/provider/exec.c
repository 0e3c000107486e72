/*
 * provider/exec.c: programs of the user's start, stop and list backends. One per name runs at a time, `concurrency`
 * of them in all; the others wait in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "loop/process.h"
#include "provider/exec_answer.h"
#include "provider/mark.h"
#include "provider/provider_priv.h"

/* Programs that were killed and are not gone yet, beyond those that run. */
#define DYING_MAX 16u
#define SWEEP_MS  1000u /* and the grace: the list that all is stopped by may take this */
#define AGAIN_MS  500u /* from a stop that failed to the next, when tidegate ends */

enum verb { VERB_LIST = 0, VERB_START = 1, VERB_STOP = 2, VERB_COUNT };

static const char *const verb_names[VERB_COUNT] = {"list", "start", "stop"};

struct programs;

/* One order, until its program has ended. */
struct job {
	TAILQ_ENTRY(job) link;
	struct programs *all;
	enum verb verb;
	bool has_token; /* else nobody waits for it: of stop_all */
	uint64_t token;
	char name[TG_INSTANCE_NAME]; /* "": list */
	uint64_t grace_ms;
	uint64_t epoch; /* when it was ordered */
	struct mono began;
	struct process *process; /* NULL: it waits */
	bool is_resting;         /* not to begin before its timer */
	struct timer deadline;
};

TAILQ_HEAD(job_list, job);

/* A backend as last told. */
struct known {
	LIST_ENTRY(known) link;
	struct instance instance;
	struct mono since;
};

struct programs {
	struct provider *provider;
	struct process_pool *pool;
	struct job_list waiting;
	struct job_list running;
	unsigned n_running;
	unsigned n_starts; /* waiting and running */
	LIST_HEAD(, known) known;
	unsigned n_known;
	bool is_ending;    /* stop_all was called */
	bool is_sweeping;  /* the list that it began with is not there yet */
	uint64_t grace_ms; /* of it */
	char *path;
	char **environment; /* the list is owned, and path in it */
};

/* what is known */

static struct known *
find_known(const struct programs *all, const char *name)
{
	struct known *k;

	LIST_FOREACH(k, &all->known, link)
		if (strcmp(k->instance.name, name) == 0)
			return k;
	return NULL;
}

static void
forget(struct programs *all, struct known *k)
{
	LIST_REMOVE(k, link);
	all->n_known--;
	free(k);
}

/* Without memory it is known from the next list on. */
static void
learn(struct programs *all, const struct instance *instance)
{
	struct known *k = find_known(all, instance->name);

	if (k == NULL) {
		k = calloc(1, sizeof(*k));
		if (k == NULL)
			return;
		LIST_INSERT_HEAD(&all->known, k, link);
		all->n_known++;
	}
	k->instance = *instance;
	k->since = loop_now(all->provider->loop);
}

static bool
is_listed(const char *name, const struct instance *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

static bool
has_stop_in(const struct job_list *jobs, const char *name)
{
	const struct job *j;

	TAILQ_FOREACH(j, jobs, link)
		if (j->verb == VERB_STOP && strcmp(j->name, name) == 0)
			return true;
	return false;
}

/* What was started while the list was made may not be in it, and what is being stopped is told by its stop. */
static void
learn_list(struct programs *all, const struct job *j, const struct instance *list, size_t n)
{
	struct known *k;
	struct known *next;

	for (k = LIST_FIRST(&all->known); k != NULL; k = next) {
		next = LIST_NEXT(k, link);
		if (k->since.us < j->began.us && !is_listed(k->instance.name, list, n) &&
		    !has_stop_in(&all->running, k->instance.name))
			forget(all, k);
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].state != TG_INSTANCE_ENDED)
			learn(all, &list[i]);
}

/* jobs */

static void on_deadline(struct timer *t);

static struct job *
job_new(struct programs *all, enum verb verb, const char *name)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->all = all;
	j->verb = verb;
	j->epoch = all->provider->epoch;
	snprintf(j->name, sizeof(j->name), "%s", name);
	timer_init(&j->deadline, on_deadline);
	TAILQ_INSERT_TAIL(&all->waiting, j, link);
	all->n_starts += verb == VERB_START;
	provider_soon(all->provider);
	return j;
}

static bool
is_sweep(const struct job *j)
{
	return j->verb == VERB_LIST && !j->has_token;
}

/* Of neither list any more. */
static void
job_free(struct job *j)
{
	process_kill(&j->process);
	timer_fini(&j->deadline);
	j->all->n_starts -= j->verb == VERB_START;
	if (is_sweep(j))
		j->all->is_sweeping = false;
	free(j);
}

/* Of neither list any more. When tidegate ends nobody else gives the order again. */
static void
stop_again(struct job *j, const char *why)
{
	const struct provider *p = j->all->provider;

	log_write(TG_LOG_WARN, "backend not stopped", "svc=%s srv=%s reason=%s", p->service->name,
		  j->name, why);
	process_kill(&j->process);
	j->has_token = false;
	j->is_resting = true;
	TAILQ_INSERT_TAIL(&j->all->waiting, j, link);
	timer_set(p->loop, &j->deadline, mono_add_ms(loop_now_update(p->loop), AGAIN_MS));
}

/* Frees it, and answers. */
static void
job_fail(struct job *j, int rc, const char *why)
{
	struct provider *p = j->all->provider;
	bool has_token = j->has_token;
	uint64_t token = j->token;

	if (rc < 0 && j->verb == VERB_STOP && j->all->is_ending)
		stop_again(j, why);
	else
		job_free(j);
	if (has_token)
		provider_answer(p, token, rc, why);
}

static void
leave_running(struct job *j)
{
	TAILQ_REMOVE(&j->all->running, j, link);
	j->all->n_running--;
	provider_soon(j->all->provider);
}

static void
on_deadline(struct timer *t)
{
	struct job *j = TG_CONTAINER(t, struct job, deadline);
	char why[TG_INSTANCE_WHY];

	if (j->is_resting) {
		j->is_resting = false;
		provider_soon(j->all->provider);
		return;
	}
	snprintf(why, sizeof(why), "the program that is to %s was killed: it took more than %llu ms",
		 verb_names[j->verb],
		 (unsigned long long)(mono_diff_us(loop_now(j->all->provider->loop), j->began) /
				      1000));
	leave_running(j);
	job_fail(j, -TG_EIO, why);
}

/* answers */

/* False: it did not do it, and `why` says why. */
static bool
has_succeeded(const struct job *j, const struct process_end *end, char *why, size_t size)
{
	const struct conf_provider *conf = j->all->provider->conf;
	const char *const paths[VERB_COUNT] = {conf->list[0], conf->start[0], conf->stop[0]};
	size_t n;

	if (end->error == 0 && end->signal == 0 && end->status == 0 && !end->is_cut)
		return true;
	if (end->error != 0)
		snprintf(why, size, "cannot execute %.120s: %s", paths[j->verb],
			 strerror(end->error));
	else if (end->signal != 0)
		snprintf(why, size, "%.120s: killed by signal %d", paths[j->verb], end->signal);
	else if (end->status != 0)
		snprintf(why, size, "%.120s: exit status %d", paths[j->verb], end->status);
	else
		snprintf(why, size, "%.120s: its answer is longer than %u bytes", paths[j->verb],
			 TG_EXEC_OUTPUT_MAX);
	if (end->error != 0 || end->errors_n == 0)
		return false;
	n = strlen(why);
	snprintf(why + n, size - n, "; it said: ");
	provider_quote(why, size, end->errors, end->errors_n);
	return false;
}

static void
stop_late(struct programs *all, const char *name)
{
	struct job *j = job_new(all, VERB_STOP, name);

	if (j != NULL)
		j->grace_ms = all->grace_ms;
}

static bool
has_stop(const struct programs *all, const char *name)
{
	return has_stop_in(&all->waiting, name) || has_stop_in(&all->running, name);
}

static void
stop_known(struct programs *all)
{
	const struct known *k;

	LIST_FOREACH(k, &all->known, link)
		if (!has_stop(all, k->instance.name))
			stop_late(all, k->instance.name);
}

static int
take_list(struct job *j, const struct process_end *end, struct err *err)
{
	struct programs *all = j->all;
	struct provider *p = all->provider;
	struct instance *list;
	uint64_t token = j->token;
	bool has_token = j->has_token;
	size_t n;
	int rc = exec_parse_list(end->output, end->output_n, &list, &n, err);

	if (rc < 0)
		return rc;
	learn_list(all, j, list, n);
	job_free(j);
	if (p->is_stopping)
		stop_known(all);
	if (has_token)
		provider_answer_list(p, token, list, n, false);
	free(list);
	return 0;
}

static int
take_start(struct job *j, const struct process_end *end, struct err *err)
{
	struct programs *all = j->all;
	struct provider *p = all->provider;
	struct instance instance = {.state = TG_INSTANCE_STARTING};
	uint64_t token = j->token;
	int rc = exec_parse_start(end->output, end->output_n, &instance.has_addr, &instance.addr,
				  err);

	if (rc < 0)
		return rc;
	if (instance.has_addr)
		instance.state = TG_INSTANCE_RUNNING;
	memcpy(instance.name, j->name, sizeof(instance.name));
	job_free(j);
	learn(all, &instance);
	provider_tell(p, &instance);
	provider_answer(p, token, 0, "");
	if (p->is_stopping)
		stop_late(all, instance.name);
	return 0;
}

static int
take_stop(struct job *j, const struct process_end *end, struct err *err)
{
	struct programs *all = j->all;
	struct instance instance = {.state = TG_INSTANCE_ENDED, .why = "stopped"};
	struct known *k = find_known(all, j->name);
	int rc = exec_parse_stop(end->output, end->output_n, err);

	if (rc < 0)
		return rc;
	if (k != NULL)
		forget(all, k);
	memcpy(instance.name, j->name, sizeof(instance.name));
	provider_tell(all->provider, &instance);
	job_fail(j, 0, "");
	return 0;
}

static void
on_end(void *user, const struct process_end *end)
{
	static int (*const take[VERB_COUNT])(struct job *j, const struct process_end *end,
					     struct err *err) = {take_list, take_start, take_stop};
	struct job *j = user;
	char why[TG_INSTANCE_WHY];
	struct err err;
	int rc;

	j->process = NULL; /* gone when this returns */
	leave_running(j);
	if (!has_succeeded(j, end, why, sizeof(why))) {
		job_fail(j, -TG_EIO, why);
		return;
	}
	rc = take[j->verb](j, end, &err);
	if (rc == 0)
		return; /* it is freed */
	snprintf(why, sizeof(why), "the program that is to %s: %.200s", verb_names[j->verb],
		 err.text);
	job_fail(j, rc, why);
}

/* running */

/* A file with the question. -1: errno. */
static int
open_question(const struct job *j)
{
	const struct exec_question q = {.verb = verb_names[j->verb],
					.run = j->all->provider->run,
					.service = j->all->provider->service->name,
					.name = j->verb != VERB_LIST ? j->name : NULL,
					.has_grace = j->verb == VERB_STOP,
					.grace_ms = j->grace_ms,
					.epoch = j->verb != VERB_LIST ? j->epoch : 0};
	size_t n;
	char *text = exec_question_text(&q, &n);
	int fd = text != NULL ? memfd_create("question", MFD_CLOEXEC) : -1;

	if (fd >= 0 && (write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		fd = -1;
	}
	free(text);
	return fd;
}

static char **
copy_argv(const struct job *j)
{
	const struct conf_provider *c = j->all->provider->conf;
	char *const *const argv[VERB_COUNT] = {c->list, c->start, c->stop};
	const size_t n[VERB_COUNT] = {c->n_list, c->n_start, c->n_stop};
	char **copy = calloc(n[j->verb] + 1, sizeof(copy[0]));

	if (copy != NULL)
		memcpy(copy, argv[j->verb], n[j->verb] * sizeof(copy[0]));
	return copy;
}

static int
run(struct job *j)
{
	struct process_order order = {
		.argv = copy_argv(j),
		.envp = j->all->environment,
		.input_fd = open_question(j),
		.output_max = TG_EXEC_OUTPUT_MAX,
		.has_errors = true,
		.end = on_end,
		.user = j,
	};
	int rc = -TG_ENOMEM;

	if (order.argv != NULL && order.input_fd >= 0)
		rc = process_run(j->all->pool, &order, &j->process);
	if (order.input_fd >= 0)
		close(order.input_fd);
	free((void *)order.argv);
	return rc;
}

/* Takes it from those that wait. */
static void
job_begin(struct job *j)
{
	struct programs *all = j->all;
	struct loop *loop = all->provider->loop;
	uint64_t timeout_ms = all->provider->conf->timeout_ms + j->grace_ms;
	int rc;

	if (is_sweep(j) && timeout_ms > all->grace_ms + SWEEP_MS)
		timeout_ms = all->grace_ms + SWEEP_MS;
	TAILQ_REMOVE(&all->waiting, j, link);
	j->began = loop_now_update(loop);
	rc = run(j);
	if (rc == 0) {
		TAILQ_INSERT_TAIL(&all->running, j, link);
		all->n_running++;
		timer_set(loop, &j->deadline, mono_add_ms(j->began, timeout_ms));
	} else if (rc == -TG_ELIMIT) {
		job_fail(j, rc, "too many programs that do not end");
	} else {
		job_fail(j, rc, rc == -TG_ENOMEM ? "no memory" : strerror(errno));
	}
}

static bool
is_running(const struct programs *all, const char *name)
{
	const struct job *j;

	TAILQ_FOREACH(j, &all->running, link)
		if (strcmp(j->name, name) == 0)
			return true;
	return false;
}

/* NULL: none may begin now. */
static struct job *
find_next(const struct programs *all)
{
	struct job *j;

	if (all->n_running >= all->provider->conf->concurrency)
		return NULL;
	TAILQ_FOREACH(j, &all->waiting, link)
		if (!j->is_resting && !is_running(all, j->name))
			return j;
	return NULL;
}

static void
exec_soon(struct provider *p)
{
	struct job *j;

	while ((j = find_next(p->own)) != NULL)
		job_begin(j);
}

/* verbs */

static int
add_job(struct provider *p, enum verb verb, uint64_t token, const char *name, uint64_t grace_ms)
{
	struct job *j = job_new(p->own, verb, name);

	if (j == NULL)
		return -TG_ENOMEM;
	j->has_token = true;
	j->token = token;
	j->grace_ms = grace_ms;
	return 0;
}

static int
exec_list(struct provider *p, uint64_t token)
{
	return add_job(p, VERB_LIST, token, "", 0);
}

static int
exec_start(struct provider *p, uint64_t token, const char *name, const char *node)
{
	(void)node;
	return add_job(p, VERB_START, token, name, 0);
}

static int
exec_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms)
{
	return add_job(p, VERB_STOP, token, name, grace_ms);
}

/* Starts that wait will not be. What there is no memory for now is not answered: the caller ends. */
static void
drop_starts(struct programs *all)
{
	struct job *j;
	struct job *next;

	for (j = TAILQ_FIRST(&all->waiting); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->verb != VERB_START || provider_answer_later(all->provider, j->token,
								   -TG_EAGAIN, "tidegate ends") < 0)
			continue;
		TAILQ_REMOVE(&all->waiting, j, link);
		job_free(j);
	}
}

/* A keeper that began a moment ago knows of none yet: there may be some of the one before. */
static void
exec_stop_all(struct provider *p, uint64_t grace_ms)
{
	struct programs *all = p->own;

	all->is_ending = true;
	all->grace_ms = grace_ms;
	drop_starts(all);
	all->is_sweeping = job_new(all, VERB_LIST, "") != NULL;
	stop_known(all);
}

static size_t
exec_count(const struct provider *p)
{
	const struct programs *all = p->own;

	return all->n_known + all->n_starts + all->is_sweeping;
}

/* open and close */

/* What is configured, PATH, and that what these programs start is theirs. False: no memory. */
static bool
make_environment(struct programs *all)
{
	const struct conf_provider *conf = all->provider->conf;
	static char own[] = "TIDEGATE_EXEC=1"; /* see proc/strangers.h */
	size_t n = conf->n_environment;

	all->environment = calloc(conf->n_environment + 3, sizeof(all->environment[0]));
	if (all->environment == NULL)
		return false;
	if (conf->n_environment > 0)
		memcpy(all->environment, conf->environment,
		       conf->n_environment * sizeof(all->environment[0]));
	all->environment[n++] = own;
	/* The last of a name is not the one that counts everywhere: ours only without another. */
	if (!mark_has_path(conf->environment, conf->n_environment)) {
		if (asprintf(&all->path, "PATH=%s", process_path()) < 0)
			return false;
		all->environment[n] = all->path;
	}
	return true;
}

static int
exec_open(struct provider *p, struct err *err)
{
	struct programs *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return err_no_memory(err);
	p->own = all;
	all->provider = p;
	all->grace_ms = p->conf->stop_grace_ms;
	TAILQ_INIT(&all->waiting);
	TAILQ_INIT(&all->running);
	LIST_INIT(&all->known);
	all->pool = process_pool_new(p->loop, p->conf->concurrency + DYING_MAX);
	if (all->pool == NULL || !make_environment(all))
		return err_no_memory(err);
	return 0;
}

static void
free_jobs(struct job_list *list)
{
	struct job *j;

	while ((j = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, j, link);
		job_free(j);
	}
}

static void
exec_close(struct provider *p)
{
	struct programs *all = p->own;
	struct known *k;

	if (all == NULL)
		return;
	free_jobs(&all->waiting);
	free_jobs(&all->running);
	process_pool_free(all->pool);
	while ((k = LIST_FIRST(&all->known)) != NULL)
		forget(all, k);
	free(all->path);
	free((void *)all->environment);
	free(all);
}

/* Programs are asked by all alike. */
static bool
exec_is_shared(const struct provider *p)
{
	(void)p;
	return true;
}

const struct provider_ops provider_exec = {
	.name = "exec",
	.can = TG_PROVIDER_ADOPTS,
	.open = exec_open,
	.close = exec_close,
	.list = exec_list,
	.start = exec_start,
	.stop = exec_stop,
	.soon = exec_soon,
	.stop_all = exec_stop_all,
	.count = exec_count,
	.is_shared = exec_is_shared,
};
