#include "autoscale/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/erlang.h"
#include "autoscale/outlook.h"

#define SWEEPS  40u
#define GRID    128u /* of loads at which Erlang's formula is worked out */
#define DEVIATE 8.0  /* standard deviations beyond which chance does nothing */
#define LESS    0.4  /* of a backend, by which there may be too few */
#define SAME    0.3

#define SINGLES (offsetof(struct plan_setup, ratios) / sizeof(double))
#define NUMBERS (sizeof(struct plan_setup) / sizeof(double))

_Static_assert(NUMBERS <= TG_PLAN_NUMBERS_MAX + TG_RATIOS, "numbers of a plan");

struct solving {
	const struct plan_setup *setup;
	uint32_t n;       /* 0 to n - 1 backends */
	double *shares;   /* [grid][n]: of requests beyond the objective */
	double *beyond;   /* [n][bin]: what these cost in a step */
	double *worth;    /* [n][bin]: of what there is to be, from the step on */
	double *value;    /* [n][bin]: V with nothing pending */
	double kernel[TG_PLAN_BINS][TG_PLAN_BINS]; /* [to][from] */
	uint32_t from[TG_PLAN_BINS]; /* of `to`: the first that leads there */
	uint32_t end[TG_PLAN_BINS];  /* the one behind the last */
};

double
plan_load(const struct plan_setup *setup, unsigned bin)
{
	double at = (double)bin / (TG_PLAN_BINS - 1);

	return setup->load_max * at * at;
}

/* Its place on a grid of `n`, the whole part a point of it. */
static double
place_of(const struct plan_setup *setup, double load, unsigned n)
{
	double at = load > 0 ? sqrt(load / setup->load_max) * (n - 1) : 0;

	return at < n - 1 ? at : n - 1;
}

/* Where it is on the grid of loads, in proportion of these and not of their roots. */
static unsigned
bin_of(const struct plan_setup *setup, double load, double *ret_share)
{
	unsigned bin = (unsigned)place_of(setup, load, TG_PLAN_BINS);
	double low;

	bin = bin < TG_PLAN_BINS - 1 ? bin : TG_PLAN_BINS - 2;
	low = plan_load(setup, bin);
	*ret_share = (load - low) / (plan_load(setup, bin + 1) - low);
	*ret_share = *ret_share < 0 ? 0 : *ret_share > 1 ? 1 : *ret_share;
	return bin;
}

/*** Requests beyond the objective ***/

/* Of all, in a step in which a queue grows. */
static double
share_growing(const struct plan_setup *setup, double load, double n)
{
	double until_s;

	if (n <= 0)
		return load > 0 ? 1 : 0;
	/* Those behind it wait longer. */
	until_s = load > n ? setup->objective_s * n / (load - n) : setup->step_s;
	return until_s < setup->step_s ? 1 - until_s / setup->step_s : 0;
}

/* A load in backends; of all numbers of them. Erlang's recursion forgets where it began: from a few deviations below
 * the load on, B is what a fluid loses. */
static void
fill_shares(const struct plan_setup *setup, double load, uint32_t n, double *ret)
{
	uint32_t slots = (uint32_t)setup->slots;
	double a = load * slots;
	double waits = setup->objective_s / setup->service_s;
	double width = DEVIATE * sqrt(a) + DEVIATE;
	uint64_t most = (uint64_t)(n - 1) * slots;
	uint64_t server = a > width ? (uint64_t)(a - width) : 0;
	double b = server > 0 ? 1 - (double)server / a : 1;

	for (uint32_t i = 0; i < n; i++)
		ret[i] = i <= load ? share_growing(setup, load, i) : 0;
	if (load <= 0)
		return;
	while (server < most && (double)server < a + width) {
		server++;
		b = erlang_b_next(b, a, (uint32_t)server);
		if (server % slots == 0 && (double)server > a)
			ret[server / slots] = erlang_tail(b, a, (uint32_t)server, waits);
	}
	/* More never wait where there are more. */
	for (uint32_t i = n - 1; i-- > 0;)
		ret[i] = ret[i] > ret[i + 1] ? ret[i] : ret[i + 1];
}

