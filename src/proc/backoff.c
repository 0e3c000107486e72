#include "proc/backoff.h"

uint64_t
backoff_step(struct backoff *b, uint64_t life_us)
{
	uint64_t wait_ms = life_us >= TG_BACKOFF_RESET_US ? 0 : b->next_ms;

	if (wait_ms == 0)
		b->next_ms = TG_BACKOFF_FIRST_MS;
	else if (wait_ms > TG_BACKOFF_MAX_MS / 2)
		b->next_ms = TG_BACKOFF_MAX_MS;
	else
		b->next_ms = wait_ms * 2;
	return wait_ms;
}
