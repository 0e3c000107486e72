/* What the algorithms promise, pick by pick. */
#include <math.h>

#include "sim/sim.h"

/* By chance this long a pause comes once in 10^11. */
#define STARVED 25.0
/* Picks of a worker that may be missing, or too many, at both ends of any time. */
#define TURNS_OFF 3.0

/* What it has in flight but for the stream that was placed just now. */
static uint64_t
before(const struct view *view, uint32_t entry, uint32_t taken)
{
	return (uint64_t)atomic_load(&view->entries[entry].load->in_flight) - (entry == taken);
}

bool
sim_is_suspect(const struct sim *sim, uint32_t backend)
{
	struct mono since = sim->backends[backend].suspected;

	return mono_is_set(since) && mono_diff_us(sim_now(sim->acting), since) <
					     TG_SUSPECT_US + sim->service->timeouts.connect_ms * 1000;
}

/* Retries alone go by that. */
static bool
is_suspect(const struct sim_stream *s, const struct view *view, uint32_t entry)
{
	return s->n_tried > 0 && sim_is_suspect(s->sim, view->entries[entry].backend);
}

/* Might have been had in place of `taken`. */
static bool
is_candidate(const struct sim_stream *s, const struct view *view, uint32_t entry, uint32_t taken)
{
	return !sim_is_tried(s, view->entries[entry].backend) && sim_has_room(view, entry) &&
	       (!is_suspect(s, view, entry) || is_suspect(s, view, taken));
}

/* Not left out of a retry, full or not. */
static bool
is_clean(const struct sim_stream *s, const struct view *view, uint32_t entry)
{
	return !sim_is_tried(s, view->entries[entry].backend) && !is_suspect(s, view, entry);
}

/* Backups beside those that serve count where nobody else is clean. */
static void
check_suspect(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t end = view->tier_end[TG_TIER_MAX];
	uint32_t i;

	for (i = 0; i < end && is_suspect(s, view, taken); i++) {
		if (is_clean(s, view, i) && sim_has_room(view, i))
			sim_break(sim, s->id, view->entries[taken].backend,
				  "is a suspect, and backend %u is not", view->entries[i].backend);
		if (is_clean(s, view, i))
			end = view->n;
	}
}

/* in flight / weight is the least there is. */
static void
check_least(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	const struct view_entry *t = &view->entries[taken];
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		const struct view_entry *e = &view->entries[i];

		if (i == taken || !is_candidate(s, view, i, taken))
			continue;
		if (before(view, i, taken) * t->weight < before(view, taken, taken) * e->weight)
			sim_break(sim, s->id, t->backend, "backend %u is less loaded", e->backend);
	}
}

static void
check_first(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t i;

	for (i = 0; i < taken; i++) {
		if (is_candidate(s, view, i, taken))
			sim_break(sim, s->id, view->entries[taken].backend, "backend %u is before",
				  view->entries[i].backend);
	}
}

static uint64_t
weights_of(const struct view *view)
{
	uint64_t weights = 0;
	uint32_t i;

	for (i = 0; i < view->n; i++)
		weights += view->entries[i].weight;
	return weights;
}

/* hash: what it may have in flight, this stream included. */
static uint64_t
bound_of(const struct sim *sim, const struct view *view, uint32_t entry)
{
	uint64_t weights = weights_of(view);
	uint64_t total = 0;
	uint64_t part;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++)
		total += (uint64_t)atomic_load(&sim->backends[i].load->in_flight);
	part = sim->service->hash_bound_permille * total * view->entries[entry].weight;
	part = (part + 1000 * weights - 1) / (1000 * weights);
	return part < 4 ? 4 : part;
}

static void
check_bound(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t i;

	if (before(view, taken, taken) < bound_of(sim, view, taken))
		return;
	for (i = 0; i < view->n; i++) {
		if (i != taken && is_candidate(s, view, i, taken) &&
		    before(view, i, taken) < bound_of(sim, view, i))
			sim_break(sim, s->id, view->entries[taken].backend,
				  "above its bound, and backend %u is not",
				  view->entries[i].backend);
	}
}

/* ewma */

static double
left_of(const struct sim *sim, const struct sim_backend *b, struct mono now)
{
	double gone_us = (double)mono_diff_us(now, b->ewma_at);

	return exp(-gone_us / ((double)sim->service->ewma_decay_ms * 1000));
}

static double
faded_us(const struct sim *sim, const struct sim_backend *b, struct mono now)
{
	double left = left_of(sim, b, now);

	return b->mean_us * left + b->above_us * pow(left, 4);
}

