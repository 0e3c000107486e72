#include "sim/meter.h"

/* Each with those before it. */
static void
accumulate(const uint64_t *buckets, struct histogram *ret)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++)
		ret->buckets[i] = n += buckets[i];
}

void
meter_take(struct meter *m, struct mono now, uint64_t us, uint32_t in_flight, uint32_t queued,
	   struct service_sample *ret)
{
	static const struct histogram none;
	struct histogram total = {.sum_us = 0};
	struct histogram queue = {.sum_us = 0};

	*ret = service_sample_unknown;
	ret->at = now;
	ret->in_flight = in_flight;
	ret->queued = queued;
	if (us > 0) {
		accumulate(m->total_buckets, &total);
		accumulate(m->queue_buckets, &queue);
		ret->service_p95 = sample_p95(&total, &none);
		ret->queue_p95 = sample_p95(&queue, &none);
		service_sample_take(&m->counts, us, ret);
	}
	*m = (struct meter){.counts = {.streams = 0}};
}
