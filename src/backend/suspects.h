/*
 * backend/suspects.h: backends that took no connection a moment ago, as all workers know them.
 *
 * Who was failed by one backend goes by this to another that is better than a guess: where
 * many died at once, those that are left out need not be found by each stream anew. It is for
 * retries alone: first tries go on asking a suspect, so it is none any more as soon as it is back.
 * (HAProxy has "observe layer4", which counts such failures against health; that is outlier.h here.)
 */
#ifndef TG_BACKEND_SUSPECTS_H
#define TG_BACKEND_SUSPECTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* How long a failed connect counts, beside timeouts.connect: who waits for one meanwhile is to know of it still. */
#define TG_SUSPECT_US UINT64_C(1000000)

struct suspects {
	uint64_t lasts_us;
	_Atomic uint32_t n;       /* rows that are set, for however long */
	_Atomic uint64_t since[]; /* by backend: microseconds; 0: its last connect was well */
};

/* None of `n` backends; each for `lasts_us`. Owned by the service; outlives the workers. NULL: no memory. */
struct suspects *suspects_new(size_t n, uint64_t lasts_us);
void suspects_free(struct suspects *suspects); /* NULL allowed */
/* Any worker: a connect to it failed. Whether that is news: it was no suspect. */
bool suspects_add(struct suspects *suspects, uint32_t backend, struct mono now);
/* Out of line for suspects_clear(). */
void suspects_remove(struct suspects *suspects, uint32_t backend);

/* At least as many as are suspects now. */
static inline uint32_t
suspects_most(const struct suspects *s)
{
	return atomic_load_explicit(&s->n, memory_order_relaxed);
}

/* Any worker: it took a connection. Reads one shared word while nobody is a suspect. */
static inline void
suspects_clear(struct suspects *s, uint32_t backend)
{
	if (suspects_most(s) != 0)
		suspects_remove(s, backend);
}

static inline bool
suspects_has(const struct suspects *s, uint32_t backend, struct mono now)
{
	uint64_t since = atomic_load_explicit(&s->since[backend], memory_order_relaxed);

	return since != 0 && now.us < since + s->lasts_us;
}

#endif