void
sim_pick_learn(struct sim *sim, uint32_t backend, const struct balance_outcome *outcome)
{
	struct sim_backend *b = &sim->backends[backend];
	double us = (double)outcome->latency_us;
	double left;

	if (outcome->failed)
		us = fmax(fmax(us, 1e6), b->mean_us + b->above_us);
	if (us <= 0)
		return;
	left = left_of(sim, b, outcome->now);
	b->mean_us = b->mean_us * left + us * (1 - left);
	b->above_us = fmax(us - b->mean_us, b->above_us * pow(left, 4));
	if (outcome->now.us > b->ewma_at.us)
		b->ewma_at = outcome->now;
}

static double
cost_of(const struct sim *sim, const struct view *view, uint32_t entry, uint32_t taken,
	struct mono now)
{
	const struct view_entry *e = &view->entries[entry];
	double mean = (double)weights_of(view) / view->n;

	return (faded_us(sim, &sim->backends[e->backend], now) + 1) *
	       ((double)before(view, entry, taken) * mean / e->weight + 1);
}

/* Of two, both with room. */
static void
check_cost(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	struct mono now = s->tries.query.now;
	uint32_t other = 1 - taken;
	const struct view_entry *t = &view->entries[taken];
	const struct view_entry *o = &view->entries[other];

	if (!mono_is_set(sim->backends[t->backend].ewma_at) ||
	    !mono_is_set(sim->backends[o->backend].ewma_at))
		check_least(sim, s, view, taken);
	else if (is_candidate(s, view, other, taken) &&
		 cost_of(sim, view, other, taken, now) * 1.25 <
			 cost_of(sim, view, taken, taken, now) * 0.999)
		sim_break(sim, s->id, t->backend, "backend %u is faster", o->backend);
}

/* round-robin, random: all that could have been picked have their share in the end. */
static void
check_share(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		const struct view_entry *e = &view->entries[i];
		struct sim_backend *b = &sim->backends[e->backend];

		if (i == taken)
			b->passed = 0;
		else if (is_candidate(s, view, i, taken))
			b->passed += (double)e->weight / (double)weights_of(view);
		if (b->passed > STARVED)
			sim_break(sim, s->id, e->backend, "is never picked");
	}
}

static bool
are_all_candidates(const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		if (i != taken && !is_candidate(s, view, i, taken))
			return false;
	}
	return true;
}

static void
forget_lags(struct sim *sim, const struct view *view)
{
	uint32_t i;

	sim->undisturbed = view;
	for (i = 0; i < sim->n_backends; i++)
		sim->backends[i].lag = 0;
}

/* A turn of who was tried is owed until there is another view. */
void
sim_pick_other(struct sim *sim, const struct sim_stream *s, const struct view *view)
{
	sim->undisturbed = NULL;
	if (s->n_tried > 0 && view == sim->newest)
		sim->is_owing = true;
}

/* round-robin: while all may be had, shares are exact but for the turn each worker is in. */
static void
check_turns(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t taken)
{
	uint32_t i;

	if (sim->is_owing || !sim_is_even(sim) || !are_all_candidates(s, view, taken)) {
		sim_pick_other(sim, s, view);
		return;
	}
	if (sim->undisturbed != view)
		forget_lags(sim, view);
	for (i = 0; i < view->n; i++) {
		const struct view_entry *e = &view->entries[i];
		struct sim_backend *b = &sim->backends[e->backend];

		b->lag += (double)e->weight / (double)weights_of(view) - (i == taken);
		if (fabs(b->lag) > TURNS_OFF * sim->n_workers)
			sim_break(sim, s->id, e->backend, "%.1f picks off its share", b->lag);
	}
}

/* Least-conn's numbers and the bits of who has room follow the newest view. */
static void
check_even(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t entry)
{
	switch (sim->service->balance) {
	case TG_BALANCE_LEAST_CONN:
		check_least(sim, s, view, entry);
		break;
	case TG_BALANCE_P2C:
		if (view->n == 2)
			check_least(sim, s, view, entry);
		break;
	case TG_BALANCE_FIRST:
		check_first(sim, s, view, entry);
		break;
	case TG_BALANCE_HASH:
		check_bound(sim, s, view, entry);
		break;
	case TG_BALANCE_EWMA:
		if (view->n == 2)
			check_cost(sim, s, view, entry);
		break;
	case TG_BALANCE_ROUND_ROBIN:
	case TG_BALANCE_RANDOM:
	case TG_BALANCE_COUNT:
		break;
	}
}

void
sim_pick_check(struct sim *sim, const struct sim_stream *s, const struct view *view, uint32_t entry)
{
	if (sim_is_even(sim)) {
		check_even(sim, s, view, entry);
		check_suspect(sim, s, view, entry);
	}
	if (sim->service->balance == TG_BALANCE_ROUND_ROBIN ||
	    sim->service->balance == TG_BALANCE_RANDOM)
		check_share(sim, s, view, entry);
	if (sim->service->balance == TG_BALANCE_ROUND_ROBIN)
		check_turns(sim, s, view, entry);
}