static double
share_of(const struct solving *s, double load, uint32_t n)
{
	double at = place_of(s->setup, load, GRID);
	unsigned i = at < GRID - 1 ? (unsigned)at : GRID - 2;
	double share = at - i;

	return (1 - share) * s->shares[i * s->n + n] + share * s->shares[(i + 1) * s->n + n];
}

/* A request costs as its service times the penalty does; a queue that grows must be worked off too, so that more is
 * better even where all wait too long. */
static double
cost_of(const struct solving *s, double load, uint32_t n)
{
	const struct plan_setup *setup = s->setup;
	double over = load > n ? load - n : 0;

	return setup->step_s * (setup->penalty * load * share_of(s, load, n) + over);
}

static void
fill_beyond(struct solving *s)
{
	for (unsigned bin = 0; bin < TG_PLAN_BINS; bin++) {
		double load = plan_load(s->setup, bin);

		for (uint32_t n = 0; n < s->n; n++)
			s->beyond[n * TG_PLAN_BINS + bin] = 0;
		for (unsigned c = 0; c < TG_RATIOS; c++) {
			double weight = s->setup->demand[c];
			double then = load * s->setup->ratios[c];

			for (uint32_t n = 0; n < s->n && weight > 0; n++)
				s->beyond[n * TG_PLAN_BINS + bin] += weight * cost_of(s, then, n);
		}
	}
}

/*** Loads to come ***/

static void
fill_kernel(struct solving *s)
{
	memset(s->kernel, 0, sizeof(s->kernel));
	for (unsigned from = 0; from < TG_PLAN_BINS; from++) {
		for (unsigned c = 0; c < TG_RATIOS; c++) {
			double share;
			unsigned to = bin_of(s->setup, plan_load(s->setup, from) * s->setup->ratios[c], &share);

			s->kernel[to][from] += s->setup->change[c] * (1 - share);
			s->kernel[to + 1][from] += s->setup->change[c] * share;
		}
	}
	for (unsigned to = 0; to < TG_PLAN_BINS; to++) {
		s->from[to] = 0;
		s->end[to] = TG_PLAN_BINS;
		while (s->from[to] < TG_PLAN_BINS && s->kernel[to][s->from[to]] <= 0)
			s->from[to]++;
		while (s->end[to] > s->from[to] && s->kernel[to][s->end[to] - 1] <= 0)
			s->end[to]--;
	}
}

static void
expect(const struct solving *s, const double *value, double *ret)
{
	for (unsigned i = 0; i < TG_PLAN_BINS; i++)
		ret[i] = 0;
	for (unsigned to = 0; to < TG_PLAN_BINS; to++) {
		double v = value[to];

		for (uint32_t i = s->from[to]; i < s->end[to]; i++)
			ret[i] += s->kernel[to][i] * v;
	}
}

/*** Backwards in time ***/

static double *
row(double *all, uint32_t n)
{
	return all + (size_t)n * TG_PLAN_BINS;
}

/* What y is worth: its own cost in the step, and what is to be expected behind it. */
static void
fill_worth(struct solving *s)
{
	for (uint32_t y = 0; y < s->n; y++) {
		double *worth = row(s->worth, y);

		expect(s, row(s->value, y), worth);
		for (unsigned i = 0; i < TG_PLAN_BINS; i++)
			worth[i] += y * s->setup->step_s;
	}
}

/* V of those that run, with nothing pending: more, or fewer. From above: more cost `switch` each; from below the
 * same, and what runs meanwhile is what there is to be. */
static void
fill_value(struct solving *s)
{
	double step = s->setup->switch_s;

	for (unsigned i = 0; i < TG_PLAN_BINS; i++) {
		double best = INFINITY;

		for (uint32_t n = s->n; n-- > 0;) {
			best = fmin(best + step, row(s->worth, n)[i]);
			row(s->value, n)[i] = best + row(s->beyond, n)[i];
		}
		best = INFINITY;
		for (uint32_t n = 0; n < s->n; n++) {
			best = fmin(best + step, row(s->worth, n)[i] + row(s->beyond, n)[i]);
			row(s->value, n)[i] = fmin(row(s->value, n)[i], best);
		}
	}
}

