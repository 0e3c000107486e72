#include "sim/trials.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/informed.h"
#include "sim/optimum.h"

/*** The list ***/

static struct trial *
next_trial(struct trials *t, struct err *err)
{
	if (t->n == TG_TRIALS_MAX) {
		err_set(err, TG_ELIMIT, "more than %u runs", TG_TRIALS_MAX);
		return NULL;
	}
	return &t->list[t->n++];
}

static void
prepare(struct trial *trial, const struct scene *scene, const char *module, const char *presets)
{
	trial->spec = (struct policy_spec){
		.module = module,
		.settings = trial->settings,
		.presets = presets,
		.concurrency = scene->world.slots,
		.min = scene->min,
		.max = scene->max,
	};
}

void
trials_init(struct trials *t, const struct scene *scene)
{
	struct trial *first = &t->list[0];

	memset(t, 0, sizeof(*t));
	t->scene = scene;
	t->n = 1;
	first->name = "optimum";
	first->penalty = scene->penalty;
}

int
trials_add_module(struct trials *t, const char *module, const char *const *settings, FILE *log,
		  struct err *err)
{
	struct trial *trial = next_trial(t, err);
	size_t n = 0;

	if (trial == NULL)
		return -TG_ELIMIT;
	trial->name = module;
	trial->log = log;
	for (; settings[n] != NULL && n < TG_POLICY_SETTINGS_MAX; n++) {
		size_t at = strlen(trial->target);

		trial->settings[n] = settings[n];
		snprintf(trial->target + at, sizeof(trial->target) - at, "%s%s", n > 0 ? " " : "",
			 settings[n]);
	}
	prepare(trial, t->scene, module, contender_presets(module));
	return 0;
}

static int
add_target(struct trials *t, const struct contender *c, const char *value, struct err *err)
{
	struct trial *trial = next_trial(t, err);
	double number = strtod(value, NULL);

	if (trial == NULL)
		return -TG_ELIMIT;
	if (c->is_per_slot)
		number *= t->scene->world.slots;
	trial->name = c->name;
	trial->of = c;
	trial->penalty = number;
	snprintf(trial->target, sizeof(trial->target), "%s=%g", c->key, number);
	trial->settings[0] = c->module != NULL ? trial->target : NULL;
	prepare(trial, t->scene, c->module, c->presets);
	return 0;
}

static bool
has_contender(const struct trials *t, const struct contender *c)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->list[i].of == c)
			return true;
	}
	return false;
}

int
trials_add(struct trials *t, const char *name, struct err *err)
{
	char names[256] = "all";
	size_t n = strlen(names);
	bool is_all = strcmp(name, "all") == 0;
	bool is_found = is_all;
	int rc = 0;

	for (const struct contender *c = contenders; c->name != NULL && rc == 0; c++) {
		if (n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, ", %s", c->name);
		if (is_all ? c->knows != KNOWS_ALL : strcmp(name, c->name) != 0)
			continue;
		is_found = true;
		if (has_contender(t, c))
			return err_set(err, TG_EINVAL, "--compare: \"%s\" is there twice; allowed: each once, \"all\" has it too",
				       c->name);
		for (size_t i = 0; rc == 0 && c->values[i] != NULL; i++)
			rc = add_target(t, c, c->values[i], err);
	}
	if (!is_found)
		return err_set(err, TG_ENOENT, "--compare: \"%.64s\" is not known; allowed: %s", name, names);
	return rc;
}

/*** Running ***/

struct running {
	struct trials *t;
	pthread_mutex_t lock;
	pthread_cond_t is_done;
	size_t next;
	size_t done;
	int rc;          /* of the first that failed */
	struct err err;
};

static int
run_plan(const struct trials *t, struct trial *trial, struct err *err)
{
	struct optimum *o;
	int rc = optimum_new(t->scene, trial->penalty, &o, err);

	if (rc < 0)
		return rc;
	rc = optimum_run(o, &trial->progress, &trial->figures, err);
	optimum_free(o);
	return rc;
}

