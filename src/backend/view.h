/*
 * backend/view.h: the backends of one service that may be picked, as they are now.
 *
 * Immutable once published. Made by the registry (control thread of the
 * proxy), shared by all workers, freed when the last of them has moved on.
 */
#ifndef TG_BACKEND_VIEW_H
#define TG_BACKEND_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "backend/room.h"
#include "conf/conf.h"
#include "ipc/segment.h"

struct queue;

#define TG_VIEW_NONE UINT32_MAX
/* Weights in a view are configured weights times this: ramps need fractions. */
#define TG_WEIGHT_SCALE 16u
#define TG_WEIGHT_MAX   (256u * TG_WEIGHT_SCALE)

/* What picks look at, and no more: thousands of them fit into the processor's caches, and none is in
 * two lines of them. */
struct view_entry {
	_Alignas(16) struct segment_load *load;   /* exact streams in flight, all workers */
	uint32_t backend;                         /* index in conf->backends */
	uint32_t weight;                          /* 1..TG_WEIGHT_MAX */
};

_Static_assert(sizeof(struct view_entry) == 16, "picks of thousands would miss more caches");

struct view {
	_Atomic unsigned refs;
	const struct conf_service *conf; /* outlives the view */
	uint32_t n;                      /* entries; behind them stand spares, see spare.h */
	bool is_backup;                  /* the entries are the backups: no other is up */
	bool is_limited;                 /* some entry has a limit */
	struct room *room;               /* who has room; NULL: the service has no limits */
	struct queue *queue;             /* who waits for it, or is held; NULL: nobody may */
	struct mono refused_until;       /* nobody is held, come again then; unset: they are */
	void *table;                     /* what the balancer worked out of the entries, or NULL */
	void (*table_free)(void *table); /* with the view */
	uint32_t *limits;                /* [n and spares]: see view_limit() */
	uint32_t *entry_of;              /* [conf->n_backends]: index in entries, or TG_VIEW_NONE */
	uint32_t *spare_of;              /* the same of spares */
	struct addr *addrs;              /* [n and spares]: where each entry is */
	uint64_t number;                 /* of its service, from 1; 0: who made it counts none */
	uint32_t *moved; /* backends that are elsewhere than by the number before, in this view or out of it */
	uint32_t n_moved;
	/* Spares of tier t are from tier_end[t - 1] on, to before tier_end[t]. */
	uint32_t tier_end[TG_TIER_MAX + 1];
	struct view_entry entries[];
};

/* Room for `n` entries and spares, and an empty entry_of and spare_of, nothing moved; NULL: no memory. One reference. */
struct view *view_new(const struct conf_service *conf, uint32_t n);
struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* NULL allowed */
/* Whole seconds from now to refused_until, as a client is told: 1 at least, a day at most. */
uint32_t view_refusal_s(const struct view *view, struct mono now);

/* Streams at a time, of all workers together; 0: no limit. While it is made: */
static inline void
view_set_limit(struct view *view, uint32_t entry, uint32_t limit)
{
	view->limits[entry] = limit;
	view->is_limited |= limit != 0;
}

static inline uint32_t
view_limit(const struct view *view, uint32_t entry)
{
	return view->is_limited ? view->limits[entry] : 0;
}

#endif
