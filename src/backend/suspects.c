#include "backend/suspects.h"

#include <stdlib.h>

struct suspects *
suspects_new(size_t n, uint64_t lasts_us)
{
	struct suspects *s = calloc(1, sizeof(*s) + n * sizeof(_Atomic uint64_t));

	if (s != NULL)
		s->lasts_us = lasts_us;
	return s;
}

void
suspects_free(struct suspects *s)
{
	free(s);
}

bool
suspects_add(struct suspects *s, uint32_t backend, struct mono now)
{
	bool was = suspects_has(s, backend, now);

	/* The beginning of time is one of its moments too. */
	if (atomic_exchange(&s->since[backend], now.us != 0 ? now.us : 1) == 0)
		atomic_fetch_add(&s->n, 1);
	return !was;
}

void
suspects_remove(struct suspects *s, uint32_t backend)
{
	if (atomic_load_explicit(&s->since[backend], memory_order_relaxed) != 0 &&
	    atomic_exchange(&s->since[backend], 0) != 0)
		atomic_fetch_sub(&s->n, 1);
}