static int
run_informed(const struct trials *t, struct trial *trial, struct err *err)
{
	bool is_late = trial->of->knows == KNOWS_LATE;
	const struct informed_setup setup = {
		.penalty = trial->penalty,
		.late_us = is_late ? t->scene->notice_us : 0,
		.has_clock = !is_late,
	};
	struct informed *f;
	int rc = informed_new(t->scene, &setup, &f, err);

	if (rc < 0)
		return rc;
	rc = informed_run(f, &trial->progress, &trial->figures, err);
	informed_free(f);
	return rc;
}

static int
run_module(const struct trials *t, struct trial *trial, struct err *err)
{
	struct policy *p;
	int rc = policy_new(&trial->spec, &p, err);

	if (rc < 0)
		return rc;
	policy_log(p, trial->log);
	rc = run_policy(t->scene, p, &trial->progress, &trial->figures, err);
	policy_free(p);
	return rc;
}

static int
run_trial(const struct trials *t, struct trial *trial, struct err *err)
{
	if (trial->spec.module != NULL)
		return run_module(t, trial, err);
	if (trial->of != NULL && trial->of->knows != KNOWS_ALL)
		return run_informed(t, trial, err);
	return run_plan(t, trial, err);
}

static void
cancel(struct trials *t)
{
	for (size_t i = 0; i < t->n; i++)
		atomic_store_explicit(&t->list[i].progress.is_cancelled, true, memory_order_relaxed);
}

static void
note(struct running *r, int rc, const struct err *err)
{
	r->done++;
	if (rc < 0 && r->rc == 0) {
		r->rc = rc;
		r->err = *err;
		r->next = r->t->n;
		cancel(r->t);
	}
	pthread_cond_signal(&r->is_done);
}

static void *
work(void *user)
{
	struct running *r = user;

	pthread_mutex_lock(&r->lock);
	while (r->next < r->t->n) {
		struct trial *trial = &r->t->list[r->next++];
		struct err err = {.text = ""};
		int rc;

		pthread_mutex_unlock(&r->lock);
		rc = run_trial(r->t, trial, &err);
		pthread_mutex_lock(&r->lock);
		note(r, rc, &err);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void
tell(const struct running *r)
{
	uint64_t us = 0;
	uint64_t requests = 0;
	double all = (double)workload_us(&r->t->scene->load) * (double)r->t->n;

	for (size_t i = 0; i < r->t->n; i++) {
		us += atomic_load_explicit(&r->t->list[i].progress.us, memory_order_relaxed);
		requests += atomic_load_explicit(&r->t->list[i].progress.requests, memory_order_relaxed);
	}
	fprintf(stderr, "\r%3.0f %%, %zu of %zu runs done, %.1f million requests ",
		100 * (double)us / all, r->done, r->t->n, (double)requests / 1e6);
}

static void
wait_for_all(struct running *r, size_t n_threads, bool is_telling)
{
	size_t all = r->t->n;

	pthread_mutex_lock(&r->lock);
	while (n_threads > 0 && r->done < all && r->rc == 0) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (pthread_cond_timedwait(&r->is_done, &r->lock, &until) == ETIMEDOUT && is_telling)
			tell(r);
	}
	if (is_telling)
		fputs("\r\033[K", stderr);
	pthread_mutex_unlock(&r->lock);
}

static void
take_regrets(struct trials *t)
{
	double best = t->list[t->reference].figures.cost;

	for (size_t i = 0; i < t->n; i++) {
		struct figures *f = &t->list[i].figures;

		f->regret_percent = best > 0 ? 100 * (f->cost / best - 1) : NAN;
	}
}

int
trials_run(struct trials *t, uint32_t jobs, bool is_telling, struct err *err)
{
	struct running r = {.t = t,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .is_done = PTHREAD_COND_INITIALIZER};
	pthread_t threads[TG_TRIALS_MAX];
	size_t n = 0;

	if (jobs > t->n)
		jobs = (uint32_t)t->n;
	while (n < jobs && pthread_create(&threads[n], NULL, work, &r) == 0)
		n++;
	if (n == 0)
		return err_set_errno(err, "no thread to run in");
	wait_for_all(&r, n, is_telling);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (r.rc < 0) {
		*err = r.err;
		return r.rc;
	}
	take_regrets(t);
	return 0;
}
