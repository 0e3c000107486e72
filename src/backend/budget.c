#include "backend/budget.h"

void
budget_init(struct budget *b, uint32_t share_permille, unsigned n_workers)
{
	*b = (struct budget){
		.share_permille = share_permille,
		.floor = (TG_BUDGET_FLOOR * TG_BUDGET_SECONDS + n_workers - 1) / n_workers,
	};
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

bool
budget_withdraw(struct budget *b, struct mono now)
{
	unsigned i = present(b, now);

	if (b->n_retries * 1000 >= (uint64_t)b->floor * 1000 + b->n_requests * b->share_permille)
		return false;
	b->retries[i]++;
	b->n_retries++;
	return true;
}
