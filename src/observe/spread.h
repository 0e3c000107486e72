/*
 * observe/spread.h: how long a backend took for what it answered, in buckets that are small, for there are many
 * backends.
 *
 * Two buckets to each doubling, from 64 us to 537 s: a value is known to a third of itself. Each try that got an
 * answer counts once, from when it was given to the backend to its end; waits before are the service's. The counts
 * go round at 2^32: only differences mean something.
 */
#ifndef TG_OBSERVE_SPREAD_H
#define TG_OBSERVE_SPREAD_H

#include "ipc/segment.h"

#define TG_SPREAD_FIRST_BIT 6u /* 64 us */

_Static_assert(TG_SEGMENT_SPREAD % 2 == 0, "the last bound is a power of two");

static inline unsigned
spread_bucket(uint64_t us)
{
	uint64_t below = us - 1;
	unsigned high;
	unsigned i;

	if (us <= UINT64_C(1) << TG_SPREAD_FIRST_BIT)
		return 0;
	high = 63 - (unsigned)__builtin_clzll(below);
	i = 2 * (high - TG_SPREAD_FIRST_BIT) + (unsigned)(below >> (high - 1) & 1) + 1;
	return i < TG_SEGMENT_SPREAD ? i : TG_SEGMENT_SPREAD - 1;
}

/* One writer per spread: no locked instruction. */
static inline void
spread_add(struct segment_spread *s, uint64_t us)
{
	_Atomic uint32_t *bucket = &s->n[spread_bucket(us)];

	atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* What readers make of it, of all workers. A value. */
struct spread {
	uint32_t n[TG_SEGMENT_SPREAD]; /* each without those before it */
};

struct spread spread_sum(struct segment *seg, uint32_t slot);
/* Seconds that `permille` of what came between the two took at most, linear inside its bucket; what took longer
 * than the last bound tells is told as that. NAN: nothing came. */
double spread_percentile(const struct spread *before, const struct spread *now, unsigned permille);

#endif
