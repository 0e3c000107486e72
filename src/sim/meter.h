/*
 * sim/meter.h: what a service did since the last look, counted as the workers of the daemon count it, and made to
 * figures by the function that makes them there (sample/sample.h).
 */
#ifndef TG_SIM_METER_H
#define TG_SIM_METER_H

#include "observe/histogram.h"
#include "sample/sample.h"

/* Of an interval. A value. */
struct meter {
	struct service_counts counts;
	uint64_t total_buckets[TG_SEGMENT_BUCKETS]; /* whole times */
	uint64_t queue_buckets[TG_SEGMENT_BUCKETS]; /* waits of those that waited */
};

static inline void
meter_arrived(struct meter *m)
{
	m->counts.streams++;
}

/* It ended, served or not. */
static inline void
meter_ended(struct meter *m, uint64_t wait_us, uint64_t service_us, bool is_error)
{
	m->counts.ended++;
	m->counts.errors += is_error;
	m->counts.total_us += wait_us + service_us;
	m->counts.queue_us += wait_us;
	m->total_buckets[histogram_bucket(wait_us + service_us)]++;
	if (wait_us > 0)
		m->queue_buckets[histogram_bucket(wait_us)]++;
}

/* Figures of the interval up to now, which took `us`; the meter begins anew. Use of processors is the caller's. */
void meter_take(struct meter *m, struct mono now, uint64_t us, uint32_t in_flight, uint32_t queued,
		struct service_sample *ret);

#endif
