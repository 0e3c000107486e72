/*
 * backend/budget.h: how many tries after the first a service may make, so that
 * retries never multiply the load of backends that are in trouble.
 *
 * A share of the requests of the last TG_BUDGET_SECONDS, and a floor on top so
 * that quiet services may retry at all. Pure; one per service and worker, which
 * divide the floor. (Finagle RetryBudget; Google SRE book, chapter 21.)
 */
#ifndef TG_BACKEND_BUDGET_H
#define TG_BACKEND_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TG_BUDGET_SECONDS 10u
/* Retries a second that are always allowed, all workers together. */
#define TG_BUDGET_FLOOR 10u

struct budget {
	uint32_t share_permille; /* of the requests */
	uint32_t floor;          /* in TG_BUDGET_SECONDS */
	uint64_t second;         /* the one that is counted now */
	uint32_t requests[TG_BUDGET_SECONDS];
	uint32_t retries[TG_BUDGET_SECONDS];
	uint64_t n_requests; /* sums of the above */
	uint64_t n_retries;
};

/* Storage is the caller's. */
void budget_init(struct budget *b, uint32_t share_permille, unsigned n_workers);
/* A request came. */
void budget_deposit(struct budget *b, struct mono now);
/* Takes one retry; false: the budget is used up. */
bool budget_withdraw(struct budget *b, struct mono now);

#endif
