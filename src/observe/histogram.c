#include "observe/histogram.h"

#include "observe/counters.h"

#define MS UINT64_C(1000)
#define S  UINT64_C(1000000)

const uint64_t histogram_bounds_us[TG_SEGMENT_BUCKETS] = {
	100,     250,     500,      1 * MS,   5 * MS / 2, 5 * MS, 10 * MS,
	25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,   1 * S,  5 * S / 2,
	5 * S,   10 * S,  30 * S,   60 * S,   UINT64_MAX,
};

/* The number of bounds below 2^i. */
const uint8_t histogram_first[64] = {
	0,  0,  0,  0,  0,  0,  0,  1,  2,  3,  4,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 13,
	14, 15, 16, 17, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18,
	18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18,
};

/* Buckets stay apart here. */
static void
add(struct histogram *to, const struct segment_histogram *h)
{
	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++)
		to->buckets[i] += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
	to->sum_us += atomic_load_explicit(&h->sum, memory_order_relaxed);
}

static void
accumulate(struct histogram *h)
{
	for (unsigned i = 1; i < TG_SEGMENT_BUCKETS; i++)
		h->buckets[i] += h->buckets[i - 1];
}

struct histogram
histogram_of(const struct segment_histogram *from)
{
	struct histogram h = {.sum_us = 0};

	add(&h, from);
	accumulate(&h);
	return h;
}

struct histogram
histogram_read(struct segment *seg, unsigned worker, uint32_t slot, unsigned which)
{
	return histogram_of(&segment_histograms(seg, worker, slot)->h[which]);
}

struct histogram
histogram_sum(struct segment *seg, uint32_t slot, unsigned which)
{
	struct histogram h = {.sum_us = 0};

	for (unsigned i = 0; i < segment_workers(seg); i++)
		add(&h, &segment_histograms(seg, i, slot)->h[which]);
	add(&h, &segment_carried_histograms(seg, slot)->h[which]);
	accumulate(&h);
	return h;
}

struct histogram
histogram_sum_backend(struct segment *seg, uint32_t slot, unsigned which)
{
	struct histogram none = {.sum_us = 0};

	return segment_sum(seg, slot, TG_B_STREAMS) > 0 ? histogram_sum(seg, slot, which) : none;
}

uint64_t
histogram_percentile_us(const uint64_t *bounds_us, const uint64_t *counts, unsigned n,
			unsigned permille)
{
	double rank = (double)counts[n - 1] * permille / 1000;
	uint64_t before;
	uint64_t lower;
	unsigned i = 0;

	if (counts[n - 1] == 0)
		return 0;
	while (i < n - 1 && (double)counts[i] < rank)
		i++;
	if (i == n - 1)
		return UINT64_MAX;
	before = i > 0 ? counts[i - 1] : 0;
	lower = i > 0 ? bounds_us[i - 1] : 0;
	if (counts[i] <= before)
		return bounds_us[i];
	return lower + (uint64_t)((double)(bounds_us[i] - lower) * (rank - (double)before) /
				  (double)(counts[i] - before));
}
