#include "backend/budget.h"

#include <stdatomic.h>

#define COUNT_BITS 16u
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define FLOOR      (TG_BUDGET_FLOOR * TG_BUDGET_SECONDS)

void
budget_init(struct budget *b, uint32_t share_permille, struct budget_floor *floor)
{
	*b = (struct budget){.share_permille = share_permille, .floor = floor};
}

void
budget_configure(struct budget *b, uint32_t share_permille, struct budget_floor *floor)
{
	b->share_permille = share_permille;
	b->floor = floor;
}

static void
forget(struct budget *b, uint64_t second)
{
	unsigned i = second % TG_BUDGET_SECONDS;

	b->n_requests -= b->requests[i];
	b->n_retries -= b->retries[i];
	b->requests[i] = 0;
	b->retries[i] = 0;
}

/* Seconds that have passed since are forgotten. */
static unsigned
present(struct budget *b, struct mono now)
{
	uint64_t second = now.us / 1000000u;
	uint64_t gone = second > b->second ? second - b->second : 0;

	if (gone > TG_BUDGET_SECONDS)
		gone = TG_BUDGET_SECONDS;
	for (; gone > 0; gone--)
		forget(b, second - gone + 1);
	if (second > b->second)
		b->second = second;
	return b->second % TG_BUDGET_SECONDS;
}

void
budget_deposit(struct budget *b, struct mono now)
{
	b->requests[present(b, now)]++;
	b->n_requests++;
}

/* the floor */

static uint64_t
floor_spent(const struct budget_floor *floor, uint64_t second)
{
	uint64_t spent = 0;
	unsigned i;

	for (i = 0; i < TG_BUDGET_SECONDS; i++) {
		uint64_t slot = atomic_load_explicit(&floor->seconds[i], memory_order_relaxed);

		if ((slot >> COUNT_BITS) + TG_BUDGET_SECONDS > second)
			spent += slot & COUNT_MASK;
	}
	return spent;
}

static bool
floor_take(struct budget_floor *floor, uint64_t second)
{
	_Atomic uint64_t *slot = &floor->seconds[second % TG_BUDGET_SECONDS];
	uint64_t before = atomic_load_explicit(slot, memory_order_relaxed);
	uint64_t after;

	if (floor_spent(floor, second) >= FLOOR)
		return false;
	do {
		after = before >> COUNT_BITS < second ? (second << COUNT_BITS) + 1 : before + 1;
	} while (!atomic_compare_exchange_weak_explicit(slot, &before, after, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

bool
budget_withdraw(struct budget *b, struct mono now)
{
	unsigned i = present(b, now);

	if ((b->n_retries + 1) * 1000 > b->n_requests * b->share_permille)
		return floor_take(b->floor, b->second);
	b->retries[i]++;
	b->n_retries++;
	return true;
}
