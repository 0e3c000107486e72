/*
 * base/throttle.h: so many a second and no more, of all threads that share one word (GCRA, ITU-T I.371 A).
 *
 * The word is when the next would come if all came evenly, in nanoseconds; 0 at first.
 */
#ifndef TG_BASE_THROTTLE_H
#define TG_BASE_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TG_THROTTLE_RATE_MAX 1000000u

/* Whether one more is within `rate`, which is above 0; it counts then. After a rest, one and as many as come within `burst_us` may
 * come at once; who looks that often gets all of the rate. */
bool throttle_take(_Atomic int64_t *due_ns, unsigned rate, uint64_t burst_us, struct mono now);
/* The same of a word that is due at `due_ns`, which the caller keeps: *ret_ns is when it is due then. False: untouched. */
bool throttle_next(int64_t due_ns, unsigned rate, uint64_t burst_us, struct mono now, int64_t *ret_ns);
/* It was not used. */
void throttle_give_back(_Atomic int64_t *due_ns, unsigned rate);

#endif
