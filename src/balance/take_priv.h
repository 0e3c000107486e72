/*
 * balance/take_priv.h: balance_take_any() under a condition of the algorithm.
 */
#ifndef TG_BALANCE_TAKE_PRIV_H
#define TG_BALANCE_TAKE_PRIV_H

#include "balance/balance.h"

/* The first entry with room, not tried, that `take` takes; else as balance_take_any(). */
uint32_t balance_take_where(const struct view *view, const struct balance_query *query,
			    uint32_t from,
			    bool (*take)(const void *arg, const struct view *view, uint32_t entry),
			    const void *arg);

#endif
