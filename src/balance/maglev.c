#include "balance/maglev_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Masses are in parts of a place. */
#define WHOLE UINT64_C(65536)

/* A backend, and where it is on its way through the places. */
struct walker {
	uint64_t hash; /* of its name */
	uint32_t backend;
	uint32_t at; /* its next place, unless that is taken */
	uint32_t skip;
	uint32_t last; /* the place it took last; TG_MAGLEV_PLACES: none */
};

/* What one of them lacks yet. */
struct claim {
	struct walker *walker;
	uint32_t left;
	uint16_t owner; /* as it is written into places */
	bool has_part;  /* the last one is not whole */
};

struct maglev_plan {
	uint64_t weights; /* the sum of the configured ones, as views have them */
	uint64_t mass;    /* of all */
	uint64_t room;    /* that mass may become */
	uint32_t n;
	/* Backends, the last place of each with TG_MAGLEV_PART; or TG_MAGLEV_NOBODY. */
	uint16_t places[TG_MAGLEV_PLACES];
	struct walker walkers[]; /* by hash: the order of the configuration does not count */
};

/* Whole places, the last one of which may be a part. */
static uint32_t
places_for(uint64_t mass)
{
	return (uint32_t)((mass + WHOLE - 1) / WHOLE);
}

/* What is written for an owner that has `left` to come. */
static uint16_t
place_of(uint32_t owner, uint32_t left, bool has_part)
{
	return (uint16_t)(left == 0 && has_part ? owner | TG_MAGLEV_PART : owner);
}

static void
take_next_free(uint16_t *places, struct claim *claim)
{
	struct walker *w = claim->walker;

	while (places[w->at] != TG_MAGLEV_NOBODY) {
		w->at += w->skip;
		if (w->at >= TG_MAGLEV_PLACES)
			w->at -= TG_MAGLEV_PLACES;
	}
	w->last = w->at;
	claim->left--;
	places[w->at] = place_of(claim->owner, claim->left, claim->has_part);
}

/* In turns, until nobody lacks a place. Those that have enough drop out. */
static void
take_turns(uint16_t *places, struct claim *claims, uint32_t n)
{
	while (n > 0) {
		uint32_t n_on = 0;
		uint32_t i;

		for (i = 0; i < n; i++) {
			take_next_free(places, &claims[i]);
			if (claims[i].left > 0)
				claims[n_on++] = claims[i];
		}
		n = n_on;
	}
}

/* the plan */

static struct walker
walker_of(const struct conf_backend *backend)
{
	size_t n = strlen(backend->name);
	uint64_t hash = hash_bytes(backend->name, n, 0);

	return (struct walker){
		.hash = hash,
		.backend = backend->index,
		.at = hash_below(hash, TG_MAGLEV_PLACES),
		.skip = 1 + hash_below(hash_bytes(backend->name, n, 1), TG_MAGLEV_PLACES - 1),
		.last = TG_MAGLEV_PLACES,
	};
}

static int
compare_hashes(const void *a, const void *b)
{
	const struct walker *x = a;
	const struct walker *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void
fill_plan(struct maglev_plan *plan, struct claim *claims, const struct conf_service *conf)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < plan->n; i++) {
		plan->weights += (uint64_t)conf->backends[i].weight * TG_WEIGHT_SCALE;
		plan->walkers[i] = walker_of(&conf->backends[i]);
	}
	qsort(plan->walkers, plan->n, sizeof(plan->walkers[0]), compare_hashes);
	for (i = 0; i < plan->n; i++) {
		struct walker *w = &plan->walkers[i];
		uint64_t weight = (uint64_t)conf->backends[w->backend].weight * TG_WEIGHT_SCALE;

		if (weight == 0)
			continue;
		claims[n++] = (struct claim){
			.walker = w,
			.left = places_for(plan->mass * weight / plan->weights),
			.owner = (uint16_t)w->backend,
			.has_part = true,
		};
	}
	take_turns(plan->places, claims, n);
}

void
maglev_plan_free(struct maglev_plan *plan)
{
	free(plan);
}

/* Of each backend the last place may be a part: there is room for all but one of each. An eighth of it is free, for
 * weights that grow at run time. */
