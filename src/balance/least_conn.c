/*
 * balance/least_conn.c: the backend with the fewest streams in flight per unit
 * of weight, exact across workers.
 *
 * The structure of the O(1) LFU cache (Shah, Mitra and Matani, "An O(1) algorithm for implementing
 * the LFU cache eviction scheme", 2010): backends of the same in-flight number stand in one
 * bucket, buckets in a list by that number, one list per tier; taking and
 * releasing move a backend to the neighbour. As each bucket has a backend, there are
 * never more of them than backends, however large the numbers grow.
 *
 * A tier is a weight and a limit. A heap of the few tiers is ordered by in flight / weight of
 * their first backend; those that are full come last. Ties go by weighted turns: with nothing in
 * flight anywhere, shares are those of round-robin. Each stream puts the backend's next
 * turn off by 1 / weight, counted from when the turn was that it took; who was too
 * busy for its turns has no claim to them later. (Goyal et al., Start-time Fair
 * Queuing, 1996.) In one tier all turns are as long, and the one whose number is unchanged for
 * longest is first.
 *
 * One per service under one lock, which is held for one move. The structure follows the
 * newest view; a worker whose view is another one leaves out what it does not know.
 */
#include <pthread.h>
#include <stdlib.h>

#include "balance/balance.h"

#define NONE UINT32_MAX
/* Backends of a tier that may be passed over before the tier is. */
#define LOOKS (2u * TG_BALANCE_TRIED_MAX)
/* Of turns; divided by a weight it is as good as exact. */
#define STRIDE (UINT64_C(1) << 28)

struct slot {
	uint64_t in_flight;
	uint64_t turn;   /* when it has its next one; wraps around */
	uint64_t since;  /* number of the last change: older first among equals */
	uint32_t weight; /* 0: not in the view, in no bucket. Written by the control thread only, as is: */
	uint32_t limit;
	uint32_t tier;
	uint32_t bucket;
	uint32_t prev; /* in its bucket */
	uint32_t next;
};

struct bucket {
	uint64_t in_flight;
	uint32_t first; /* backends: unchanged for longest */
	uint32_t last;
	uint32_t prev; /* fewer in flight */
	uint32_t next; /* more; free buckets: the next free one */
};

struct tier {
	uint32_t weight;
	uint32_t limit;
	uint32_t first; /* bucket */
	uint32_t place; /* in the heap */
};

struct balance_shared {
	struct segment_load *const *loads;
	uint32_t n_backends;
	struct {
		pthread_mutex_t lock;
		/* Under lock; all arrays [n_backends]. */
		uint64_t changes;
		uint64_t turn; /* the one that was taken last */
		struct slot *slots;
		struct bucket *buckets;
		uint32_t free; /* bucket */
		struct tier *tiers;
		uint32_t *heap; /* tiers; behind n_tiers: those that are free */
		uint32_t n_tiers;
	} shared;
};

struct balance {
	struct balance_shared *shared;
};

/* the heap of tiers */

static bool
turn_is_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static bool
slot_is_before(const struct slot *x, const struct slot *y)
{
	uint64_t left = x->in_flight * y->weight;
	uint64_t right = y->in_flight * x->weight;

	if (left != right)
		return left < right;
	return x->turn != y->turn ? turn_is_before(x->turn, y->turn) : x->since < y->since;
}

static bool
is_full(const struct balance_shared *s, const struct tier *tier)
{
	return tier->limit != 0 && s->shared.buckets[tier->first].in_flight >= tier->limit;
}

static const struct slot *
first_slot(const struct balance_shared *s, const struct tier *tier)
{
	return &s->shared.slots[s->shared.buckets[tier->first].first];
}

static bool
tier_is_before(const struct balance_shared *s, uint32_t a, uint32_t b)
{
	const struct tier *x = &s->shared.tiers[a];
	const struct tier *y = &s->shared.tiers[b];
	bool x_full = is_full(s, x);

	if (x_full != is_full(s, y))
		return !x_full;
	return slot_is_before(first_slot(s, x), first_slot(s, y));
}

