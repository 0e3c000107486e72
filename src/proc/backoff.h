/*
 * proc/backoff.h: how long to wait before a child that died is started again.
 * Pure: a crash now and then costs nothing, one after the other slows down.
 */
#ifndef TG_PROC_BACKOFF_H
#define TG_PROC_BACKOFF_H

#include <stdint.h>

#define TG_BACKOFF_FIRST_MS 100u
#define TG_BACKOFF_MAX_MS   500u      /* with the start: within a second */
#define TG_BACKOFF_RESET_US 10000000u /* a life this long forgives what was before */

/* Zeroed: nothing happened yet. */
struct backoff {
	uint64_t next_ms; /* for the next death, unless the life before it was long */
};

/* A child died after `life_us`. Milliseconds to wait: 0, 100, 200, 400, 500, 500 ... */
uint64_t backoff_step(struct backoff *b, uint64_t life_us);

#endif
