/*
 * backend/budget.h: how many tries after the first a service may make, so that
 * retries never multiply the load of backends that are in trouble.
 *
 * A share of the requests of the last TG_BUDGET_SECONDS, and a floor on top so
 * that quiet services may retry at all. Each worker counts its own requests and the retries
 * that are its share of them; what is beyond comes from the floor, one per service, which
 * workers touch for such a retry only. No clock. (Finagle RetryBudget; Google SRE book,
 * chapter 21.)
 */
#ifndef TG_BACKEND_BUDGET_H
#define TG_BACKEND_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TG_BUDGET_SECONDS 10u
/* Retries a second that are always allowed, all workers together. */
#define TG_BUDGET_FLOOR 10u

/* Zeroed: all is there. */
struct budget_floor {
	_Atomic uint64_t seconds[TG_BUDGET_SECONDS]; /* which one << 16 | retries in it */
};

struct budget {
	struct budget_floor *floor; /* the service's */
	uint32_t share_permille;    /* of the requests */
	uint64_t second;         /* the one that is counted now */
	uint32_t requests[TG_BUDGET_SECONDS];
	uint32_t retries[TG_BUDGET_SECONDS]; /* within the share */
	uint64_t n_requests; /* sums of the above */
	uint64_t n_retries;
};

/* Storage is the caller's; the floor outlives it. */
void budget_init(struct budget *b, uint32_t share_permille, struct budget_floor *floor);
/* Another share and floor from now on; what was counted stays. */
void budget_configure(struct budget *b, uint32_t share_permille, struct budget_floor *floor);
/* A request came. */
void budget_deposit(struct budget *b, struct mono now);
/* Takes one retry; false: the budget is used up. Of workers that take the floor's last at the same
 * moment each may have one. */
bool budget_withdraw(struct budget *b, struct mono now);

#endif
