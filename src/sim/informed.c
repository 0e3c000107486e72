#include "sim/informed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TICK_US   UINT64_C(1000000)
#define LEVELS    32u  /* of the grid, on which the root is even */
#define RATIOS    40u  /* of a kind of level, each as likely */
#define KINDS     8u   /* of levels, each of as many steps */
#define STEPS_MIN 120u
#define SWEEPS    60u

static const double shares[] = {1, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05};

/* A step that was followed. */
struct pair {
	double level;
	double ratio;
};

struct informed {
	const struct scene *scene;
	struct informed_setup setup;
	double penalty_s;
	double step_s;
	double late_s;
	double start_s;
	double stop_s;   /* what one fewer costs */
	double share;    /* of the newest rate in the level */
	double most;     /* the highest level of the grid */
	uint32_t n;      /* 0 to n - 1 backends */
	double *levels;  /* before each step of the load */
	double *worth;   /* [level][n]: of so many ready as a step begins */
	double *value;   /* the same, of the sweep under way */
	double *tails;   /* [level][ratio][n] */
	double ends[KINDS]; /* the highest level of each kind */
	double ratios[KINDS][RATIOS];
	/* Of one choice, by number of backends. */
	double *beyond;  /* a second of the step */
	double *ahead;   /* least cost with so many during the step, from a start delay after it was told on */
	uint32_t *behind;
	/* While it runs. */
	size_t step;
	struct informed_choice choice;
};

/*** What follows on what ***/

static double
next_level(double level, double rate, double share)
{
	return level + share * (rate - level);
}

/* What is known before the first step. */
static double
mean_rate(const struct workload *load)
{
	double sum = 0;

	for (size_t i = 0; i < load->n; i++)
		sum += load->rates[i];
	return sum / (double)load->n;
}

/* Mean square of what the next rate is off the level. */
static double
error_of(const struct workload *load, double share)
{
	double level = mean_rate(load);
	double sum = 0;

	for (size_t i = 1; i < load->n; i++) {
		double off = load->rates[i] - level;

		sum += off * off;
		level = next_level(level, load->rates[i], share);
	}
	return sum;
}

static double
best_share(const struct workload *load)
{
	double best = shares[0];
	double least = INFINITY;

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double error = error_of(load, shares[i]);

		if (error < least) {
			least = error;
			best = shares[i];
		}
	}
	return best;
}

static void
fill_levels(struct informed *f)
{
	const double *rates = f->scene->load.rates;
	double level = mean_rate(&f->scene->load);

	for (size_t i = 0; i < f->scene->load.n; i++) {
		f->levels[i] = level;
		f->most = level > f->most ? level : f->most;
		level = next_level(level, rates[i], f->share);
	}
}

static int
by_ratio(const void *a, const void *b)
{
	const struct pair *x = a;
	const struct pair *y = b;

	return (x->ratio > y->ratio) - (x->ratio < y->ratio);
}

static int
by_level(const void *a, const void *b)
{
	const struct pair *x = a;
	const struct pair *y = b;

	return x->level != y->level ? (x->level > y->level) - (x->level < y->level) : by_ratio(a, b);
}

/* The mean of each of RATIOS parts, from the least to the greatest. */
static void
take_ratios(struct pair *pairs, size_t n, double *ret)
{
	qsort(pairs, n, sizeof(*pairs), by_ratio);
	for (size_t r = 0; r < RATIOS; r++) {
		size_t from = r * n / RATIOS;
		size_t end = (r + 1) * n / RATIOS;
		double sum = 0;

		end = end > from ? end : from + 1;
		for (size_t i = from; i < end; i++)
			sum += pairs[i].ratio;
		ret[r] = sum / (double)(end - from);
	}
}

static int
learn(struct informed *f, struct err *err)
{
	const struct workload *load = &f->scene->load;
	struct pair *pairs = malloc(load->n * sizeof(*pairs));
	size_t n = 0;

	if (pairs == NULL)
		return err_no_memory(err);
	for (size_t i = 1; i < load->n; i++) {
		if (f->levels[i] > 0)
			pairs[n++] = (struct pair){f->levels[i], load->rates[i] / f->levels[i]};
	}
	if (n < STEPS_MIN) {
		free(pairs);
		return err_set(err, TG_EINVAL, "informed: %zu steps to learn from; allowed: %u or more", n,
			       STEPS_MIN);
	}
	qsort(pairs, n, sizeof(*pairs), by_level);
	for (size_t k = 0; k < KINDS; k++) {
		size_t from = k * n / KINDS;
		size_t end = (k + 1) * n / KINDS;

		f->ends[k] = pairs[end - 1].level;
		take_ratios(pairs + from, end - from, f->ratios[k]);
	}
	free(pairs);
	return 0;
}

static const double *
ratios_at(const struct informed *f, double level)
{
	unsigned k = 0;

	while (k + 1 < KINDS && level > f->ends[k])
		k++;
	return f->ratios[k];
}

