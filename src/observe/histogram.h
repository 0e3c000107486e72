/*
 * observe/histogram.h: how long things took, in buckets of fixed bounds.
 *
 * The bounds are 1, 2.5 and 5 of each decade, from 100 us to 10 s, then 30 s
 * and 60 s. At least twice as far apart as the one before, so that no power of
 * two has two of them between itself and the next: a value finds its bucket by
 * the place of its highest bit and one comparison.
 *
 * The slot of a service has all of enum stream_histogram, that of a backend all but TG_HISTOGRAM_QUEUE, of its tries,
 * that of a listener TG_HISTOGRAM_TOTAL; slot 0 has those of enum worker_histogram. A worker writes its own, readers sum.
 */
#ifndef TG_OBSERVE_HISTOGRAM_H
#define TG_OBSERVE_HISTOGRAM_H

#include "ipc/segment.h"

enum stream_histogram {
	TG_HISTOGRAM_QUEUE = 0,    /* streams that waited: for places and in pauses */
	TG_HISTOGRAM_CONNECT = 1,  /* connections made */
	TG_HISTOGRAM_RESPONSE = 2, /* request sent to the head of its answer */
	TG_HISTOGRAM_TOTAL = 3,    /* streams; backends: tries that were answered, from when they were given to it */
	TG_STREAM_HISTOGRAM_COUNT
};

enum worker_histogram {
	TG_HISTOGRAM_LAG = 0, /* how late the loop served a tick of its timers */
	TG_WORKER_HISTOGRAM_COUNT
};

_Static_assert((int)TG_STREAM_HISTOGRAM_COUNT <= TG_SEGMENT_HISTOGRAMS &&
		       (int)TG_WORKER_HISTOGRAM_COUNT <= TG_SEGMENT_HISTOGRAMS,
	       "slot too small");

/* The highest value of each bucket, in microseconds; that of the last is UINT64_MAX. */
extern const uint64_t histogram_bounds_us[TG_SEGMENT_BUCKETS];
/* By the place of a value's highest bit: the first bucket such a value can be in. */
extern const uint8_t histogram_first[64];

static inline unsigned
histogram_bucket(uint64_t us)
{
	unsigned i = histogram_first[63 - __builtin_clzll(us | 1)];

	return i + (us > histogram_bounds_us[i]);
}

/* One writer per histogram: no locked instruction. */
static inline void
histogram_add(struct segment_histogram *h, uint64_t us)
{
	_Atomic uint64_t *bucket = &h->buckets[histogram_bucket(us)];

	atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&h->sum, atomic_load_explicit(&h->sum, memory_order_relaxed) + us,
			      memory_order_relaxed);
}

/* What readers make of it. A value. */
struct histogram {
	uint64_t buckets[TG_SEGMENT_BUCKETS]; /* each with those before it: the last counts all */
	uint64_t sum_us;
};

struct histogram histogram_of(const struct segment_histogram *from);
/* Of one worker; and of all, and those before. `which` is of the slot's enum. */
struct histogram histogram_read(struct segment *seg, unsigned worker, uint32_t slot,
				unsigned which);
struct histogram histogram_sum(struct segment *seg, uint32_t slot, unsigned which);
/* The same of a backend's slot. Of one that nobody used nothing is read: that would give it memory. */
struct histogram histogram_sum_backend(struct segment *seg, uint32_t slot, unsigned which);

/* How many microseconds `permille` of what was counted took at most: linear inside its bucket, as
 * Prometheus' histogram_quantile(). `counts` are as those of struct histogram, and may stand for any
 * `n` > 0 bounds. UINT64_MAX: longer than the last bound but one tells. 0 when nothing was counted. */
uint64_t histogram_percentile_us(const uint64_t *bounds_us, const uint64_t *counts, unsigned n,
				 unsigned permille);

#endif
