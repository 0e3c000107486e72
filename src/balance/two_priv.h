/*
 * balance/two_priv.h: the better of two weighted random choices (Mitzenmacher,
 * "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 2001).
 */
#ifndef TG_BALANCE_TWO_PRIV_H
#define TG_BALANCE_TWO_PRIV_H

#include "balance/ahead_priv.h"
#include "balance/balance.h"

/*
 * Entry with its load taken, or TG_VIEW_NONE. `is_better`: whether entry a is to
 * be had rather than entry b.
 */
uint32_t two_pick(struct ahead *ahead, const struct view *view, const struct balance_query *query,
		  bool (*is_better)(const void *arg, const struct view *view, uint32_t a,
				    uint32_t b),
		  const void *arg);

/* Streams in flight at the entry; never negative. */
static inline uint64_t
two_in_flight(const struct view_entry *e)
{
	int64_t n = atomic_load_explicit(&e->load->in_flight, memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

/* Whether a has at most as much load per weight as b: of two that are idle, the first choice is had. */
static inline bool
two_is_less_loaded(const struct view *view, uint32_t a, uint32_t b)
{
	const struct view_entry *x = &view->entries[a];
	const struct view_entry *y = &view->entries[b];

	return two_in_flight(x) * y->weight <= two_in_flight(y) * x->weight;
}

#endif
