#include "balance/maglev_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Of the smallest table: prime, so that each backend's walk meets all slots. */
#define SLOTS_LEAST UINT32_C(65537)
/* How often that may be doubled; see refine(). */
#define DOUBLINGS 4u
/* Slots per backend at least, so that a share is within a hundredth. */
#define SLOTS_EACH 100u
/* Looks for a new owner of a slot, before any will do. */
#define CLAIMS 64u
/* Of these, for an owner that is there; the others are for heirs. */
#define CLAIMS_OF_OWNERS 4u

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

static unsigned
doublings_for(size_t n)
{
	unsigned i = 0;

	while (i < DOUBLINGS && SLOTS_LEAST << i < SLOTS_EACH * n)
		i++;
	return i;
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
share_init(struct share *share, const struct conf_backend *backend)
{
	size_t n = strlen(backend->name);

	share->backend = backend->index;
	share->weight = backend->weight;
	share->hash = hash_bytes(backend->name, n, 0);
	share->at = hash_below(share->hash, SLOTS_LEAST);
	share->skip = 1 + hash_below(hash_bytes(backend->name, n, 1), SLOTS_LEAST - 1);
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
take_next_free(struct maglev *m, struct share *share, uint16_t rank)
{
	while (m->slots[share->at] != TG_MAGLEV_NONE) {
		share->at += share->skip;
		if (share->at >= m->n_slots)
			share->at -= m->n_slots;
	}
	m->slots[share->at] = rank;
	share->left--;
	share->has++;
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
			take_next_free(m, &shares[i], (uint16_t)i);
			left--;
		}
	}
}

/* dealing out */

/* Slots of an older table go on to who is there now; those of others are given away. */
struct sharing {
	const struct maglev *old;
	const struct maglev *heirs; /* of each slot of the old table: who has it, or the next one who is there; by what they are now */
	uint64_t *is_there; /* bits: a slot of the old table whose owner is there; NULL: all are */
	const uint32_t *entry_of; /* of owners: what they are now; NULL: what they were */
	unsigned doublings;       /* of the new table */
	unsigned more;            /* of these, that the old table lacks */
	struct share *shares;     /* by what they are now */
	uint32_t rest;            /* slots that rounding down left */
};

/* Who has it now; TG_VIEW_NONE: nobody. */
static uint32_t
entry_of(const struct sharing *sharing, uint32_t owner)
{
	if (owner == TG_MAGLEV_NONE)
		return TG_VIEW_NONE;
	return sharing->entry_of != NULL ? sharing->entry_of[owner] : owner;
}

/* Who is there keeps what was had before, as far as its share goes. */
static void
keep(struct maglev *m, const struct sharing *sharing)
{
	uint32_t i;

	for (i = 0; i < m->n_slots; i++) {
		uint32_t entry = entry_of(sharing, sharing->old->slots[i >> sharing->more]);

		if (entry == TG_VIEW_NONE || sharing->shares[entry].left == 0)
			continue;
		m->slots[i] = (uint16_t)entry;
		sharing->shares[entry].left--;
	}
}

/* False: it has all it may have. */
static bool
claim(struct sharing *sharing, uint32_t entry)
{
	struct share *share = &sharing->shares[entry];

	if (share->left > 0) {
		share->left--;
		return true;
	}
	if (share->is_rounded_up || sharing->rest == 0 || share->weight == 0)
		return false;
	share->is_rounded_up = true;
	sharing->rest--;
	return true;
}

/*
 * Who has a place of the older table, or where that one is away the place that follows: of a few that are left each
 * look finds one. Who goes leaves places to the next, who comes has them back.
 */
static void
find_heirs(struct maglev *heirs, const struct sharing *sharing)
{
	const struct maglev *old = sharing->old;
	uint32_t heir = TG_VIEW_NONE;
	uint32_t i;

	/* Those of the last places are in front. */
	for (i = 0; i < old->n_slots && heir == TG_VIEW_NONE; i++)
		heir = entry_of(sharing, old->slots[i]);
	for (i = old->n_slots; i-- > 0;) {
		uint32_t entry = entry_of(sharing, old->slots[i]);

		if (entry != TG_VIEW_NONE) {
			heir = entry;
			sharing->is_there[i / 64] |= UINT64_C(1) << i % 64;
		}
		heirs->slots[i] = (uint16_t)heir; /* TG_MAGLEV_NONE: nobody is there */
	}
}

static bool
is_owner_there(const struct sharing *sharing, uint32_t place)
{
	return sharing->is_there == NULL || (sharing->is_there[place / 64] >> place % 64 & 1) != 0;
}

/*
 * Each slot has an order of places of its own in the older table: the first owner there that may have
 * it, or where few owners are left the first heir. So the order changes as little as that table. The first of the two
 * that a slot becomes in a table twice as long has the order of that slot.
 */