/*** Backwards in time ***/

static double
grid_level(const struct informed *f, unsigned i)
{
	double at = (double)i / (LEVELS - 1);

	return f->most * at * at;
}

/* Between two levels of the grid in proportion. */
static void
worth_at(const struct informed *f, double level, double *ret)
{
	double at = level > 0 && f->most > 0 ? sqrt(level / f->most) * (LEVELS - 1) : 0;
	unsigned i = at < LEVELS - 2 ? (unsigned)at : LEVELS - 2;
	double low = grid_level(f, i);
	double high = grid_level(f, i + 1);
	double share = high > low ? (level - low) / (high - low) : 0;

	share = share < 0 ? 0 : share > 1 ? 1 : share;
	for (uint32_t k = 0; k < f->n; k++)
		ret[k] = (1 - share) * f->worth[i * f->n + k] + share * f->worth[(i + 1) * f->n + k];
}

static void
fill_beyond(struct informed *f, double rate, const double *tails)
{
	for (uint32_t k = 0; k < f->n; k++)
		f->beyond[k] = rate * tails[k] * f->penalty_s;
}

/* From above: with so many during the step, how many more by its end. */
static void
fill_ahead(struct informed *f, double level)
{
	double more = f->start_s + f->scene->per_switch;
	double rest_s = f->step_s - f->late_s - f->start_s;
	double best = INFINITY;
	uint32_t at = 0;

	worth_at(f, level, f->ahead);
	for (uint32_t k = f->n; k-- > 0;) {
		best += more;
		if (!f->setup.has_clock || f->ahead[k] <= best) {
			best = f->ahead[k];
			at = k;
		}
		f->behind[k] = at;
		f->ahead[k] = best + rest_s * (k + f->beyond[k]) + f->start_s * k;
	}
}

/* What is queued while `running` are too few, when `s` serve: requests that wait too long until it is short again. */
static double
beyond_behind(const struct informed *f, double rate, uint32_t running, uint32_t s)
{
	const struct world_setup *w = &f->scene->world;
	double per_backend = w->slots / ((double)w->service_us / 1e6);
	double rest_s = f->step_s - f->late_s - f->start_s;
	double queued = (rate - running * per_backend) * (f->late_s + f->start_s);
	double drained = s * per_backend - rate;
	double until_s;

	if (s <= running || queued <= 0 || drained <= 0)
		return 0;
	queued = fmin(fmin(queued, w->queue), running * per_backend * (double)w->queue_timeout_us / 1e6);
	until_s = (queued - s * per_backend * (double)w->objective_us / 1e6) / drained;
	return f->penalty_s * rate * fmax(fmin(until_s, rest_s), 0);
}

/* With `running` at its begin: more, which serve a start delay later, or fewer at once. */
static double
best_during(const struct informed *f, double rate, uint32_t running, uint32_t *ret)
{
	double best = INFINITY;

	for (uint32_t s = f->scene->min; s < f->n; s++) {
		double cost = f->ahead[s] + f->start_s * f->beyond[s < running ? s : running] +
			      beyond_behind(f, rate, running, s) +
			      (s < running ? (running - s) * f->stop_s
					   : (s - running) * f->scene->per_switch);

		if (cost < best) {
			best = cost;
			*ret = s;
		}
	}
	return best + f->late_s * (running + f->beyond[running]);
}

static void
sweep_level(struct informed *f, unsigned i)
{
	double level = grid_level(f, i);
	const double *ratios = ratios_at(f, level);
	double *value = f->value + (size_t)i * f->n;

	memset(value, 0, f->n * sizeof(*value));
	for (unsigned r = 0; r < RATIOS; r++) {
		double rate = level * ratios[r];

		fill_beyond(f, rate, f->tails + ((size_t)i * RATIOS + r) * f->n);
		fill_ahead(f, next_level(level, rate, f->share));
		for (uint32_t k = 0; k < f->n; k++) {
			uint32_t during = 0;

			value[k] += best_during(f, rate, k, &during) / RATIOS;
		}
	}
}

/* Only differences count: they stay small where the least of each sweep is taken away. */
static void
solve(struct informed *f)
{
	size_t cells = (size_t)LEVELS * f->n;

	for (unsigned i = 0; i < LEVELS; i++) {
		const double *ratios = ratios_at(f, grid_level(f, i));

		for (unsigned r = 0; r < RATIOS; r++)
			scene_tails(f->scene, grid_level(f, i) * ratios[r], f->n - 1,
				    f->tails + ((size_t)i * RATIOS + r) * f->n);
	}
	for (unsigned sweep = 0; sweep < SWEEPS; sweep++) {
		double least = INFINITY;

		for (unsigned i = 0; i < LEVELS; i++)
			sweep_level(f, i);
		for (size_t k = 0; k < cells; k++)
			least = f->value[k] < least ? f->value[k] : least;
		for (size_t k = 0; k < cells; k++)
			f->worth[k] = f->value[k] - least;
	}
}

