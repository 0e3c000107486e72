#include "balance/maglev_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Slots per backend at least, so that a share is within a hundredth. */
#define SLOTS_EACH 100u
/* Looks for a new owner of a slot among all configured, before any will do. */
#define CLAIMS 16u

static const uint32_t primes[] = {65537, 131101, 262147, 524309, 1048583};

#define N_PRIMES (sizeof(primes) / sizeof(primes[0]))

/* A backend of the plan, or an entry of a table, while it is made. */
struct share {
	uint64_t weight;
	uint32_t has;  /* slots it had before */
	uint32_t left; /* slots it may still get */
	bool is_rounded_up;
	/* plan: */
	uint64_t hash; /* of its name */
	uint32_t backend;
	uint32_t at; /* its next slot, unless that is taken */
	uint32_t skip;
	uint64_t credit; /* of its next turn */
};

static uint32_t
slots_for(size_t n)
{
	size_t i = 0;

	while (i + 1 < N_PRIMES && primes[i] < SLOTS_EACH * n)
		i++;
	return primes[i];
}

static struct maglev *
maglev_new(uint32_t n_slots)
{
	struct maglev *m = malloc(sizeof(*m) + n_slots * sizeof(m->slots[0]));

	if (m == NULL)
		return NULL;
	m->weights = 0;
	m->n_slots = n_slots;
	memset(m->slots, 0xff, n_slots * sizeof(m->slots[0]));
	return m;
}

static uint64_t
sum_weights(const struct share *shares, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		sum += shares[i].weight;
	return sum;
}

/*
 * Slots by weight, rounded down; returns how many are left. Those that had more get
 * one of them each, which moves nothing.
 */
static uint32_t
divide(struct share *shares, uint32_t n, uint32_t n_slots)
{
	uint64_t sum = sum_weights(shares, n);
	uint32_t rest = n_slots;
	uint32_t i;

	for (i = 0; i < n && sum > 0; i++) {
		shares[i].left = (uint32_t)(shares[i].weight * n_slots / sum);
		rest -= shares[i].left;
	}
	for (i = 0; i < n && rest > 0; i++) {
		shares[i].is_rounded_up = shares[i].has > shares[i].left;
		shares[i].left += shares[i].is_rounded_up;
		rest -= shares[i].is_rounded_up;
	}
	return rest;
}

/* the plan */

static void
share_init(struct share *share, const struct conf_backend *backend, uint32_t n_slots)
{
	size_t n = strlen(backend->name);

	share->backend = backend->index;
	share->weight = backend->weight;
	share->hash = hash_bytes(backend->name, n, 0);
	share->at = hash_below(share->hash, n_slots);
	share->skip = 1 + hash_below(hash_bytes(backend->name, n, 1), n_slots - 1);
}

static int
compare_hashes(const void *a, const void *b)
{
	const struct share *x = a;
	const struct share *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void
round_up(struct share *shares, uint32_t n, uint32_t rest)
{
	uint32_t i;

	for (i = 0; i < n && rest > 0; i++) {
		shares[i].left += shares[i].weight > 0;
		rest -= shares[i].weight > 0;
	}
}

static void
take_next_free(struct maglev *m, struct share *share)
{
	while (m->slots[share->at] != TG_MAGLEV_NONE) {
		share->at += share->skip;
		if (share->at >= m->n_slots)
			share->at -= m->n_slots;
	}
	m->slots[share->at] = (uint16_t)share->backend;
	share->left--;
}

/* Turns as often as weights say, until nobody lacks a slot. */
static void
take_turns(struct maglev *m, struct share *shares, uint32_t n)
{
	uint64_t heaviest = 1;
	uint32_t left = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		left += shares[i].left;
		if (shares[i].weight > heaviest)
			heaviest = shares[i].weight;
	}
	while (left > 0) {
		for (i = 0; i < n; i++) {
			shares[i].credit += shares[i].weight;
			if (shares[i].credit < heaviest || shares[i].left == 0)
				continue;
			shares[i].credit -= heaviest;
			take_next_free(m, &shares[i]);
			left--;
		}
	}
}

static void
fill_plan(struct maglev_plan *plan, struct share *shares, const struct conf_service *conf)
{
	uint32_t n = (uint32_t)conf->n_backends;
	uint32_t i;

	for (i = 0; i < n; i++)
		share_init(&shares[i], &conf->backends[i], plan->table->n_slots);
	qsort(shares, n, sizeof(shares[0]), compare_hashes);
	for (i = 0; i < n; i++)
		plan->order[i] = shares[i].backend;
	round_up(shares, n, divide(shares, n, plan->table->n_slots));
	take_turns(plan->table, shares, n);
}

