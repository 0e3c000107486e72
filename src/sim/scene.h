/*
 * sim/scene.h: what all policies of a comparison meet: the load, the service, the objective, what things cost, and
 * how many backends each step of the load needs.
 */
#ifndef TG_SIM_SCENE_H
#define TG_SIM_SCENE_H

#include "sim/world.h"

#define TG_SCENE_BACKENDS_MAX 1024u /* the most that a key max allows */

struct scene {
	struct world_setup world;
	struct workload load;
	double share;      /* of requests that may wait longer than the objective */
	double penalty;    /* a request beyond the objective costs as much as so many take of a backend */
	double per_switch; /* seconds of a backend that a start or a stop costs */
	uint64_t notice_us; /* of a new rate: sim/informed.h */
	uint32_t min;
	uint32_t max;
	uint32_t *need;    /* per step of the load: fewest backends that hold the objective, `min` at least */
	uint32_t most;     /* the greatest of them */
};

/* Fills `need`; load and all above are set. Freed with scene_fini(), with the load. -TG_ENOMEM. */
TG_MUST_CHECK int scene_init(struct scene *s, struct err *err);
void scene_fini(struct scene *s);

/*
 * The share of requests that wait longer than the objective when `rate` come per second, for 0 to n backends:
 * P(W > t) = C exp(-(servers - a) t / service) of an M/M/n queue in its steady state; 1 where the servers cannot keep
 * up. The exponential is made of the four operations alone.
 */
void scene_tails(const struct scene *s, double rate, uint32_t n, double *ret);

/* More than anybody would want for `rate` requests per second: half as much again as they keep busy, and some. */
uint32_t scene_enough(const struct scene *s, double rate);

/* What a request beyond the objective costs, in seconds of a backend. */
double scene_penalty_s(const struct scene *s);

#endif
