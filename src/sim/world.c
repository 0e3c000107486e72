#include "sim/world.h"

#include <stdlib.h>

_Static_assert(TG_REPLICAS_MAX <= 1u << TG_HEAP_PLACE_BITS, "a key has no room for the place");

/* One that waits. */
struct waiting {
	uint64_t came_us;
	uint32_t service_us;
};

struct world {
	const struct world_setup *setup;
	const struct workload *load;
	struct rng arrivals;
	struct rng services;
	double service_scale; /* microseconds of an exponential's unit */
	uint64_t now_us;
	uint64_t arrival_us;  /* the next; UINT64_MAX: none */
	size_t step;          /* of the load, where that is */
	struct replicas *replicas;
	struct heap_entry *heap;
	size_t heap_n;
	size_t heap_room;
	struct waiting *queue; /* a ring */
	uint32_t queue_mask;
	uint32_t queue_first;
	uint32_t queue_n;
	bool is_broken;        /* no memory: it stands still */
	struct meter meter;
	struct world_counts counts;
	void (*changed)(void *user, uint64_t now_us, uint32_t ready);
	void *user;
};

/*** Arrivals ***/

/* From `from_us` on, through as many steps as it takes. */
static uint64_t
next_arrival(struct world *w, uint64_t from_us)
{
	double left = (double)rng_exponential(&w->arrivals) / TG_RNG_ONE;

	for (; w->step < w->load->n; w->step++) {
		uint64_t end_us = (w->step + 1) * w->load->step_us;
		double per_us = w->load->rates[w->step] / 1e6;
		double most = (double)(end_us - from_us) * per_us;

		if (left < most)
			return from_us + (uint64_t)(left / per_us);
		left -= most;
		from_us = end_us;
	}
	return UINT64_MAX;
}

static uint32_t
draw_service(struct world *w)
{
	double us;

	if (w->setup->is_constant)
		return (uint32_t)w->setup->service_us;
	us = (double)rng_exponential(&w->services) * w->service_scale;
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/*** Making it ***/

static uint32_t
ring_room(uint32_t queue)
{
	uint32_t room = 1;

	while (room < queue)
		room *= 2;
	return room;
}

struct world *
world_new(const struct world_setup *setup, const struct workload *load, uint32_t n)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->setup = setup;
	w->load = load;
	w->service_scale = (double)setup->service_us / TG_RNG_ONE;
	rng_init(&w->arrivals, setup->seed, 1);
	rng_init(&w->services, setup->seed, 2);
	w->heap_room = 1024;
	w->heap = malloc(w->heap_room * sizeof(*w->heap));
	w->queue_mask = ring_room(setup->queue) - 1;
	w->queue = malloc((w->queue_mask + (size_t)1) * sizeof(*w->queue));
	w->replicas = replicas_new(setup->slots, setup->start_us, 0);
	if (w->heap == NULL || w->queue == NULL || w->replicas == NULL) {
		world_free(w);
		return NULL;
	}
	replicas_begin(w->replicas, n, 0);
	w->arrival_us = next_arrival(w, 0);
	return w;
}

void
world_free(struct world *w)
{
	if (w == NULL)
		return;
	replicas_free(w->replicas);
	free(w->heap);
	free(w->queue);
	free(w);
}

/*** What happens ***/

static bool
make_room(struct world *w)
{
	struct heap_entry *heap;

	if (w->heap_n < w->heap_room)
		return true;
	heap = realloc(w->heap, w->heap_room * 2 * sizeof(*heap));
	if (heap == NULL) {
		w->is_broken = true;
		return false;
	}
	w->heap = heap;
	w->heap_room *= 2;
	return true;
}

static void
serve(struct world *w, uint32_t place, uint64_t wait_us, uint32_t service_us)
{
	struct heap_entry e = {.key = heap_key(w->now_us + service_us, place),
			       .service_us = service_us,
			       .wait_us = (uint32_t)wait_us};

	w->counts.beyond += wait_us > w->setup->objective_us;
	if (make_room(w))
		heap_push(w->heap, &w->heap_n, e);
}

static void
refuse(struct world *w, uint64_t wait_us)
{
	w->counts.refused++;
	w->counts.beyond++;
	meter_ended(&w->meter, wait_us, 0, true);
}