void
maglev_plan_free(struct maglev_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->table);
	free(plan->order);
	free(plan);
}

struct maglev_plan *
maglev_plan_new(const struct conf_service *conf)
{
	struct maglev_plan *plan = calloc(1, sizeof(*plan));
	struct share *shares = calloc(conf->n_backends + 1, sizeof(shares[0]));

	assert(conf->n_backends < TG_MAGLEV_NONE);
	if (plan == NULL || shares == NULL)
		goto fail;
	plan->table = maglev_new(slots_for(conf->n_backends));
	plan->order = calloc(conf->n_backends + 1, sizeof(plan->order[0]));
	if (plan->table == NULL || plan->order == NULL)
		goto fail;
	fill_plan(plan, shares, conf);
	free(shares);
	return plan;
fail:
	maglev_plan_free(plan);
	free(shares);
	return NULL;
}

/* the table of a view */

static void
count_planned(const struct maglev *planned, const struct view *view, struct share *shares)
{
	uint32_t i;

	for (i = 0; i < view->n; i++)
		shares[i].weight = view->entries[i].weight;
	for (i = 0; i < planned->n_slots; i++) {
		uint32_t owner = planned->slots[i];

		if (owner != TG_MAGLEV_NONE && view->entry_of[owner] != TG_VIEW_NONE)
			shares[view->entry_of[owner]].has++;
	}
}

/* Who is there keeps what the plan gives, as far as its share goes. */
static void
keep_planned(struct maglev *m, const struct maglev *planned, const struct view *view,
	     struct share *shares)
{
	uint32_t i;

	for (i = 0; i < m->n_slots; i++) {
		uint32_t owner = planned->slots[i];
		uint32_t entry = owner != TG_MAGLEV_NONE ? view->entry_of[owner] : TG_VIEW_NONE;

		if (entry == TG_VIEW_NONE || shares[entry].left == 0)
			continue;
		m->slots[i] = (uint16_t)entry;
		shares[entry].left--;
	}
}

/* What is needed to give away the slots of those that are not there. */
struct sharing {
	const struct maglev_plan *plan;
	const struct view *view;
	struct share *shares;
	uint32_t rest; /* slots that rounding down left */
};

/* False: it has all it may have. */
static bool
claim(struct sharing *sharing, uint32_t entry)
{
	struct share *share = &sharing->shares[entry];

	if (share->left > 0) {
		share->left--;
		return true;
	}
	if (share->is_rounded_up || sharing->rest == 0)
		return false;
	share->is_rounded_up = true;
	sharing->rest--;
	return true;
}

/* The first in the slot's own order of backends that is there and may have it. */
static uint32_t
find_claimant(struct sharing *sharing, uint32_t slot)
{
	const struct view *view = sharing->view;
	uint32_t n = (uint32_t)view->conf->n_backends;
	uint32_t i;

	for (i = 0; i < CLAIMS; i++) {
		uint64_t hash = hash_number((uint64_t)slot * CLAIMS + i);
		uint32_t entry = view->entry_of[sharing->plan->order[hash_below(hash, n)]];

		if (entry != TG_VIEW_NONE && claim(sharing, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

static void
share_out(struct maglev *m, struct sharing *sharing)
{
	uint32_t any = 0;
	uint32_t i;

	for (i = 0; i < m->n_slots; i++) {
		uint32_t entry;

		if (m->slots[i] != TG_MAGLEV_NONE)
			continue;
		entry = find_claimant(sharing, i);
		if (entry == TG_VIEW_NONE) {
			while (!claim(sharing, any))
				any++;
			entry = any;
		}
		m->slots[i] = (uint16_t)entry;
	}
}

static void
fill_table(struct maglev *m, const struct maglev_plan *plan, const struct view *view,
	   struct share *shares)
{
	struct sharing sharing = {.plan = plan, .view = view, .shares = shares};

	count_planned(plan->table, view, shares);
	m->weights = sum_weights(shares, view->n);
	sharing.rest = divide(shares, view->n, m->n_slots);
	keep_planned(m, plan->table, view, shares);
	share_out(m, &sharing);
}

int
maglev_prepare(const struct maglev_plan *plan, struct view *view)
{
	struct maglev *m = maglev_new(plan->table->n_slots);
	struct share *shares = calloc(view->n + 1, sizeof(shares[0]));

	if (m == NULL || shares == NULL) {
		free(m);
		free(shares);
		return -TG_ENOMEM;
	}
	if (view->n > 0)
		fill_table(m, plan, view, shares);
	free(shares);
	view->table = m;
	view->table_free = free;
	return 0;
}
