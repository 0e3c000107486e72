#include "base/backoff.h"

uint64_t
backoff_ms(const struct backoff *b, unsigned before, uint64_t random)
{
	uint64_t ms = b->first_ms;

	for (unsigned i = 0; i < before && ms < b->max_ms; i++)
		ms *= 2;
	if (ms > b->max_ms)
		ms = b->max_ms;
	return ms - random % (ms * b->jitter_percent / 100 + 1);
}
