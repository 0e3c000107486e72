/* Counts as a worker does, and looks what it has. */
#ifndef TG_TESTS_FAKE_COUNT_H
#define TG_TESTS_FAKE_COUNT_H

#include "ipc/segment.h"

static inline void
count_in(struct segment *seg, unsigned worker, uint32_t slot, unsigned id, uint64_t n)
{
	struct segment_counters c = segment_counters(seg, worker, slot);

	counter_add(&c, id, n);
}

static inline void
count_as(struct segment *seg, unsigned worker, uint32_t slot, unsigned id, uint64_t n)
{
	struct segment_counters c = segment_counters(seg, worker, slot);

	atomic_store(counter_at(&c, id), n);
}

#endif
