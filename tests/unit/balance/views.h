/* A service of up to 10,000 backends, its loads, and views of it. */
#ifndef TG_TESTS_UNIT_BALANCE_VIEWS_H
#define TG_TESTS_UNIT_BALANCE_VIEWS_H

#include <stdlib.h>

#include "balance/balance.h"

#define BACKENDS_MAX 10000

struct backends {
	struct conf_service conf;
	struct segment_shared *loads[BACKENDS_MAX];
	struct segment_shared load[BACKENDS_MAX];
};

static inline void
backends_init(struct backends *b, size_t n)
{
	b->conf = (struct conf_service){.n_backends = n};
	for (size_t i = 0; i < n; i++) {
		b->loads[i] = &b->load[i];
		atomic_init(&b->load[i].in_flight, 0);
	}
}

/* Those with a weight above 0. Owned by the caller; NULL: no memory. */
static inline struct view *
backends_view(struct backends *b, const uint32_t *weights)
{
	struct view *view = view_new(&b->conf, (uint32_t)b->conf.n_backends);

	for (uint32_t i = 0; view != NULL && i < b->conf.n_backends; i++) {
		if (weights[i] == 0)
			continue;
		view->entry_of[i] = view->n;
		view->entries[view->n++] = (struct view_entry){
			.backend = i,
			.weight = weights[i],
			.load = b->loads[i],
		};
	}
	return view;
}

static inline int64_t
backends_in_flight(const struct backends *b)
{
	int64_t sum = 0;

	for (size_t i = 0; i < b->conf.n_backends; i++)
		sum += atomic_load(&b->load[i].in_flight);
	return sum;
}

#endif
