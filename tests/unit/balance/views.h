/* A service of up to 10,000 backends, its loads and limits, and views of it. */
#ifndef TG_TESTS_UNIT_BALANCE_VIEWS_H
#define TG_TESTS_UNIT_BALANCE_VIEWS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance/balance.h"

#define BACKENDS_MAX 10000

struct backends {
	struct conf_service conf;
	struct conf_backend conf_backends[BACKENDS_MAX];
	char names[BACKENDS_MAX][32];
	uint32_t limits[BACKENDS_MAX];
	struct room *room; /* NULL: nobody has a limit */
	struct segment_load *loads[BACKENDS_MAX];
	/* As they are in a segment. */
	_Alignas(TG_CACHELINE) unsigned char load[BACKENDS_MAX * TG_CACHELINE];
};

/* No limits; each configured with weight 1. */
static inline void
backends_init(struct backends *b, size_t n)
{
	b->conf = (struct conf_service){
		.n_backends = n,
		.backends = b->conf_backends,
		.hash_bound_permille = 1250,
		.ewma_decay_ms = 10000,
	};
	b->room = NULL;
	for (size_t i = 0; i < n; i++) {
		snprintf(b->names[i], sizeof(b->names[i]), "backend-%zu", i);
		b->conf_backends[i] = (struct conf_backend){
			.name = b->names[i], .index = (unsigned)i, .weight = 1};
		b->limits[i] = 0;
		b->loads[i] = (void *)&b->load[lone_at((uint32_t)i, sizeof(struct segment_load))];
		atomic_init(&b->loads[i]->in_flight, 0);
	}
}

/* From the next view on. The room is freed by backends_fini(). False: no memory. */
static inline bool
backends_limit(struct backends *b, const uint32_t *limits)
{
	if (b->room == NULL)
		b->room = room_new((uint32_t)b->conf.n_backends);
	memcpy(b->limits, limits, b->conf.n_backends * sizeof(limits[0]));
	return b->room != NULL;
}

static inline void
backends_fini(struct backends *b)
{
	room_free(b->room);
	b->room = NULL;
}

/* Those with a weight above 0. Owned by the caller; NULL: no memory. */
static inline struct view *
backends_view(struct backends *b, const uint32_t *weights)
{
	struct view *view = view_new(&b->conf, (uint32_t)b->conf.n_backends);

	for (uint32_t i = 0; view != NULL && i < b->conf.n_backends; i++) {
		if (b->room != NULL)
			room_close(b->room, i);
		if (weights[i] == 0)
			continue;
		if (b->room != NULL)
			room_open(b->room, i);
		view->room = b->room;
		view->entry_of[i] = view->n;
		view_set_limit(view, view->n, b->limits[i]);
		view->entries[view->n++] = (struct view_entry){
			.load = b->loads[i],
			.backend = i,
			.weight = weights[i] * TG_WEIGHT_SCALE,
		};
	}
	return view;
}

static inline int64_t
backends_load(const struct backends *b, uint32_t backend)
{
	return atomic_load(&b->loads[backend]->in_flight);
}

static inline int64_t
backends_in_flight(const struct backends *b)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < b->conf.n_backends; i++)
		sum += backends_load(b, i);
	return sum;
}

#endif
