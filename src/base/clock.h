/*
 * base/clock.h: monotonic and wall time as types that cannot be mixed.
 *
 * Pure code receives `now`; only the loop, the log and start-up read a clock.
 */
#ifndef TG_BASE_CLOCK_H
#define TG_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Microseconds on CLOCK_MONOTONIC. 0 is "never". */
struct mono {
	uint64_t us;
};

/* Microseconds since the epoch, UTC. */
struct wall {
	uint64_t us;
};

static inline struct mono
mono_read(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){.us = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u};
}

static inline struct wall
wall_read(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct wall){.us = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u};
}

static inline struct mono
mono_add_ms(struct mono t, uint64_t ms)
{
	return (struct mono){.us = t.us + ms * 1000u};
}

/* Microseconds from `from` to `to`; 0 when `to` is earlier. */
static inline uint64_t
mono_diff_us(struct mono to, struct mono from)
{
	return to.us > from.us ? to.us - from.us : 0;
}

static inline bool
mono_is_set(struct mono t)
{
	return t.us != 0;
}

#endif