static void
put(struct balance_shared *s, uint32_t place, uint32_t tier)
{
	s->shared.heap[place] = tier;
	s->shared.tiers[tier].place = place;
}

static void
sift_down(struct balance_shared *s, uint32_t place)
{
	uint32_t *heap = s->shared.heap;
	uint32_t moved = heap[place];

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= s->shared.n_tiers)
			break;
		if (child + 1 < s->shared.n_tiers &&
		    tier_is_before(s, heap[child + 1], heap[child]))
			child++;
		if (!tier_is_before(s, heap[child], moved))
			break;
		put(s, place, heap[child]);
		place = child;
	}
	put(s, place, moved);
}

static void
sift_up(struct balance_shared *s, uint32_t place)
{
	uint32_t *heap = s->shared.heap;
	uint32_t moved = heap[place];

	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (!tier_is_before(s, moved, heap[parent]))
			break;
		put(s, place, heap[parent]);
		place = parent;
	}
	put(s, place, moved);
}

/* Its first backend is another one, or has another number. */
static void
sift(struct balance_shared *s, const struct tier *tier)
{
	sift_up(s, tier->place);
	sift_down(s, tier->place);
}

/* buckets */

/* A bucket behind `prev`, or before all others of the tier. */
static uint32_t
bucket_add(struct balance_shared *s, struct tier *tier, uint32_t prev, uint64_t in_flight)
{
	struct bucket *buckets = s->shared.buckets;
	uint32_t i = s->shared.free;
	uint32_t next = prev != NONE ? buckets[prev].next : tier->first;

	s->shared.free = buckets[i].next;
	buckets[i] = (struct bucket){
		.in_flight = in_flight,
		.first = NONE,
		.last = NONE,
		.prev = prev,
		.next = next,
	};
	if (prev != NONE)
		buckets[prev].next = i;
	else
		tier->first = i;
	if (next != NONE)
		buckets[next].prev = i;
	return i;
}

static void
bucket_remove(struct balance_shared *s, struct tier *tier, uint32_t i)
{
	struct bucket *buckets = s->shared.buckets;
	struct bucket *bucket = &buckets[i];

	if (bucket->prev != NONE)
		buckets[bucket->prev].next = bucket->next;
	else
		tier->first = bucket->next;
	if (bucket->next != NONE)
		buckets[bucket->next].prev = bucket->prev;
	bucket->next = s->shared.free;
	s->shared.free = i;
}

static void
attach(struct balance_shared *s, uint32_t i, uint32_t backend)
{
	struct bucket *bucket = &s->shared.buckets[i];
	struct slot *slot = &s->shared.slots[backend];

	slot->bucket = i;
	slot->prev = bucket->last;
	slot->next = NONE;
	if (bucket->last != NONE)
		s->shared.slots[bucket->last].next = backend;
	else
		bucket->first = backend;
	bucket->last = backend;
}

static void
detach(struct balance_shared *s, uint32_t backend)
{
	struct slot *slots = s->shared.slots;
	struct slot *slot = &slots[backend];
	struct bucket *bucket = &s->shared.buckets[slot->bucket];

	if (slot->prev != NONE)
		slots[slot->prev].next = slot->next;
	else
		bucket->first = slot->next;
	if (slot->next != NONE)
		slots[slot->next].prev = slot->prev;
	else
		bucket->last = slot->prev;
}

static bool
is_alone(const struct bucket *bucket)
{
	return bucket->first == bucket->last;
}

