/*
 * sim/world.h: a service in virtual time, request by request: arrivals, one queue with a deadline, backends with
 * slots. Next comes what is due first; nothing waits for a clock.
 *
 * Times are microseconds since the begin of the load. When requests come, and how long each takes, is drawn of the
 * seed alone and not of what is decided, so that all modules meet the same requests.
 */
#ifndef TG_SIM_WORLD_H
#define TG_SIM_WORLD_H

#include "sim/heap.h"
#include "sim/meter.h"
#include "sim/replicas.h"
#include "sim/rng.h"
#include "sim/workload.h"

#define TG_WORLD_SLOTS_MAX 10000u
#define TG_WORLD_QUEUE_MAX (1u << 20)
#define TG_WORLD_SERVICE_MS_MAX 300000u /* mean; of 14 times as long there are none in a million */

/* What does not change. A value. */
struct world_setup {
	uint32_t slots;             /* requests a backend serves at a time */
	uint64_t service_us;        /* mean */
	bool is_constant;           /* each takes the mean; else exponential */
	uint64_t start_us;          /* from asked for to ready */
	uint32_t queue;             /* requests that may wait; 0: none */
	uint64_t queue_timeout_us;
	uint64_t objective_us;      /* who waits longer is beyond it, and who is refused */
	uint64_t seed;
};

/* Since the begin. A value. */
struct world_counts {
	uint64_t requests;
	uint64_t beyond;  /* those that waited longer than the objective, and those that were refused */
	uint64_t refused; /* the queue was full, or it took too long */
};

struct world;

/* `load` and `setup` outlive it. `n` backends are ready. NULL: no memory. */
struct world *world_new(const struct world_setup *setup, const struct workload *load, uint32_t n);
void world_free(struct world *w); /* NULL allowed */

/* All that is due before then, and the time is then. */
void world_run(struct world *w, uint64_t until_us);
/* There was no memory: nothing happens in it any more. */
bool world_is_broken(const struct world *w);
uint64_t world_now_us(const struct world *w);

/* From now on, as many. */
void world_scale(struct world *w, uint32_t desired);

const struct replicas *world_replicas(const struct world *w);
const struct world_counts *world_counts(const struct world *w);
uint32_t world_queued(const struct world *w);
/* What was counted since it was taken. */
struct meter *world_meter(struct world *w);
/* Called with each change of how many are ready, and how many that is from then on. */
void world_watch(struct world *w, void (*changed)(void *user, uint64_t now_us, uint32_t ready),
		 void *user);

#endif
