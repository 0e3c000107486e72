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
 * All workers turn the same wheel, each from its own place on it.
 */
#include <stdlib.h>

#include "balance/balance.h"

/* Positions in one round. Times its parts, 64 bits hold that for 65,536 backends of any weight. */
#define ROUND (UINT64_C(1) << 32)
/* Of a turn: tiers begin at different ones, so that the turns of one fall between another's. */
#define PARTS 16u
/* Turns that full backends may lose before the bitmap is asked. */
#define TURNS 4u
/* Turns of a tier that may be owed at a time; more are lost. */
#define OWED_MAX 3u

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

struct balance_shared {
	struct segment_shared *const *loads;
};

struct turn {
	uint64_t position; /* wraps: compared by difference */
	uint64_t rest;
	uint32_t tier;
	uint32_t cursor; /* in its ring */
	uint32_t n_owed;
	uint32_t owed[OWED_MAX]; /* members that a retry left out: the next others are theirs */
};

struct balance {
	struct balance_shared *shared;
	uint64_t time;   /* position of the last pick, less than ROUND */
	uint32_t passed; /* tiers below had their turn at `time` */
	bool is_plain;   /* no memory: `cursor` goes around */
	uint32_t cursor;
	const struct table *table; /* of the worker's view; NULL: it is empty */
	struct turn *heap;         /* [table->n_tiers], smallest position first */
};

static struct balance_shared *
round_robin_shared_new(const struct conf_service *conf, struct segment_shared *const *loads)
{
	struct balance_shared *shared = calloc(1, sizeof(*shared));

	(void)conf;
	if (shared != NULL)
		shared->loads = loads;
	return shared;
}

static void
round_robin_shared_free(struct balance_shared *shared)
{
	free(shared);
}

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

	(void)seed;
	if (b == NULL)
		return NULL;
	b->shared = shared;
	b->time = ROUND / n_workers * worker;
	return b;
}

static bool
turn_is_before(const struct turn *a, const struct turn *b)
{
	int64_t ahead = (int64_t)(a->position - b->position);

	return ahead != 0 ? ahead < 0 : a->tier < b->tier;
}

static void
sift_down(struct balance *b, uint32_t i)
{
	struct turn moved = b->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= b->table->n_tiers)
			break;
		if (child + 1 < b->table->n_tiers &&
		    turn_is_before(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!turn_is_before(&b->heap[child], &moved))
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = moved;
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
	turn->n_owed = 0;
}

/* Goes on at the place of the wheel where the view before was. */
static int
round_robin_update(struct balance *b, const struct view *view)
{
	const struct table *table = view->table;
	struct turn *heap = realloc(b->heap, (table->n_tiers + 1) * sizeof(heap[0]));
	uint32_t i;

	b->table = table;
	b->is_plain = heap == NULL;
	if (heap == NULL)
		return -TG_ENOMEM;
	b->heap = heap;
	for (i = 0; i < table->n_tiers; i++)
		turn_init(&b->heap[i], table, i, b->time + (i < b->passed));
	for (i = table->n_tiers / 2; i-- > 0;)
		sift_down(b, i);
	return 0;
}

static uint32_t
member(const struct balance *b, const struct turn *turn, uint32_t at)
{
	return b->table->members[b->table->tiers[turn->tier].first + at];
}

static uint32_t
next_in_ring(const struct balance *b, const struct turn *turn, uint32_t at)
{
	return at + 1 < b->table->tiers[turn->tier].n ? at + 1 : 0;
}

/* Place in the ring of the first that was not tried, from the cursor on; TG_VIEW_NONE: all were. */
static uint32_t
find_untried(const struct balance *b, const struct turn *turn, const struct view *view,
	     const struct balance_query *query)
{
	uint32_t n = b->table->tiers[turn->tier].n;
	uint32_t at = turn->cursor;
	uint32_t i;

	for (i = 0; i < n && i <= query->n_tried; i++) {
		if (!balance_is_tried(query, view->entries[member(b, turn, at)].backend))
			return at;
		at = next_in_ring(b, turn, at);
	}
	return TG_VIEW_NONE;
}

/* In the heap, or TG_VIEW_NONE. The root, unless a retry has tried all of its tier. */
static uint32_t
find_turn(const struct balance *b, const struct view *view, const struct balance_query *query)
{
	uint32_t best = TG_VIEW_NONE;
	uint32_t i;

	if (query->n_tried == 0 || find_untried(b, &b->heap[0], view, query) != TG_VIEW_NONE)
		return 0;
	for (i = 1; i < b->table->n_tiers; i++) {
		if ((best == TG_VIEW_NONE || turn_is_before(&b->heap[i], &b->heap[best])) &&
		    find_untried(b, &b->heap[i], view, query) != TG_VIEW_NONE)
			best = i;
	}
	return best;
}