/*** From outside ***/

static bool
allocate(struct informed *f)
{
	size_t cells = (size_t)LEVELS * f->n;

	f->levels = calloc(f->scene->load.n, sizeof(*f->levels));
	f->worth = calloc(cells, sizeof(*f->worth));
	f->value = calloc(cells, sizeof(*f->value));
	f->tails = calloc(cells * RATIOS, sizeof(*f->tails));
	f->beyond = calloc(f->n, sizeof(*f->beyond));
	f->ahead = calloc(f->n, sizeof(*f->ahead));
	f->behind = calloc(f->n, sizeof(*f->behind));
	return f->levels != NULL && f->worth != NULL && f->value != NULL && f->tails != NULL &&
	       f->beyond != NULL && f->ahead != NULL && f->behind != NULL;
}

static int
make(struct informed *f, struct err *err)
{
	int rc;

	if (!allocate(f))
		return err_no_memory(err);
	f->share = best_share(&f->scene->load);
	fill_levels(f);
	rc = learn(f, err);
	if (rc == 0)
		solve(f);
	return rc;
}

int
informed_new(const struct scene *scene, const struct informed_setup *setup, struct informed **ret,
	     struct err *err)
{
	uint64_t late_us = setup->late_us;
	struct informed *f;
	int rc;

	if (scene->load.step_us < 2 * scene->world.start_us + late_us)
		return err_set(err, TG_EINVAL,
			       "informed: a step of the load, %.3g s, is shorter than two start delays%s; "
			       "allowed: less, or a trace by minutes",
			       (double)scene->load.step_us / 1e6, late_us > 0 ? " and --notice" : "");
	if (scene_enough(scene, workload_peak(&scene->load)) >= TG_INFORMED_BACKENDS_MAX)
		return err_set(err, TG_ELIMIT,
			       "informed: more than %u backends may be needed; allowed: a smaller --scale, or --max",
			       TG_INFORMED_BACKENDS_MAX);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_no_memory(err);
	f->scene = scene;
	f->setup = *setup;
	f->late_s = (double)late_us / 1e6;
	f->penalty_s = setup->penalty * (double)scene->world.service_us / 1e6 / scene->world.slots;
	f->step_s = (double)scene->load.step_us / 1e6;
	f->start_s = (double)scene->world.start_us / 1e6;
	f->stop_s = (double)scene->world.service_us / 1e6 + scene->per_switch;
	f->n = scene_enough(scene, workload_peak(&scene->load)) + 1;
	f->n = f->n > scene->min ? f->n : scene->min + 1;
	rc = make(f, err);
	if (rc < 0) {
		informed_free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

void
informed_free(struct informed *f)
{
	if (f == NULL)
		return;
	free(f->levels);
	free(f->worth);
	free(f->value);
	free(f->tails);
	free(f->beyond);
	free(f->ahead);
	free(f->behind);
	free(f);
}

struct informed_choice
informed_choose(struct informed *f, size_t step, uint32_t running)
{
	double rate = f->scene->load.rates[step];
	struct informed_choice choice = {.during = 0};

	running = running < f->n ? running : f->n - 1;
	/* The first row of tails is of no load, and used for this one from here on. */
	scene_tails(f->scene, rate, f->n - 1, f->tails);
	fill_beyond(f, rate, f->tails);
	fill_ahead(f, next_level(f->levels[step], rate, f->share));
	(void)best_during(f, rate, running, &choice.during);
	choice.behind = f->behind[choice.during];
	return choice;
}

double
informed_level(const struct informed *f, size_t step)
{
	return f->levels[step];
}

double
informed_share(const struct informed *f)
{
	return f->share;
}

/*** At work ***/

static uint64_t
ask_interval(void *user)
{
	(void)user;
	return TICK_US;
}

/* What is to be ready as the next step begins is asked for at the last look that is early enough. */
static int
ask(void *user, struct world *w, uint32_t *ret_desired, struct err *err)
{
	struct informed *f = user;
	uint64_t step_us = f->scene->load.step_us;
	uint64_t now_us = world_now_us(w);
	size_t step = (size_t)(now_us / step_us);
	uint64_t left_us = (step + 1) * step_us - now_us;
	bool is_ending;

	(void)err;
	if (step != f->step && now_us - step * step_us >= f->setup.late_us) {
		f->choice = informed_choose(f, step, f->choice.behind);
		f->step = step;
	}
	is_ending = step != f->step || left_us < f->scene->world.start_us + TICK_US;
	*ret_desired = is_ending ? f->choice.behind : f->choice.during;
	return 0;
}

static const struct run_ops informed_ops = {
	.interval_us = ask_interval,
	.decide = ask,
};

int
informed_run(struct informed *f, struct run_progress *progress, struct figures *ret, struct err *err)
{
	f->step = 0;
	f->choice = informed_choose(f, 0, f->scene->need[0]);
	return run_scene(f->scene, &informed_ops, f, f->choice.during, progress, ret, err);
}
