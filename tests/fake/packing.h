/*
 * fake/packing.h: instances of two-dimensional vector packing, and how few nodes they need at least.
 *
 * The ten classes of Caprara and Toth, Lower bounds and algorithms for the 2-dimensional vector packing
 * problem (2001). One instance is a cluster of equal nodes, and each thing that is packed is a group of its own.
 */
#ifndef TG_FAKE_PACKING_H
#define TG_FAKE_PACKING_H

#include "sched/sched.h"

#define PACKING_CLASSES 10u
#define PACKING_MAX     256u /* things */

struct packing_case {
	uint32_t n;         /* class 10 is of triplets: a multiple of three */
	int64_t capacity[2];
	int64_t sizes[PACKING_MAX][2];
};

/* The same for the same class (1 to 10), n and number. */
void packing_make(struct packing_case *ret, unsigned class, uint32_t n, unsigned number);

/* Nodes that are needed at least, by each way to know. */
enum packing_bound {
	PACKING_CONTINUOUS = 0, /* what is needed in all, by what a node has: the greater of both resources */
	PACKING_MARTELLO_TOTH,  /* L2 of each resource, and of their sum */
	PACKING_FEKETE_SCHEPERS, /* dual feasible functions u(k), k to 100, of the same */
	PACKING_BOUND_COUNT
};
const char *packing_bound_str(enum packing_bound bound);
uint32_t packing_bound(const struct packing_case *c, enum packing_bound bound);

/* How many nodes a scheduler needs: the least number on which it places all, from `least` on. 0: no memory. */
uint32_t packing_nodes(const struct packing_case *c, const struct tg_module *module, uint32_t least);

/* What pack() finds and proves on `n_nodes`, in a process of its own, as the keeper asks it. */
struct packing_solved {
	uint32_t used; /* nodes; 0: no answer, or not all have a place */
	double bound;  /* at least so many must be used; NAN: it has proved nothing */
};
struct packing_solved packing_solve(const struct packing_case *c, const struct tg_module *module,
				    const struct tg_value *values, uint32_t n_nodes,
				    uint32_t deadline_ms);

/* Numbers for tests: the state is the caller's. From `least` to `most`, both included. */
int64_t packing_random(uint64_t *state, int64_t least, int64_t most);

#endif