/* Its number has become one more or one less: to the bucket behind or before its own. */
static void
move(struct balance_shared *s, uint32_t backend, bool up)
{
	struct slot *slot = &s->shared.slots[backend];
	struct tier *tier = &s->shared.tiers[slot->tier];
	struct bucket *buckets = s->shared.buckets;
	uint32_t from = slot->bucket;
	uint32_t to = up ? buckets[from].next : buckets[from].prev;

	if (to == NONE || buckets[to].in_flight != slot->in_flight) {
		if (is_alone(&buckets[from])) {
			buckets[from].in_flight = slot->in_flight;
			return;
		}
		to = bucket_add(s, tier, up ? from : buckets[from].prev, slot->in_flight);
	}
	detach(s, backend);
	if (buckets[from].first == NONE)
		bucket_remove(s, tier, from);
	attach(s, to, backend);
}

/* A stream more: the turn is had, now or earlier. */
static void
pass_turn(struct balance_shared *s, struct slot *slot)
{
	if (turn_is_before(slot->turn, s->shared.turn))
		slot->turn = s->shared.turn;
	s->shared.turn = slot->turn;
	slot->turn += STRIDE / slot->weight;
}

/* backends that come, change and leave */

static uint32_t
tier_get(struct balance_shared *s, uint32_t weight, uint32_t limit)
{
	uint32_t i;

	for (i = 0; i < s->shared.n_tiers; i++) {
		const struct tier *tier = &s->shared.tiers[s->shared.heap[i]];

		if (tier->weight == weight && tier->limit == limit)
			return s->shared.heap[i];
	}
	i = s->shared.heap[s->shared.n_tiers];
	s->shared.tiers[i] = (struct tier){
		.weight = weight,
		.limit = limit,
		.first = NONE,
		.place = s->shared.n_tiers++,
	};
	return i;
}

static void
tier_remove(struct balance_shared *s, uint32_t tier)
{
	uint32_t place = s->shared.tiers[tier].place;
	uint32_t last = --s->shared.n_tiers;
	uint32_t moved = s->shared.heap[last];

	s->shared.heap[last] = tier;
	if (moved == tier)
		return;
	put(s, place, moved);
	sift(s, &s->shared.tiers[moved]);
}

static uint32_t
bucket_get(struct balance_shared *s, struct tier *tier, uint64_t in_flight)
{
	uint32_t prev = NONE;
	uint32_t i = tier->first;

	while (i != NONE && s->shared.buckets[i].in_flight < in_flight) {
		prev = i;
		i = s->shared.buckets[i].next;
	}
	if (i != NONE && s->shared.buckets[i].in_flight == in_flight)
		return i;
	return bucket_add(s, tier, prev, in_flight);
}

static void
slot_link(struct balance_shared *s, uint32_t backend)
{
	struct slot *slot = &s->shared.slots[backend];
	struct tier *tier;

	slot->since = ++s->shared.changes;
	slot->tier = tier_get(s, slot->weight, slot->limit);
	tier = &s->shared.tiers[slot->tier];
	attach(s, bucket_get(s, tier, slot->in_flight), backend);
	sift_up(s, tier->place);
}

static void
slot_unlink(struct balance_shared *s, uint32_t backend)
{
	struct slot *slot = &s->shared.slots[backend];
	struct tier *tier = &s->shared.tiers[slot->tier];

	detach(s, backend);
	if (s->shared.buckets[slot->bucket].first == NONE)
		bucket_remove(s, tier, slot->bucket);
	if (tier->first == NONE)
		tier_remove(s, slot->tier);
	else
		sift(s, tier);
}

