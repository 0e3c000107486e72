/*
 * balance/round_robin.c: each backend in turn, as often as its weight says.
 *
 * Stride scheduling (Waldspurger and Weihl, "Stride Scheduling", MIT 1995) among
 * tiers of equal weight, a plain ring inside a tier. A tier has weight times
 * members tickets; each turn of it moves its position on by a round divided by
 * its tickets, and the smallest position is next. So picks of one backend are spread
 * as evenly as they can be, shares are exact, and a pick costs O(log of the
 * number of distinct weights).
 *
 * All workers turn the same wheel, each from its own place on it. Retries turn a
 * wheel of their own: on that of the first tries they would take the turns between two of
 * the backend that failed, and with two backends every request would begin with it.
 */
#include <stdlib.h>

#include "balance/balance.h"
#include "balance/unshared_priv.h"

/* Positions in one round. Times its parts, 64 bits hold that for 65,536 backends of any weight. */
#define ROUND (UINT64_C(1) << 32)
/* Of a turn: tiers begin at different ones, so that the turns of one fall between another's. */
#define PARTS 16u
/* Turns that full backends may lose before the bitmap is asked. */
#define TURNS 4u

struct tier {
	uint32_t n;     /* members */
	uint32_t first; /* in table->members */
	uint32_t begin; /* part of a turn */
	uint64_t parts; /* of a round: tickets times PARTS */
	/* A turn in positions is ROUND / tickets: whole, and the rest in fractions of `parts`. */
	uint64_t step;
	uint64_t rest;
};

/* Of a view; tiers by falling weight. */
struct table {
	uint32_t n_tiers;
	uint32_t *members; /* entries, tier by tier */
	struct tier tiers[];
};

struct turn {
	uint64_t position; /* wraps: compared by difference */
	uint64_t rest;
	uint32_t tier;
	uint32_t cursor; /* in its ring */
};

struct wheel {
	uint64_t time;             /* position of the last pick, less than ROUND */
	uint32_t passed;           /* tiers below had their turn at `time` */
	uint32_t cursor;           /* goes around where there is no heap */
	const struct table *table; /* of the worker's view; NULL: it is empty */
	struct turn *heap;         /* [table->n_tiers], smallest position first; NULL: no memory */
};

enum { WHEEL_FIRST, WHEEL_RETRIES, WHEELS };

struct balance {
	struct wheel wheels[WHEELS];
	struct turn *turns; /* of both heaps */
};

/* what depends on the view alone */

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void
tier_init(struct tier *tier, uint32_t first, uint32_t n, uint32_t weight)
{
	uint64_t tickets = (uint64_t)weight * n;

	tier->n = n;
	tier->first = first;
	tier->parts = PARTS * tickets;
	tier->step = ROUND / tickets;
	tier->rest = PARTS * (ROUND % tickets);
}

static void
stagger(struct table *table)
{
	uint32_t i;

	for (i = 0; i < table->n_tiers; i++)
		table->tiers[i].begin = (2 * i + 1) * PARTS / (2 * table->n_tiers);
}

/* How many entries have each weight; returns the number of weights. */
static uint32_t
count_weights(const struct view *view, uint32_t *counts, uint32_t *ret_divisor)
{
	uint32_t n_tiers = 0;
	uint32_t divisor = 0;
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		uint32_t weight = view->entries[i].weight;

		n_tiers += counts[weight]++ == 0;
		divisor = gcd(weight, divisor);
	}
	*ret_divisor = divisor;
	return n_tiers;
}

/* `places` by weight: how many there are; afterwards where the next one stands in members. */
static void
fill_table(struct table *table, const struct view *view, uint32_t *places, uint32_t divisor)
{
	struct tier *tier = table->tiers;
	uint32_t first = 0;
	uint32_t i;

	for (i = TG_WEIGHT_MAX; i > 0; i--) {
		uint32_t n = places[i];

		if (n == 0)
			continue;
		tier_init(tier++, first, n, i / divisor);
		places[i] = first;
		first += n;
	}
	stagger(table);
	for (i = 0; i < view->n; i++)
		table->members[places[view->entries[i].weight]++] = i;
}

