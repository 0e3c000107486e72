/*
 * backend/ramp.h: slow start: a backend that comes back gets a tenth of its
 * weight and limit at first, and all of it after service.slow_start. Pure.
 */
#ifndef TG_BACKEND_RAMP_H
#define TG_BACKEND_RAMP_H

#include "base/clock.h"

#define TG_RAMP_FIRST_PERMILLE 100u
/* A ramp has this many steps, but none shorter than TG_RAMP_STEP_MIN_MS. */
#define TG_RAMP_STEPS       20u
#define TG_RAMP_STEP_MIN_MS 100u

/* How much of it at `now`; 1000: the ramp is over, or there is none (`since` unset). */
static inline uint32_t
ramp_permille(struct mono since, uint64_t whole_ms, struct mono now)
{
	uint64_t gone_us = mono_diff_us(now, since);

	if (!mono_is_set(since) || gone_us >= whole_ms * 1000)
		return 1000;
	return (uint32_t)(TG_RAMP_FIRST_PERMILLE +
			  (1000 - TG_RAMP_FIRST_PERMILLE) * gone_us / (whole_ms * 1000));
}

/* Of a weight or a limit; what is not 0 stays at least 1. */
static inline uint32_t
ramp_of(uint32_t whole, uint32_t permille)
{
	uint32_t part = (uint32_t)((uint64_t)whole * permille / 1000);

	return part > 0 || whole == 0 ? part : 1;
}

static inline uint64_t
ramp_step_ms(uint64_t whole_ms)
{
	uint64_t ms = whole_ms / TG_RAMP_STEPS;

	return ms > TG_RAMP_STEP_MIN_MS ? ms : TG_RAMP_STEP_MIN_MS;
}

#endif