static uint64_t
load_of(const struct balance_shared *s, uint32_t backend)
{
	int64_t n = atomic_load_explicit(&s->loads[backend]->in_flight, memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

static void
slot_change(struct balance_shared *s, uint32_t backend, uint32_t weight, uint32_t limit)
{
	struct slot *slot = &s->shared.slots[backend];

	pthread_mutex_lock(&s->shared.lock);
	if (slot->weight != 0)
		slot_unlink(s, backend);
	else
		slot->in_flight = load_of(s, backend);
	slot->weight = weight;
	slot->limit = limit;
	if (weight != 0)
		slot_link(s, backend);
	pthread_mutex_unlock(&s->shared.lock);
}

/* Only what changed is touched, with the lock free in between. */
static int
least_conn_prepare(struct balance_shared *s, struct view *view)
{
	uint32_t i;

	for (i = 0; i < s->n_backends; i++) {
		const struct slot *slot = &s->shared.slots[i];
		uint32_t entry = view->entry_of[i];
		uint32_t weight = entry != TG_VIEW_NONE ? view->entries[entry].weight : 0;
		uint32_t limit = entry != TG_VIEW_NONE ? view_limit(view, entry) : slot->limit;

		if (weight != slot->weight || limit != slot->limit)
			slot_change(s, i, weight, limit);
	}
	return 0;
}

static void
least_conn_shared_free(struct balance_shared *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->shared.lock);
	free(s->shared.slots);
	free(s->shared.buckets);
	free(s->shared.tiers);
	free(s->shared.heap);
	free(s);
}

/* The last free bucket is one behind the backends: never used. */
static void
init_free(struct balance_shared *s)
{
	uint32_t i;

	for (i = 0; i < s->n_backends; i++) {
		s->shared.buckets[i].next = i + 1;
		s->shared.heap[i] = i;
	}
}

static struct balance_shared *
least_conn_shared_new(const struct conf_service *conf, struct segment_load *const *loads)
{
	struct balance_shared *s = calloc(1, sizeof(*s));
	size_t n = conf->n_backends + 1;

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->shared.lock, NULL);
	s->loads = loads;
	s->n_backends = (uint32_t)conf->n_backends;
	s->shared.slots = calloc(n, sizeof(s->shared.slots[0]));
	s->shared.buckets = calloc(n, sizeof(s->shared.buckets[0]));
	s->shared.tiers = calloc(n, sizeof(s->shared.tiers[0]));
	s->shared.heap = calloc(n, sizeof(s->shared.heap[0]));
	if (s->shared.slots == NULL || s->shared.buckets == NULL || s->shared.tiers == NULL ||
	    s->shared.heap == NULL) {
		least_conn_shared_free(s);
		return NULL;
	}
	init_free(s);
	return s;
}

static struct balance *
least_conn_new(struct balance_shared *shared, unsigned worker, unsigned n_workers, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));

	(void)seed;
	(void)worker;
	(void)n_workers;
	if (b != NULL)
		b->shared = shared;
	return b;
}

static int
least_conn_update(struct balance *b, const struct view *view)
{
	(void)b;
	(void)view;
	return 0;
}

/* picking */

static bool
is_usable(const struct view *view, const struct balance_query *query, uint32_t backend)
{
	return view->entry_of[backend] != TG_VIEW_NONE && !balance_is_left_out(query, backend);
}

static uint32_t
best_of_tier(const struct balance_shared *s, const struct tier *tier, const struct view *view,
	     const struct balance_query *query)
{
	uint32_t looks = 0;
	uint32_t b;
	uint32_t i;

	for (b = tier->first; b != NONE; b = s->shared.buckets[b].next) {
		const struct bucket *bucket = &s->shared.buckets[b];

		if (tier->limit != 0 && bucket->in_flight >= tier->limit)
			break;
		for (i = bucket->first; i != NONE; i = s->shared.slots[i].next) {
			if (is_usable(view, query, i))
				return i;
			if (++looks == LOOKS)
				return NONE;
		}
	}
	return NONE;
}

/* The first is left out, or this worker does not know it. */
static uint32_t
best_of_tiers(const struct balance_shared *s, const struct view *view,
	      const struct balance_query *query)
{
	const struct slot *slots = s->shared.slots;
	uint32_t best = NONE;
	uint32_t i;

	for (i = 0; i < s->shared.n_tiers; i++) {
		const struct tier *tier = &s->shared.tiers[s->shared.heap[i]];
		uint32_t backend = best_of_tier(s, tier, view, query);

		if (backend != NONE &&
		    (best == NONE || slot_is_before(&slots[backend], &slots[best])))
			best = backend;
	}
	return best;
}