static int
round_robin_prepare(struct balance_shared *shared, struct view *view)
{
	uint32_t *counts = calloc(TG_WEIGHT_MAX + 1, sizeof(counts[0]));
	struct table *table = NULL;
	uint32_t n_tiers;
	uint32_t divisor;

	(void)shared;
	if (counts == NULL)
		return -TG_ENOMEM;
	n_tiers = count_weights(view, counts, &divisor);
	table = malloc(sizeof(*table) + n_tiers * sizeof(table->tiers[0]) +
		       view->n * sizeof(table->members[0]));
	if (table != NULL) {
		table->n_tiers = n_tiers;
		table->members = (uint32_t *)(void *)(table->tiers + n_tiers);
		fill_table(table, view, counts, divisor);
		view->table = table;
		view->table_free = free;
	}
	free(counts);
	return table != NULL ? 0 : -TG_ENOMEM;
}

/* one worker's turns */

static struct balance *
round_robin_new(struct balance_shared *shared, unsigned worker, unsigned n_workers, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));
	unsigned i;

	(void)shared;
	(void)seed;
	if (b == NULL)
		return NULL;
	for (i = 0; i < WHEELS; i++)
		b->wheels[i].time = ROUND / n_workers * worker;
	return b;
}

static bool
turn_is_before(const struct turn *a, const struct turn *b)
{
	int64_t ahead = (int64_t)(a->position - b->position);

	return ahead != 0 ? ahead < 0 : a->tier < b->tier;
}

static void
sift_down(struct wheel *w, uint32_t i)
{
	struct turn moved = w->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= w->table->n_tiers)
			break;
		if (child + 1 < w->table->n_tiers &&
		    turn_is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!turn_is_before(&w->heap[child], &moved))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = moved;
}

/* The first turn of the tier that is not before `from`. */
static void
turn_init(struct turn *turn, const struct table *table, uint32_t i, uint64_t from)
{
	const struct tier *tier = &table->tiers[i];
	uint64_t part = (from * tier->parts + ROUND - 1) / ROUND;
	uint64_t k = part > tier->begin ? (part - tier->begin + PARTS - 1) / PARTS : 0;

	part = k * PARTS + tier->begin;
	turn->tier = i;
	turn->position = part * ROUND / tier->parts;
	turn->rest = part * ROUND % tier->parts;
	turn->cursor = (uint32_t)(k % tier->n);
}

/* Goes on at the place where it was with the view before. `heap` may be NULL. */
static void
wheel_update(struct wheel *w, const struct table *table, struct turn *heap)
{
	uint32_t i;

	w->table = table;
	w->heap = heap;
	if (heap == NULL)
		return;
	for (i = 0; i < table->n_tiers; i++)
		turn_init(&heap[i], table, i, w->time + (i < w->passed));
	for (i = table->n_tiers / 2; i-- > 0;)
		sift_down(w, i);
}

static int
round_robin_update(struct balance *b, const struct view *view)
{
	const struct table *table = view->table;
	struct turn *turns = realloc(b->turns, (WHEELS * table->n_tiers + 1) * sizeof(turns[0]));
	uint32_t i;

	if (turns != NULL)
		b->turns = turns;
	for (i = 0; i < WHEELS; i++)
		wheel_update(&b->wheels[i], table,
			     turns != NULL ? turns + i * table->n_tiers : NULL);
	return turns != NULL ? 0 : -TG_ENOMEM;
}

static uint32_t
member(const struct wheel *w, const struct turn *turn, uint32_t at)
{
	return w->table->members[w->table->tiers[turn->tier].first + at];
}

static uint32_t
next_in_ring(const struct wheel *w, const struct turn *turn, uint32_t at)
{
	return at + 1 < w->table->tiers[turn->tier].n ? at + 1 : 0;
}

/* Place in the ring of the first that is not left out, from the cursor on; TG_VIEW_NONE: all are. */
static uint32_t
find_allowed(const struct wheel *w, const struct turn *turn, const struct view *view,
	     const struct balance_query *query)
{
	uint32_t most = balance_left_out_most(query);
	uint32_t n = w->table->tiers[turn->tier].n;
	uint32_t at = turn->cursor;
	uint32_t i;

	for (i = 0; i < n && i <= most; i++) {
		if (!balance_is_left_out(query, view->entries[member(w, turn, at)].backend))
			return at;
		at = next_in_ring(w, turn, at);
	}
	return TG_VIEW_NONE;
}