static void
on_arrival(struct world *w)
{
	uint32_t service_us = draw_service(w);
	uint32_t place = w->queue_n == 0 ? replicas_take(w->replicas, w->now_us) : TG_REPLICA_NONE;

	w->counts.requests++;
	meter_arrived(&w->meter);
	if (place != TG_REPLICA_NONE)
		serve(w, place, 0, service_us);
	else if (w->queue_n < w->setup->queue)
		w->queue[(w->queue_first + w->queue_n++) & w->queue_mask] =
			(struct waiting){.came_us = w->now_us, .service_us = service_us};
	else
		refuse(w, 0);
	w->arrival_us = next_arrival(w, w->now_us);
}

static struct waiting
leave_queue(struct world *w)
{
	struct waiting first = w->queue[w->queue_first];

	w->queue_first = (w->queue_first + 1) & w->queue_mask;
	w->queue_n--;
	return first;
}

/* As long as there are both. */
static void
serve_waiting(struct world *w)
{
	while (w->queue_n > 0) {
		uint32_t place = replicas_take(w->replicas, w->now_us);
		struct waiting first;

		if (place == TG_REPLICA_NONE)
			return;
		first = leave_queue(w);
		serve(w, place, w->now_us - first.came_us, first.service_us);
	}
}

static void
on_end(struct world *w)
{
	struct heap_entry e = heap_pop(w->heap, &w->heap_n);

	replicas_release(w->replicas, heap_key_place(e.key), w->now_us);
	meter_ended(&w->meter, e.wait_us, e.service_us, false);
	serve_waiting(w);
}

static void
tell_ready(struct world *w)
{
	if (w->changed != NULL)
		w->changed(w->user, w->now_us, w->replicas->counts[TG_REPLICA_READY]);
}

static void
on_ready(struct world *w)
{
	replicas_made_ready(w->replicas, w->now_us);
	tell_ready(w);
	serve_waiting(w);
}

static void
on_timeout(struct world *w)
{
	struct waiting first = leave_queue(w);

	refuse(w, w->now_us - first.came_us);
}

/*** Time ***/

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
timeout_us(const struct world *w)
{
	return w->queue_n > 0 ? w->queue[w->queue_first].came_us + w->setup->queue_timeout_us
			      : UINT64_MAX;
}

/* Of what is due at one time: what frees places comes first, then who gives up, then who comes. */
void
world_run(struct world *w, uint64_t until_us)
{
	while (!w->is_broken) {
		uint64_t end_us = w->heap_n > 0 ? heap_key_us(w->heap[0].key) : UINT64_MAX;
		uint64_t ready_us = replicas_next_us(w->replicas);
		uint64_t give_up_us = timeout_us(w);
		uint64_t next_us = least(least(end_us, ready_us), least(give_up_us, w->arrival_us));

		if (next_us >= until_us)
			break;
		w->now_us = next_us;
		if (next_us == end_us)
			on_end(w);
		else if (next_us == ready_us)
			on_ready(w);
		else if (next_us == give_up_us)
			on_timeout(w);
		else
			on_arrival(w);
	}
	w->now_us = until_us;
}

bool
world_is_broken(const struct world *w)
{
	return w->is_broken;
}

void
world_scale(struct world *w, uint32_t desired)
{
	uint32_t before = w->replicas->counts[TG_REPLICA_READY];

	replicas_set(w->replicas, desired, w->now_us);
	if (w->replicas->counts[TG_REPLICA_READY] != before)
		tell_ready(w);
	serve_waiting(w);
}

uint64_t
world_now_us(const struct world *w)
{
	return w->now_us;
}

const struct replicas *
world_replicas(const struct world *w)
{
	return w->replicas;
}

const struct world_counts *
world_counts(const struct world *w)
{
	return &w->counts;
}

uint32_t
world_queued(const struct world *w)
{
	return w->queue_n;
}

struct meter *
world_meter(struct world *w)
{
	return &w->meter;
}

void
world_watch(struct world *w, void (*changed)(void *user, uint64_t now_us, uint32_t ready), void *user)
{
	w->changed = changed;
	w->user = user;
}
