/*
 * base/backoff.h: how long to wait before what has failed is tried again. Pure.
 *
 * The first failure in a row waits `first_ms`, each further one twice as long, none longer than
 * `max_ms`. With jitter, those that failed together do not come back together.
 */
#ifndef TG_BASE_BACKOFF_H
#define TG_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint32_t first_ms;     /* not 0 */
	uint32_t max_ms;       /* first_ms at least */
	uint32_t jitter_percent; /* of the wait, 0..100: so much of it is left out at most, evenly spread */
};

/* `before`: failures in a row before this one. `random`: any bits; not looked at without jitter. */
uint64_t backoff_ms(const struct backoff *b, unsigned before, uint64_t random);

#endif