/* Entry that is owed a turn and was not tried, or TG_VIEW_NONE. */
static uint32_t
pay(struct turn *turn, const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = 0; i < turn->n_owed; i++) {
		uint32_t entry = turn->owed[i];

		if (balance_is_tried(query, view->entries[entry].backend))
			continue;
		turn->owed[i] = turn->owed[--turn->n_owed];
		return entry;
	}
	return TG_VIEW_NONE;
}

/* Of a tier that has one which was not tried. */
static uint32_t
take_member(const struct balance *b, struct turn *turn, const struct view *view,
	    const struct balance_query *query)
{
	uint32_t entry = pay(turn, view, query);
	uint32_t at;

	if (entry != TG_VIEW_NONE)
		return entry;
	at = query->n_tried == 0 ? turn->cursor : find_untried(b, turn, view, query);
	while (turn->cursor != at) {
		if (turn->n_owed < OWED_MAX)
			turn->owed[turn->n_owed++] = member(b, turn, turn->cursor);
		turn->cursor = next_in_ring(b, turn, turn->cursor);
	}
	turn->cursor = next_in_ring(b, turn, at);
	return member(b, turn, at);
}

static void
move_on(struct balance *b, uint32_t i)
{
	struct turn *turn = &b->heap[i];
	const struct tier *tier = &b->table->tiers[turn->tier];

	b->time = turn->position & (ROUND - 1);
	b->passed = turn->tier + 1;
	turn->position += tier->step;
	turn->rest += tier->rest;
	if (turn->rest >= tier->parts) {
		turn->rest -= tier->parts;
		turn->position++;
	}
	sift_down(b, i);
}

/* Tiers that retries left out have their turns later, but not all at once: they left them out for failures. */
static void
lose_turns(struct balance *b, uint64_t now)
{
	uint32_t i;

	for (i = b->table->n_tiers; i-- > 0;) {
		struct turn *turn = &b->heap[i];
		uint64_t step = b->table->tiers[turn->tier].step;
		uint64_t behind = now - turn->position;

		if ((int64_t)behind <= (int64_t)(OWED_MAX * step))
			continue;
		turn->position += (behind / step - OWED_MAX) * step;
		sift_down(b, i);
	}
}

static uint32_t
next_plain(struct balance *b, const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = 0; i < view->n && i <= query->n_tried; i++) {
		uint32_t entry = b->cursor < view->n ? b->cursor : 0;

		b->cursor = entry + 1;
		if (!balance_is_tried(query, view->entries[entry].backend))
			return entry;
	}
	return TG_VIEW_NONE;
}

static uint32_t
next_entry(struct balance *b, const struct view *view, const struct balance_query *query)
{
	uint64_t now;
	uint32_t entry;
	uint32_t i;

	if (b->is_plain)
		return next_plain(b, view, query);
	i = find_turn(b, view, query);
	if (i == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	entry = take_member(b, &b->heap[i], view, query);
	now = b->heap[i].position;
	move_on(b, i);
	if (i != 0)
		lose_turns(b, now);
	return entry;
}

static uint32_t
round_robin_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	uint32_t entry = TG_VIEW_NONE;
	uint32_t i;

	if (view->n == 0)
		return TG_VIEW_NONE;
	for (i = 0; i < TURNS; i++) {
		entry = next_entry(b, view, query);
		if (entry == TG_VIEW_NONE || balance_load_take(view, entry))
			return entry;
	}
	return balance_take_any(view, query, entry);
}

static bool
round_robin_take(struct balance *b, const struct view *view, uint32_t entry)
{
	(void)b;
	return balance_load_take(view, entry);
}

static void
round_robin_release(struct balance *b, const struct view *view, uint32_t backend,
		    const struct balance_outcome *outcome)
{
	(void)outcome;
	balance_load_release(view, backend, b->shared->loads[backend]);
}

static void
round_robin_free(struct balance *b)
{
	if (b == NULL)
		return;
	free(b->heap);
	free(b);
}

const struct balance_ops balance_round_robin = {
	.name = "round-robin",
	.id = TG_BALANCE_ROUND_ROBIN,
	.shared_new = round_robin_shared_new,
	.prepare = round_robin_prepare,
	.shared_free = round_robin_shared_free,
	.new = round_robin_new,
	.update = round_robin_update,
	.pick = round_robin_pick,
	.take = round_robin_take,
	.release = round_robin_release,
	.free = round_robin_free,
};