static uint32_t
find_claimant(struct sharing *sharing, uint32_t slot)
{
	uint64_t place = (uint64_t)slot << (DOUBLINGS - sharing->doublings);
	uint32_t i;

	for (i = 0; i < CLAIMS; i++) {
		uint32_t look = hash_below(hash_number(place * CLAIMS + i), sharing->heirs->n_slots);
		uint32_t entry;

		if (i < CLAIMS_OF_OWNERS && !is_owner_there(sharing, look))
			continue;
		entry = sharing->heirs->slots[look];
		if (entry != TG_MAGLEV_NONE && claim(sharing, entry))
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

/* the rest of the plan */

/*
 * A table of twice as many slots, each slot two. What changes is what rounding makes of the shares,
 * one slot of a backend at most: so keys stay where they are when there is one backend too many for a
 * table, and the next size is taken. 0 or -TG_ENOMEM.
 */
static int
refine(struct maglev_plan *plan, struct share *shares, uint32_t n)
{
	struct sharing sharing = {
		.old = plan->table,
		.heirs = plan->table,
		.doublings = ++plan->doublings,
		.more = 1,
		.shares = shares,
	};
	struct maglev *m = maglev_new(2 * plan->table->n_slots);
	uint32_t i;

	if (m == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < n; i++) {
		shares[i].has *= 2;
		shares[i].is_rounded_up = false;
	}
	sharing.rest = divide(shares, n, m->n_slots);
	keep(m, &sharing);
	if (sum_weights(shares, n) > 0)
		share_out(m, &sharing);
	free(plan->table);
	plan->table = m;
	for (i = 0; i < n; i++)
		shares[i].has = 0;
	for (i = 0; i < m->n_slots; i++) {
		if (m->slots[i] != TG_MAGLEV_NONE)
			shares[m->slots[i]].has++;
	}
	return 0;
}

/* While it is made, owners are ranks: places in the order of the hashes of their names. */
static void
name_owners(struct maglev_plan *plan, const struct share *shares)
{
	struct maglev *m = plan->table;
	uint32_t i;

	for (i = 0; i < m->n_slots; i++) {
		if (m->slots[i] != TG_MAGLEV_NONE)
			m->slots[i] = (uint16_t)shares[m->slots[i]].backend;
	}
}

static int
fill_plan(struct maglev_plan *plan, struct share *shares, const struct conf_service *conf)
{
	uint32_t n = (uint32_t)conf->n_backends;
	unsigned doublings = doublings_for(n);
	uint32_t i;

	for (i = 0; i < n; i++)
		share_init(&shares[i], &conf->backends[i]);
	qsort(shares, n, sizeof(shares[0]), compare_hashes);
	round_up(shares, n, divide(shares, n, SLOTS_LEAST));
	take_turns(plan->table, shares, n);
	while (plan->doublings < doublings) {
		if (refine(plan, shares, n) != 0)
			return -TG_ENOMEM;
	}
	name_owners(plan, shares);
	return 0;
}

void
maglev_plan_free(struct maglev_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->table);
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
	plan->table = maglev_new(SLOTS_LEAST);
	if (plan->table == NULL || fill_plan(plan, shares, conf) != 0)
		goto fail;
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

static void
fill_table(struct maglev *m, struct maglev *heirs, uint64_t *is_there,
	   const struct maglev_plan *plan, const struct view *view, struct share *shares)
{
	struct sharing sharing = {
		.old = plan->table,
		.heirs = heirs,
		.is_there = is_there,
		.entry_of = view->entry_of,
		.doublings = plan->doublings,
		.shares = shares,
	};

	count_planned(plan->table, view, shares);
	m->weights = sum_weights(shares, view->n);
	sharing.rest = divide(shares, view->n, m->n_slots);
	keep(m, &sharing);
	find_heirs(heirs, &sharing);
	share_out(m, &sharing);
}

int
maglev_prepare(const struct maglev_plan *plan, struct view *view)
{
	struct maglev *m = maglev_new(plan->table->n_slots);
	struct maglev *heirs = maglev_new(plan->table->n_slots);
	uint64_t *is_there = calloc(plan->table->n_slots / 64 + 1, sizeof(is_there[0]));
	struct share *shares = calloc(view->n + 1, sizeof(shares[0]));
	int rc = -TG_ENOMEM;

	if (m != NULL && heirs != NULL && is_there != NULL && shares != NULL) {
		if (view->n > 0)
			fill_table(m, heirs, is_there, plan, view, shares);
		view->table = m;
		view->table_free = free;
		m = NULL;
		rc = 0;
	}
	free(m);
	free(heirs);
	free(is_there);
	free(shares);
	return rc;
}