static uint32_t
find_best(const struct balance_shared *s, const struct view *view,
	  const struct balance_query *query)
{
	const struct tier *tier;
	uint32_t backend;

	if (s->shared.n_tiers == 0)
		return NONE;
	tier = &s->shared.tiers[s->shared.heap[0]];
	if (is_full(s, tier))
		return NONE;
	backend = s->shared.buckets[tier->first].first;
	return is_usable(view, query, backend) ? backend : best_of_tiers(s, view, query);
}

/* Without a best one known here and there, the view's own take turns. */
static uint32_t
take_best(struct balance_shared *s, const struct view *view, const struct balance_query *query)
{
	uint32_t backend = find_best(s, view, query);
	uint32_t entry;

	if (backend == NONE)
		return balance_take_any(view, query, (uint32_t)(s->shared.changes % view->n));
	entry = view->entry_of[backend];
	return balance_load_take(view, entry) ? entry : balance_take_any(view, query, entry);
}

/* A worker that knows this structure only since a reload has taken and given back before. */
static void
jump(struct balance_shared *s, uint32_t backend)
{
	slot_unlink(s, backend);
	slot_link(s, backend);
}

/* A stream more or less, with its load counted already. */
static void
count(struct balance_shared *s, uint32_t backend, bool up)
{
	struct slot *slot = &s->shared.slots[backend];
	uint64_t before = slot->in_flight;

	slot->in_flight = load_of(s, backend);
	slot->since = ++s->shared.changes;
	if (slot->weight == 0)
		return;
	if (up)
		pass_turn(s, slot);
	if (slot->in_flight != (up ? before + 1 : before - 1)) {
		jump(s, backend);
		return;
	}
	move(s, backend, up);
	if (up)
		sift(s, &s->shared.tiers[slot->tier]);
	else
		sift_up(s, s->shared.tiers[slot->tier].place);
}

static uint32_t
least_conn_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	struct balance_shared *s = b->shared;
	uint32_t entry;

	if (view->n == 0)
		return TG_VIEW_NONE;
	pthread_mutex_lock(&s->shared.lock);
	entry = take_best(s, view, query);
	if (entry != TG_VIEW_NONE)
		count(s, view->entries[entry].backend, true);
	pthread_mutex_unlock(&s->shared.lock);
	return entry;
}

static bool
least_conn_take(struct balance *b, const struct view *view, uint32_t entry)
{
	struct balance_shared *s = b->shared;
	bool taken;

	pthread_mutex_lock(&s->shared.lock);
	taken = balance_load_take(view, entry);
	if (taken)
		count(s, view->entries[entry].backend, true);
	pthread_mutex_unlock(&s->shared.lock);
	return taken;
}

static void
least_conn_release(struct balance *b, const struct view *view, uint32_t backend,
		   struct segment_load *load, const struct balance_outcome *outcome)
{
	struct balance_shared *s = b->shared;

	(void)outcome;
	pthread_mutex_lock(&s->shared.lock);
	balance_load_release(view, backend, load);
	count(s, backend, false);
	pthread_mutex_unlock(&s->shared.lock);
}

static void
least_conn_free(struct balance *b)
{
	free(b);
}

const struct balance_ops balance_least_conn = {
	.name = "least-conn",
	.id = TG_BALANCE_LEAST_CONN,
	.shared_new = least_conn_shared_new,
	.prepare = least_conn_prepare,
	.shared_free = least_conn_shared_free,
	.new = least_conn_new,
	.update = least_conn_update,
	.pick = least_conn_pick,
	.take = least_conn_take,
	.release = least_conn_release,
	.free = least_conn_free,
};
