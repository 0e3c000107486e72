/*
 * balance/least_conn.c: the backend with the fewest streams in flight per unit
 * of weight, exact across workers.
 *
 * One heap per service under one lock, ordered by (in flight + 1) / weight: the
 * load a backend would have with the stream that is being placed. Ties go to the one
 * picked longest ago. Taking and releasing move one element: O(log n), with
 * the lock held for that long only.
 */
#include <pthread.h>
#include <stdlib.h>

#include "balance/balance.h"

struct slot {
	uint64_t in_flight;
	uint64_t picked; /* number of the last pick: older first among equals */
	uint32_t weight;
	uint32_t place; /* in the heap; TG_VIEW_NONE: may not be picked */
};

struct balance_shared {
	struct segment_shared *const *loads;
	uint32_t n_backends;
	struct {
		pthread_mutex_t lock;
		/* Under lock. */
		uint64_t picks;
		uint32_t n;         /* in the heap */
		uint32_t *heap;     /* backend indexes */
		struct slot *slots; /* [n_backends] */
	} shared;
};

struct balance {
	struct balance_shared *shared;
};

static bool
is_before(const struct balance_shared *s, uint32_t a, uint32_t b)
{
	const struct slot *x = &s->shared.slots[a];
	const struct slot *y = &s->shared.slots[b];
	uint64_t left = (x->in_flight + 1) * y->weight;
	uint64_t right = (y->in_flight + 1) * x->weight;

	return left != right ? left < right : x->picked < y->picked;
}

static void
put(struct balance_shared *s, uint32_t place, uint32_t backend)
{
	s->shared.heap[place] = backend;
	s->shared.slots[backend].place = place;
}

static void
sift_down(struct balance_shared *s, uint32_t place)
{
	uint32_t moved = s->shared.heap[place];

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= s->shared.n)
			break;
		if (child + 1 < s->shared.n &&
		    is_before(s, s->shared.heap[child + 1], s->shared.heap[child]))
			child++;
		if (!is_before(s, s->shared.heap[child], moved))
			break;
		put(s, place, s->shared.heap[child]);
		place = child;
	}
	put(s, place, moved);
}

static void
sift_up(struct balance_shared *s, uint32_t place)
{
	uint32_t moved = s->shared.heap[place];

	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (!is_before(s, moved, s->shared.heap[parent]))
			break;
		put(s, place, s->shared.heap[parent]);
		place = parent;
	}
	put(s, place, moved);
}

static void
least_conn_shared_free(struct balance_shared *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->shared.lock);
	free(s->shared.heap);
	free(s->shared.slots);
	free(s);
}

static struct balance_shared *
least_conn_shared_new(const struct conf_service *conf, struct segment_shared *const *loads)
{
	struct balance_shared *s = calloc(1, sizeof(*s));
	uint32_t i;

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->shared.lock, NULL);
	s->loads = loads;
	s->n_backends = (uint32_t)conf->n_backends;
	s->shared.heap = calloc(conf->n_backends + 1, sizeof(s->shared.heap[0]));
	s->shared.slots = calloc(conf->n_backends + 1, sizeof(s->shared.slots[0]));
	if (s->shared.heap == NULL || s->shared.slots == NULL) {
		least_conn_shared_free(s);
		return NULL;
	}
	for (i = 0; i < s->n_backends; i++)
		s->shared.slots[i].place = TG_VIEW_NONE;
	return s;
}

static int
least_conn_prepare(struct balance_shared *s, struct view *view)
{
	uint32_t i;

	pthread_mutex_lock(&s->shared.lock);
	for (i = 0; i < s->n_backends; i++)
		s->shared.slots[i].place = TG_VIEW_NONE;
	s->shared.n = view->n;
	for (i = 0; i < view->n; i++) {
		s->shared.slots[view->entries[i].backend].weight = view->entries[i].weight;
		put(s, i, view->entries[i].backend);
	}
	for (i = view->n / 2; i-- > 0;)
		sift_down(s, i);
	pthread_mutex_unlock(&s->shared.lock);
	return 0;
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

/* Best of the heap that this worker knows and the stream has not tried. The root nearly always. */
static uint32_t
find_best(const struct balance_shared *s, const struct view *view,
	  const struct balance_query *query)
{
	uint32_t best = TG_VIEW_NONE;
	uint32_t i;

	for (i = 0; i < s->shared.n; i++) {
		uint32_t backend = s->shared.heap[i];

		if (view->entry_of[backend] == TG_VIEW_NONE || balance_is_tried(query, backend))
			continue;
		if (i == 0)
			return backend;
		if (best == TG_VIEW_NONE || is_before(s, backend, best))
			best = backend;
	}
	return best;
}

/* The worker's view is older than the heap and they share no backend: the best of the view. */
static uint32_t
find_in_view(const struct balance_shared *s, const struct view *view,
	     const struct balance_query *query)
{
	uint32_t best = TG_VIEW_NONE;
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		uint32_t backend = view->entries[i].backend;

		if (!balance_is_tried(query, backend) &&
		    (best == TG_VIEW_NONE || is_before(s, backend, best)))
			best = backend;
	}
	return best;
}

/* The load of this backend was taken. */
static void
count_take(struct balance_shared *s, uint32_t backend)
{
	struct slot *slot = &s->shared.slots[backend];

	slot->in_flight++;
	slot->picked = ++s->shared.picks;
	if (slot->place != TG_VIEW_NONE)
		sift_down(s, slot->place);
}

static uint32_t
least_conn_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	struct balance_shared *s = b->shared;
	uint32_t entry = TG_VIEW_NONE;
	uint32_t backend;

	pthread_mutex_lock(&s->shared.lock);
	backend = find_best(s, view, query);
	if (backend == TG_VIEW_NONE)
		backend = find_in_view(s, view, query);
	if (backend != TG_VIEW_NONE)
		entry = view->entry_of[backend];
	if (entry != TG_VIEW_NONE && !balance_load_take(view, entry))
		entry = balance_take_any(view, query, entry);
	if (entry != TG_VIEW_NONE)
		count_take(s, view->entries[entry].backend);
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
		count_take(s, view->entries[entry].backend);
	pthread_mutex_unlock(&s->shared.lock);
	return taken;
}

static void
least_conn_release(struct balance *b, const struct view *view, uint32_t backend,
		   const struct balance_outcome *outcome)
{
	struct balance_shared *s = b->shared;
	struct slot *slot = &s->shared.slots[backend];

	(void)outcome;
	pthread_mutex_lock(&s->shared.lock);
	slot->in_flight--;
	balance_load_release(view, backend, s->loads[backend]);
	if (slot->place != TG_VIEW_NONE)
		sift_up(s, slot->place);
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
