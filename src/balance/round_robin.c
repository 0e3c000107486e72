/*
 * balance/round_robin.c: each backend in turn, as often as its weight says.
 *
 * Stride scheduling (Waldspurger and Weihl, 1995): every backend has a next
 * position; the smallest is picked and moved on by 1/weight, so picks of one
 * backend are spread as evenly as they can be. A heap gives O(log n); equal
 * weights are a plain ring, O(1). Each worker turns on its own and starts at
 * another place, so that workers do not meet.
 */
#include <stdlib.h>

#include "balance/balance.h"

/* Position of weight 1; divisible enough that 256 weights stay within 0.01 %. */
#define STRIDE (UINT64_C(1) << 24)

struct balance_shared {
	struct segment_shared *const *loads;
};

struct turn {
	uint64_t position;
	uint32_t entry;
};

struct balance {
	struct balance_shared *shared;
	unsigned worker;
	unsigned n_workers;
	bool is_equal; /* all weights are the same: `next` turns, the heap rests */
	uint32_t next;
	uint32_t n;
	struct turn *heap; /* [n], smallest position first */
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

static int
round_robin_prepare(struct balance_shared *shared, struct view *view)
{
	(void)shared;
	(void)view;
	return 0;
}

static void
round_robin_shared_free(struct balance_shared *shared)
{
	free(shared);
}

static struct balance *
round_robin_new(struct balance_shared *shared, unsigned worker, unsigned n_workers, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));

	(void)seed;
	if (b == NULL)
		return NULL;
	b->shared = shared;
	b->worker = worker;
	b->n_workers = n_workers;
	b->is_equal = true;
	return b;
}

static bool
turn_is_before(const struct turn *a, const struct turn *b)
{
	return a->position != b->position ? a->position < b->position : a->entry < b->entry;
}

static void
sift_down(struct balance *b, uint32_t i)
{
	struct turn moved = b->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= b->n)
			break;
		if (child + 1 < b->n && turn_is_before(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!turn_is_before(&b->heap[child], &moved))
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = moved;
}

/* The first position is half a stride on, and a worker's share further: heavy ones spread around light ones. */
static void
heap_build(struct balance *b, const struct view *view)
{
	uint32_t i;

	for (i = 0; i < b->n; i++) {
		uint64_t stride = STRIDE / view->entries[i].weight;

		b->heap[i].entry = i;
		b->heap[i].position = stride / 2 + stride / 2 * ((i + b->worker) % b->n) / b->n;
	}
	for (i = b->n / 2; i-- > 0;)
		sift_down(b, i);
}

static int
round_robin_update(struct balance *b, const struct view *view)
{
	struct turn *heap;
	bool equal = true;
	uint32_t i;

	for (i = 1; i < view->n && equal; i++)
		equal = view->entries[i].weight == view->entries[0].weight;
	b->is_equal = equal;
	b->n = equal ? 0 : view->n;
	if (equal) {
		/* Keep turning where we were; the first time, start at this worker's share. */
		if (b->next == 0 && view->n > 0)
			b->next = (uint32_t)((uint64_t)view->n * b->worker / b->n_workers);
		return 0;
	}
	heap = realloc(b->heap, view->n * sizeof(heap[0]));
	if (heap == NULL) {
		b->is_equal = true;
		b->n = 0;
		return -TG_ENOMEM;
	}
	b->heap = heap;
	heap_build(b, view);
	return 0;
}

static uint32_t
pick_ring(struct balance *b, const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = 0; i < view->n && i <= query->n_tried; i++) {
		uint32_t entry = b->next < view->n ? b->next : 0;

		b->next = entry + 1;
		if (!balance_is_tried(query, view->entries[entry].backend))
			return entry;
	}
	return TG_VIEW_NONE;
}

/* A backend left out keeps its turn: positions move for the picked one alone. */
static uint32_t
pick_heap(struct balance *b, const struct view *view, const struct balance_query *query)
{
	uint32_t best = TG_VIEW_NONE;
	uint32_t i;

	if (query->n_tried == 0)
		best = 0;
	else
		for (i = 0; i < b->n; i++) {
			if (!balance_is_tried(query, view->entries[b->heap[i].entry].backend) &&
			    (best == TG_VIEW_NONE || turn_is_before(&b->heap[i], &b->heap[best])))
				best = i;
		}
	if (best == TG_VIEW_NONE)
		return TG_VIEW_NONE;
	i = b->heap[best].entry;
	b->heap[best].position += STRIDE / view->entries[i].weight;
	sift_down(b, best);
	return i;
}

static uint32_t
round_robin_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	uint32_t entry;

	if (view->n == 0)
		return TG_VIEW_NONE;
	entry = b->is_equal ? pick_ring(b, view, query) : pick_heap(b, view, query);
	if (entry == TG_VIEW_NONE || balance_load_take(view, entry))
		return entry;
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
