/*
 * admin/cleared.h: counters as people read them: since they were cleared.
 *
 * The counters are the workers' and only grow, and what Prometheus scrapes must, too.
 * So what they were is kept beside them in the segment: it outlasts the keeper and the
 * proxy as they do. What the keeper itself counts of checks begins anew with each keeper.
 */
#ifndef TG_ADMIN_CLEARED_H
#define TG_ADMIN_CLEARED_H

#include "admin/source.h"

/* Sum of one counter over all workers, since it was cleared. */
uint64_t cleared_sum(const struct admin_source *s, uint32_t slot, unsigned counter);
/* The same of one backend: times it was ejected, checks that failed, times it went down. */
uint64_t cleared_ejections(const struct admin_source *s, uint32_t slot);
uint64_t cleared_failures(const struct admin_source *s, size_t service, size_t backend);
uint64_t cleared_downs(const struct admin_source *s, size_t service, size_t backend);

/* The highest values begin anew, with what is now. */
void cleared_set_maxima(struct admin_source *s);
/* All counters show 0 from now on. */
void cleared_set_sums(struct admin_source *s);

/* Another object gets the slot: what was counted there until now is not its own. */
void cleared_begin(struct admin_source *s, uint32_t slot);

#endif