/* In the heap, or TG_VIEW_NONE. The root, unless a retry leaves out all of its tier. */
static uint32_t
find_turn(const struct wheel *w, const struct view *view, const struct balance_query *query)
{
	uint32_t best = TG_VIEW_NONE;
	uint32_t i;

	if (query->n_tried == 0 || find_allowed(w, &w->heap[0], view, query) != TG_VIEW_NONE)
		return 0;
	for (i = 1; i < w->table->n_tiers; i++) {
		if ((best == TG_VIEW_NONE || turn_is_before(&w->heap[i], &w->heap[best])) &&
		    find_allowed(w, &w->heap[i], view, query) != TG_VIEW_NONE)
			best = i;
	}
	return best;
}

/* Of a tier that has one which is not left out. Who is lost its turn. Another worker may suspect the last
 * one meanwhile. */
static uint32_t
take_member(const struct wheel *w, struct turn *turn, const struct view *view,
	    const struct balance_query *query)
{
	uint32_t at = query->n_tried == 0 ? turn->cursor : find_allowed(w, turn, view, query);

	if (at == TG_VIEW_NONE)
		at = turn->cursor;
	turn->cursor = next_in_ring(w, turn, at);
	return member(w, turn, at);
}

static void
move_on(struct wheel *w, uint32_t i)
{
	struct turn *turn = &w->heap[i];
	const struct tier *tier = &w->table->tiers[turn->tier];

	w->time = turn->position & (ROUND - 1);
	w->passed = turn->tier + 1;
	turn->position += tier->step;
	turn->rest += tier->rest;
	if (turn->rest >= tier->parts) {
		turn->rest -= tier->parts;
		turn->position++;
	}
	sift_down(w, i);
}

/* Tiers that a retry left out lost the turns they had by now: they failed it. */
static void
lose_turns(struct wheel *w, uint64_t now)
{
	uint32_t i;

	for (i = w->table->n_tiers; i-- > 0;) {
		struct turn *turn = &w->heap[i];
		uint64_t step = w->table->tiers[turn->tier].step;
		uint64_t behind = now - turn->position;

		if ((int64_t)behind <= 0)
			continue;
		turn->position += (behind + step - 1) / step * step;
		sift_down(w, i);
	}
}

static uint32_t
next_plain(struct wheel *w, const struct view *view, const struct balance_query *query)
{
	uint32_t most = balance_left_out_most(query);
	uint32_t i;

	for (i = 0; i < view->n && i <= most; i++) {
		uint32_t entry = w->cursor < view->n ? w->cursor : 0;

		w->cursor = entry + 1;
		if (!balance_is_left_out(query, view->entries[entry].backend))
			return entry;
	}
	return TG_VIEW_NONE;
}

static uint32_t
next_entry(struct wheel *w, const struct view *view, const struct balance_query *query)
{
	uint64_t now;
	uint32_t entry;
	uint32_t i;

	if (w->heap == NULL)
		return next_plain(w, view, query);
	i = find_turn(w, view, query);
	if (i == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	entry = take_member(w, &w->heap[i], view, query);
	now = w->heap[i].position;
	move_on(w, i);
	if (i != 0)
		lose_turns(w, now);
	return entry;
}

static uint32_t
round_robin_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	struct wheel *w = &b->wheels[query->n_tried == 0 ? WHEEL_FIRST : WHEEL_RETRIES];
	uint32_t entry = TG_VIEW_NONE;
	uint32_t i;

	if (view->n == 0)
		return TG_VIEW_NONE;
	for (i = 0; i < TURNS; i++) {
		entry = next_entry(w, view, query);
		if (entry == TG_VIEW_NONE || balance_load_take(view, entry))
			return entry;
	}
	return balance_take_any(view, query, entry);
}

static void
round_robin_free(struct balance *b)
{
	if (b == NULL)
		return;
	free(b->turns);
	free(b);
}

const struct balance_ops balance_round_robin = {
	.name = "round-robin",
	.id = TG_BALANCE_ROUND_ROBIN,
	.shared_new = plain_shared_new,
	.prepare = round_robin_prepare,
	.shared_free = plain_shared_free,
	.new = round_robin_new,
	.update = round_robin_update,
	.pick = round_robin_pick,
	.take = plain_take,
	.release = plain_release,
	.free = round_robin_free,
};
