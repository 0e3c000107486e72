/*
 * balance/hash.c: the same key to the same backend, as far as its load allows.
 *
 * Where a key belongs says a table that moves about 1/n of the keys when one of n
 * backends comes or goes: see maglev_priv.h.
 *
 * Bounded load (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with
 * Bounded Loads", SODA 2018): a backend has no more in flight than `hash_bound` times its share
 * by weight of all that is, this stream included, rounded up, or FREE_STREAMS. Keys of one that is there spill over to
 * other places of the table, always the same ones for a key.
 */
#include <stdlib.h>

#include "balance/balance.h"
#include "balance/maglev_priv.h"
#include "balance/take_priv.h"

/* So few are no load: with the bound alone, keys of a quiet service would wander. */
#define FREE_STREAMS 4u
/* Places of the table that are looked at for one key, before all backends are. */
#define PROBES 32u

struct balance_shared {
	struct segment_load *const *loads;
	struct maglev_plan *plan;
	size_t n_backends;
	uint32_t bound_permille; /* 0: none, and nothing is counted */
	/* Streams in flight, those that look for a backend included. */
	_Alignas(TG_CACHELINE) _Atomic int64_t total;
};

struct balance {
	struct balance_shared *shared;
};

static void
hash_shared_free(struct balance_shared *s)
{
	if (s == NULL)
		return;
	maglev_plan_free(s->plan);
	free(s);
}

static int64_t
sum_of(const struct balance_shared *s)
{
	int64_t sum = 0;
	size_t i;

	for (i = 0; i < s->n_backends; i++)
		sum += atomic_load_explicit(&s->loads[i]->in_flight, memory_order_relaxed);
	return sum;
}

static struct balance_shared *
hash_shared_new(const struct conf_service *conf, struct segment_load *const *loads)
{
	struct balance_shared *s = aligned_alloc(TG_CACHELINE, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loads = loads;
	s->n_backends = conf->n_backends;
	s->bound_permille = conf->hash_bound_permille;
	atomic_init(&s->total, sum_of(s));
	s->plan = maglev_plan_new(conf);
	if (s->plan == NULL) {
		hash_shared_free(s);
		return NULL;
	}
	return s;
}

static int
hash_prepare(struct balance_shared *shared, struct view *view)
{
	return maglev_prepare(shared->plan, view);
}

static struct balance *
hash_new(struct balance_shared *shared, unsigned worker, unsigned n_workers, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));

	(void)worker;
	(void)n_workers;
	(void)seed;
	if (b != NULL)
		b->shared = shared;
	return b;
}

static void
hash_free(struct balance *b)
{
	free(b);
}

/*
 * Until a worker goes over to a service that was changed, its streams are counted by what was
 * before: with each view the total is drawn to what there is.
 */
static int
hash_update(struct balance *b, const struct view *view)
{
	struct balance_shared *s = b->shared;
	int64_t total;

	(void)view;
	if (s->bound_permille == 0)
		return 0;
	total = atomic_load(&s->total);
	atomic_fetch_add(&s->total, sum_of(s) - total);
	return 0;
}

/* Before the load is taken and after it is given back: never less than the sum of all loads. */
static void
count(struct balance_shared *s, bool up)
{
	if (s->bound_permille == 0)
		return;
	if (up)
		atomic_fetch_add(&s->total, 1);
	else
		atomic_fetch_sub(&s->total, 1);
}

/* What the entry may have in flight now, this stream included. */
static uint64_t
bound_of(const struct balance_shared *s, const struct view *view, uint32_t entry)
{
	const struct maglev *table = view->table;
	uint64_t whole = 1000 * table->weights;
	int64_t total = atomic_load(&s->total);
	uint64_t n = total > 0 ? (uint64_t)total : 0;
	uint64_t bound = (s->bound_permille * n * view->entries[entry].weight + whole - 1) / whole;

	return bound > FREE_STREAMS ? bound : FREE_STREAMS;
}

/* Not by room_take(): below its limit the backend is not full, whatever the bound says. */
static bool
take_below(struct segment_load *load, uint64_t bound)
{
	int64_t n = atomic_load(&load->in_flight);

	do {
		if (n >= (int64_t)bound)
			return false;
	} while (!atomic_compare_exchange_weak(&load->in_flight, &n, n + 1));
	segment_note_in_flight(load, n + 1);
	return true;
}

static bool
take_bounded(const void *arg, const struct view *view, uint32_t entry)
{
	const struct balance_shared *s = arg;
	uint32_t limit = view_limit(view, entry);
	uint64_t bound;

	if (s->bound_permille == 0)
		return balance_load_take(view, entry);
	bound = bound_of(s, view, entry);
	if (limit != 0 && limit <= bound)
		return balance_load_take(view, entry);
	return take_below(view->entries[entry].load, bound);
}

/* Looks at the places of a key, one after the other. */
static uint32_t
take_probed(const struct balance_shared *s, const struct view *view, struct balance_query *query,
	    uint32_t *ret_last)
{
	uint32_t look = 0;
	uint32_t i;

	for (i = 0; i < PROBES; i++) {
		uint32_t entry = maglev_find(view->table, query->key, &look);

		*ret_last = entry;
		if (balance_is_left_out(query, view->entries[entry].backend))
			continue;
		if (take_bounded(s, view, entry))
			return entry;
		query->spilled |= i == 0;
	}
	return TG_VIEW_NONE;
}

/* Above the bound only when those below it were all tried. */
static uint32_t
take(const struct balance_shared *s, const struct view *view, struct balance_query *query)
{
	uint32_t last = 0;
	uint32_t entry = take_probed(s, view, query, &last);

	if (entry == TG_VIEW_NONE)
		entry = balance_take_where(view, query, last, take_bounded, s);
	if (entry == TG_VIEW_NONE && s->bound_permille != 0)
		entry = balance_take_any(view, query, last);
	return entry;
}

static uint32_t
hash_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	uint32_t entry;

	query->spilled = false;
	if (view->n == 0)
		return TG_VIEW_NONE;
	count(b->shared, true);
	entry = take(b->shared, view, query);
	if (entry == TG_VIEW_NONE)
		count(b->shared, false);
	return entry;
}

/* Who chose it knows better: no bound. */
static bool
hash_take(struct balance *b, const struct view *view, uint32_t entry)
{
	bool taken;

	count(b->shared, true);
	taken = balance_load_take(view, entry);
	if (!taken)
		count(b->shared, false);
	return taken;
}

static void
hash_release(struct balance *b, const struct view *view, uint32_t backend,
	     struct segment_load *load, const struct balance_outcome *outcome)
{
	(void)outcome;
	balance_load_release(view, backend, load);
	count(b->shared, false);
}

const struct balance_ops balance_hash = {
	.name = "hash",
	.id = TG_BALANCE_HASH,
	.shared_new = hash_shared_new,
	.shared_free = hash_shared_free,
	.prepare = hash_prepare,
	.new = hash_new,
	.free = hash_free,
	.update = hash_update,
	.pick = hash_pick,
	.take = hash_take,
	.release = hash_release,
};