static void
solve(struct solving *s)
{
	for (unsigned i = 0; i < GRID; i++) {
		double at = (double)i / (GRID - 1);

		fill_shares(s->setup, s->setup->load_max * at * at, s->n, &s->shares[i * s->n]);
	}
	fill_beyond(s);
	fill_kernel(s);
	memset(s->value, 0, (size_t)s->n * TG_PLAN_BINS * sizeof(double));
	for (unsigned i = 0; i < SWEEPS; i++) {
		fill_worth(s);
		fill_value(s);
	}
	fill_worth(s);
}

/* What `y` costs where it serves for so much of the step, and each backend more costs `move`. */
static double
cost_of_level(const struct solving *s, unsigned bin, double weight, double move, uint32_t y)
{
	return weight * row(s->beyond, y)[bin] + row(s->worth, y)[bin] + move * y;
}

/* The best number: the least of those that are as good, or the greatest. What is saved in a step must be worth a change, as
 * decisions are made more often than once a step: SAME of a backend in a step is not. */
static double
best_of(const struct solving *s, unsigned bin, double weight, double move, bool is_least)
{
	double same = SAME * s->setup->step_s;
	double best = INFINITY;
	uint32_t found = 0;

	for (uint32_t y = 0; y < s->n; y++)
		best = fmin(best, cost_of_level(s, bin, weight, move, y));
	for (uint32_t y = 0; y < s->n; y++) {
		if (cost_of_level(s, bin, weight, move, y) > best + same)
			continue;
		found = y;
		if (is_least)
			break;
	}
	return found;
}

/* Each is no less than the one before it, nor than it was at less load. */
static void
fill_levels(const struct solving *s, struct plan_levels *ret)
{
	double move = s->setup->switch_s;

	for (unsigned i = 0; i < TG_PLAN_BINS; i++) {
		double *to = ret->of[i];

		to[PLAN_START] = best_of(s, i, 0, move, true);
		to[PLAN_WAIT] = fmax(best_of(s, i, 0.5, -move, false), to[PLAN_START]);
		to[PLAN_STOP] = fmax(best_of(s, i, 1, -move, false), to[PLAN_WAIT]);
		for (unsigned k = 0; k < PLAN_LEVEL_COUNT && i > 0; k++)
			to[k] = fmax(to[k], ret->of[i - 1][k]);
	}
}

size_t
plan_bytes(const struct plan_setup *setup)
{
	(void)setup;
	return sizeof(struct plan_levels);
}

void
plan_solve(const struct plan_setup *setup, void *table)
{
	uint32_t n = (uint32_t)setup->backends + 1;
	struct solving s = {.setup = setup, .n = n};
	size_t cells = (size_t)n * TG_PLAN_BINS;
	double *all = malloc((3 * cells + (size_t)GRID * n) * sizeof(double));

	if (all == NULL)
		return;
	s.worth = all;
	s.beyond = all + cells;
	s.value = all + 2 * cells;
	s.shares = all + 3 * cells;
	solve(&s);
	fill_levels(&s, table);
	free(all);
}

/*** As numbers ***/

uint32_t
plan_to_numbers(const struct plan_setup *setup, double *ret)
{
	uint32_t n = SINGLES;

	memcpy(ret, setup, SINGLES * sizeof(double));
	memcpy(ret + n, setup->demand, sizeof(setup->demand));
	memcpy(ret + n + TG_RATIOS, setup->change, sizeof(setup->change));
	return n + 2 * TG_RATIOS;
}

static bool
is_between(double n, double low, double high)
{
	return n >= low && n <= high;
}

static bool
are_shares(const double *shares)
{
	double sum = 0;

	for (unsigned i = 0; i < TG_RATIOS; i++) {
		if (!is_between(shares[i], 0, 1))
			return false;
		sum += shares[i];
	}
	return is_between(sum, 0.999, 1.001);
}

