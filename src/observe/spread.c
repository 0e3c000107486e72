#include "observe/spread.h"

#include <math.h>

#include "observe/histogram.h"

/* The highest value of a bucket, in microseconds. */
static uint64_t
bound_us(unsigned i)
{
	uint64_t power = UINT64_C(1) << (TG_SPREAD_FIRST_BIT + i / 2);

	return i % 2 == 0 ? power : power + power / 2;
}

struct spread
spread_sum(struct segment *seg, uint32_t slot)
{
	struct spread sum = {.n = {0}};

	for (unsigned w = 0; w < segment_workers(seg); w++) {
		const struct segment_spread *s = segment_spread(seg, w, slot);

		for (unsigned i = 0; i < TG_SEGMENT_SPREAD; i++)
			sum.n[i] += atomic_load_explicit(&s->n[i], memory_order_relaxed);
	}
	return sum;
}

double
spread_percentile(const struct spread *before, const struct spread *now, unsigned permille)
{
	uint64_t bounds[TG_SEGMENT_SPREAD];
	uint64_t counts[TG_SEGMENT_SPREAD];
	uint64_t all = 0;
	uint64_t us;

	for (unsigned i = 0; i < TG_SEGMENT_SPREAD; i++) {
		all += (uint32_t)(now->n[i] - before->n[i]);
		counts[i] = all;
		bounds[i] = bound_us(i);
	}
	if (all == 0)
		return NAN;
	us = histogram_percentile_us(bounds, counts, TG_SEGMENT_SPREAD, permille);
	return (double)(us != UINT64_MAX ? us : bounds[TG_SEGMENT_SPREAD - 2]) / 1e6;
}
