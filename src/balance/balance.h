/*
 * balance/balance.h: how a backend is picked, one implementation per file, one
 * code for L4 and L7.
 *
 * A balancer has a part shared by all workers (`struct balance_shared`, which
 * guards itself) and a part of one worker (`struct balance`). A pick takes the
 * load: it counts the stream in the backend's exact in-flight number, and each
 * pick is followed by exactly one release.
 */
#ifndef TG_BALANCE_BALANCE_H
#define TG_BALANCE_BALANCE_H

#include "backend/view.h"

/* Backends one stream may have tried before the current pick. */
#define TG_BALANCE_TRIED_MAX 4

struct balance_query {
	uint32_t tried[TG_BALANCE_TRIED_MAX]; /* backend indexes to leave out */
	unsigned n_tried;
};

struct balance_shared;
struct balance;

struct balance_ops {
	const char *name;
	enum conf_balance id;
	/* Once per service. `loads` [conf->n_backends] outlive it. NULL: no memory. */
	struct balance_shared *(*shared_new)(const struct conf_service *conf,
					     struct segment_shared *const *loads);
	/* Control thread, when the set of backends changed; before workers see the view. */
	void (*shared_update)(struct balance_shared *shared, const struct view *view);
	void (*shared_free)(struct balance_shared *shared); /* takes NULL */
	/* Once per service and worker. NULL: no memory. */
	struct balance *(*new)(struct balance_shared *shared, unsigned worker, unsigned n_workers);
	/* The worker's view changed. -TG_ENOMEM keeps the old order for the new view. */
	int (*update)(struct balance *b, const struct view *view);
	/* Per stream; no allocation, no clock, no I/O. Index in view->entries with its load
	 * taken, or TG_VIEW_NONE: all tried or none there. */
	uint32_t (*pick)(struct balance *b, const struct view *view,
			 const struct balance_query *query);
	/* The stream that took this backend is over. */
	void (*release)(struct balance *b, uint32_t backend);
	void (*free)(struct balance *b); /* takes NULL */
};

extern const struct balance_ops balance_round_robin;
extern const struct balance_ops balance_least_conn;

/* Never NULL for a checked configuration. */
const struct balance_ops *balance_find(enum conf_balance id);

static inline bool
balance_is_tried(const struct balance_query *query, uint32_t backend)
{
	unsigned i;

	for (i = 0; i < query->n_tried; i++) {
		if (query->tried[i] == backend)
			return true;
	}
	return false;
}

static inline void
balance_load_take(struct segment_shared *load)
{
	atomic_fetch_add_explicit(&load->in_flight, 1, memory_order_relaxed);
}

static inline void
balance_load_release(struct segment_shared *load)
{
	atomic_fetch_sub_explicit(&load->in_flight, 1, memory_order_relaxed);
}

#endif