bool
plan_of_numbers(const double *numbers, uint32_t n, struct plan_setup *ret)
{
	if (n != SINGLES + 2 * TG_RATIOS)
		return false;
	memcpy(ret, numbers, SINGLES * sizeof(double));
	memcpy(ret->demand, numbers + SINGLES, sizeof(ret->demand));
	memcpy(ret->change, numbers + SINGLES + TG_RATIOS, sizeof(ret->change));
	for (unsigned i = 0; i < TG_RATIOS; i++)
		ret->ratios[i] = outlook_ratio(i);
	return is_between(ret->backends, 1, TG_PLAN_BACKENDS_MAX) && floor(ret->backends) == ret->backends &&
	       is_between(ret->load_max, 0.001, 1e6) && is_between(ret->step_s, 0.001, 1e6) &&
	       is_between(ret->service_s, 1e-6, 1e6) && is_between(ret->slots, 1, 1e6) &&
	       floor(ret->slots) == ret->slots && is_between(ret->objective_s, 0, 1e6) &&
	       is_between(ret->penalty, 0, 1e9) && is_between(ret->switch_s, 0, 1e6) &&
	       is_between(ret->signal, 0, TG_SIGNAL_COUNT - 1) && are_shares(ret->demand) &&
	       are_shares(ret->change);
}

/*** An answer ***/

/* Between two loads of the grid in proportion. */
static double
level_at(const struct plan_setup *setup, const struct plan_levels *levels, enum plan_level level,
	 double load)
{
	double share;
	unsigned bin = bin_of(setup, load, &share);

	/* In this form what does not change stays whole. */
	return levels->of[bin][level] + share * (levels->of[bin + 1][level] - levels->of[bin][level]);
}

/* Backends with which a queue is worked off at the least cost: z more than the load for a step cost z * step, and who
 * waits meanwhile penalty * load * queue / z. What is worked off in half the objective is chance, and in
 * Erlang's formula. No more than work it off in a second. */
static double
for_queue(const struct plan_setup *setup, const struct plan_state *state)
{
	double queue_s = state->backlog_s - state->running * setup->objective_s / 2;
	double more;

	if (!(queue_s > 0))
		return 0;
	more = sqrt(setup->penalty * state->load * queue_s / setup->step_s);
	return state->load + (more < queue_s ? more : queue_s);
}

/* Beyond the grid as many more as the load is more: of large numbers too many, and until there is another plan. */
static double
beyond_grid(const struct plan_setup *setup, double load)
{
	return load > setup->load_max ? fmin(load / setup->load_max, TG_PLAN_BACKENDS_MAX) : 1;
}

struct plan_band
plan_band(const struct plan_setup *setup, const void *table, const struct plan_state *state)
{
	double queue = for_queue(setup, state);
	double beyond = beyond_grid(setup, state->load);
	double most = fmin(ceil(setup->backends * beyond), TG_PLAN_BACKENDS_MAX);
	struct plan_band band = {
		.start = fmax(beyond * level_at(setup, table, PLAN_START, state->load), queue),
		.wait = fmax(beyond * level_at(setup, table, PLAN_WAIT, state->load), queue),
		.stop = fmax(beyond * level_at(setup, table, PLAN_STOP, state->load), queue),
	};

	band.start = fmin(floor(band.start + 1 - LESS), most);
	band.wait = fmin(fmax(ceil(band.wait), band.start), most);
	band.stop = fmin(fmax(ceil(band.stop), band.wait), most);
	return band;
}

uint32_t
plan_answer(const struct plan_setup *setup, const void *table, const struct plan_state *state)
{
	struct plan_band band = plan_band(setup, table, state);
	double running = fmin(state->running, TG_PLAN_BACKENDS_MAX);
	double all = fmin(state->running + state->pending, TG_PLAN_BACKENDS_MAX);

	if (all < band.start)
		return (uint32_t)band.start;
	if (all > band.wait)
		all = fmax(running, band.wait);
	if (running > band.stop)
		all = band.stop;
	return (uint32_t)all;
}
