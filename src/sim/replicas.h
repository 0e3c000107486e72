/*
 * sim/replicas.h: the backends of the simulated service, each with the same number of slots: asked for, ready after
 * the start delay, draining until nothing is in flight.
 *
 * Those that are ready are in a list for each number of requests in flight, so that the least loaded one is found
 * without a search however many there are. Bounded: TG_REPLICAS_MAX that are not gone.
 */
#ifndef TG_SIM_REPLICAS_H
#define TG_SIM_REPLICAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define TG_REPLICAS_MAX 4096u
#define TG_REPLICA_NONE UINT32_MAX

enum replica_state {
	TG_REPLICA_GONE = 0,
	TG_REPLICA_STARTING = 1,
	TG_REPLICA_READY = 2,
	TG_REPLICA_DRAINING = 3,
	TG_REPLICA_STATE_COUNT
};

struct replica {
	uint32_t prev; /* in the list of its state, or of its number in flight */
	uint32_t next;
	uint32_t in_flight;
	enum replica_state state;
	uint64_t since_us;   /* in this state */
	uint64_t busy_us;    /* slots in use, by time, up to touched_us */
	uint64_t touched_us;
};

/* Owned by its world. */
struct replicas {
	uint32_t slots;
	uint64_t start_us;
	uint32_t n; /* of `all`, those that were ever used */
	uint32_t counts[TG_REPLICA_STATE_COUNT];
	uint32_t lowest;   /* no list below has a member */
	uint32_t *loaded;  /* [in flight]: the first that is ready; slots + 1 of them */
	uint32_t starting; /* the one asked for first */
	uint32_t asked;    /* the one asked for last */
	uint32_t draining;
	uint32_t gone;
	uint32_t in_flight; /* of all */
	uint64_t alive_us;  /* all that are not gone, by time, up to touched_us */
	uint64_t touched_us;
	struct replica all[TG_REPLICAS_MAX];
};

/* Freed with replicas_free(). NULL: no memory. */
struct replicas *replicas_new(uint32_t slots, uint64_t start_us, uint64_t now_us);
void replicas_free(struct replicas *r); /* NULL allowed */

/* How many there are that are ready, or will be. */
uint32_t replicas_wanted(const struct replicas *r);
/* As many as `desired` that are ready or on their way: those that drain come back first; those that were asked for
 * last go first, then those with the fewest in flight. */
void replicas_set(struct replicas *r, uint32_t desired, uint64_t now_us);
/* Begins with `n` that are ready. */
void replicas_begin(struct replicas *r, uint32_t n, uint64_t now_us);

/* When the next one is ready; UINT64_MAX: none is on its way. */
uint64_t replicas_next_us(const struct replicas *r);
/* It is. */
void replicas_made_ready(struct replicas *r, uint64_t now_us);

/* One more at the least loaded; TG_REPLICA_NONE: no slot is free. */
uint32_t replicas_take(struct replicas *r, uint64_t now_us);
/* It is done with one. */
void replicas_release(struct replicas *r, uint32_t i, uint64_t now_us);

/* Of one, up to now. */
uint64_t replica_busy_us(const struct replica *p, uint64_t now_us);
/* Of all, up to now. */
uint64_t replicas_alive_us(const struct replicas *r, uint64_t now_us);

#endif