struct maglev_plan *
maglev_plan_new(const struct conf_service *conf)
{
	size_t n = conf->n_backends;
	struct maglev_plan *plan = malloc(sizeof(*plan) + n * sizeof(plan->walkers[0]));
	struct claim *claims = calloc(n + 1, sizeof(claims[0]));

	assert(n < TG_MAGLEV_PART && n < TG_MAGLEV_PLACES / 2);
	if (plan == NULL || claims == NULL) {
		free(plan);
		free(claims);
		return NULL;
	}
	plan->n = (uint32_t)n;
	plan->weights = 0;
	plan->room = (TG_MAGLEV_PLACES - n) * WHOLE;
	plan->mass = plan->room / 8 * 7;
	memset(plan->places, 0xff, sizeof(plan->places));
	fill_plan(plan, claims, conf);
	free(claims);
	return plan;
}

/* the table of a view */

/* Of all entries: as planned, by weight, but never more than there is room for, nor less than the half of that. */
static uint64_t
mass_of(const struct maglev_plan *plan, uint64_t weights)
{
	uint64_t mass = plan->weights > 0 ? plan->mass * weights / plan->weights : 0;

	if (mass > plan->room)
		return plan->room;
	return mass > plan->room / 2 ? mass : plan->room / 2;
}

static uint64_t
sum_weights(const struct view *view)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < view->n; i++)
		sum += view->entries[i].weight;
	return sum;
}

/* Places each entry is to have, and the parts. */
static void
divide(struct maglev *m, const struct maglev_plan *plan, const struct view *view, uint32_t *left)
{
	uint64_t all = mass_of(plan, m->weights);
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		uint64_t mass = all * view->entries[i].weight / m->weights;

		left[i] = places_for(mass);
		m->parts[i] = (uint16_t)(mass % WHOLE); /* 0: the last is whole, too */
	}
}

static uint16_t
place_in(const struct maglev *m, uint32_t entry, uint32_t left)
{
	return place_of(entry, left, m->parts[entry] != 0);
}

/* Who is there keeps what was planned, as far as its mass goes: what it took last is what it gives up first. */
static void
keep(struct maglev *m, const struct maglev_plan *plan, const struct view *view, uint32_t *left)
{
	uint32_t i;

	for (i = 0; i < TG_MAGLEV_PLACES; i++) {
		uint32_t owner = plan->places[i];
		uint32_t entry = owner < TG_MAGLEV_PART ? view->entry_of[owner] : TG_VIEW_NONE;

		m->places[i] = TG_MAGLEV_NOBODY;
		if (entry != TG_VIEW_NONE && left[entry] > 0)
			m->places[i] = place_in(m, entry, --left[entry]);
	}
	for (i = 0; i < plan->n; i++) {
		const struct walker *w = &plan->walkers[i];
		uint32_t entry = view->entry_of[w->backend];

		if (w->last != TG_MAGLEV_PLACES && entry != TG_VIEW_NONE && left[entry] > 0)
			m->places[w->last] = place_in(m, entry, --left[entry]);
	}
}

/* Who lacks some goes on where the plan stopped. */
static void
extend(struct maglev *m, const struct maglev_plan *plan, const struct view *view,
       const uint32_t *left, struct claim *claims, struct walker *walkers)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < plan->n; i++) {
		uint32_t entry = view->entry_of[plan->walkers[i].backend];

		if (entry == TG_VIEW_NONE || left[entry] == 0)
			continue;
		walkers[n] = plan->walkers[i];
		claims[n] = (struct claim){
			.walker = &walkers[n],
			.left = left[entry],
			.owner = (uint16_t)entry,
			.has_part = m->parts[entry] != 0,
		};
		n++;
	}
	take_turns(m->places, claims, n);
}

int
maglev_prepare(const struct maglev_plan *plan, struct view *view)
{
	struct maglev *m = malloc(sizeof(*m) + view->n * sizeof(m->parts[0]));
	struct claim *claims = calloc(view->n + 1, sizeof(claims[0]));
	struct walker *walkers = calloc(view->n + 1, sizeof(walkers[0]));
	uint32_t *left = calloc(view->n + 1, sizeof(left[0]));
	int rc = -TG_ENOMEM;

	if (m != NULL && claims != NULL && walkers != NULL && left != NULL) {
		m->weights = sum_weights(view);
		divide(m, plan, view, left);
		keep(m, plan, view, left);
		extend(m, plan, view, left, claims, walkers);
		view->table = m;
		view->table_free = free;
		m = NULL;
		rc = 0;
	}
	free(m);
	free(claims);
	free(walkers);
	free(left);
	return rc;
}
