/*
 * proc/cuts.h: drains with a deadline: when the streams a backend still has are ended.
 */
#ifndef TG_PROC_CUTS_H
#define TG_PROC_CUTS_H

#include "base/err.h"
#include "conf/same.h"
#include "loop/loop.h"

struct cuts;

/* Its time is up. The cut is gone already. From the loop. */
typedef void cuts_due_cb(void *user, unsigned service, unsigned backend);

/* Owned by the caller; `loop` outlives it. NULL: no memory. */
struct cuts *cuts_new(struct loop *loop, cuts_due_cb *due, void *user);
void cuts_free(struct cuts *cuts); /* NULL allowed */

/* In place of one that is set. -TG_ENOMEM. */
TG_MUST_CHECK int cuts_set(struct cuts *cuts, unsigned service, unsigned backend, uint64_t after_ms);
/* Idempotent. */
void cuts_clear(struct cuts *cuts, unsigned service, unsigned backend);
/* Another configuration: each follows its backend, those of backends that are gone are dropped. */
void cuts_commit(struct cuts *cuts, const struct conf_same *same);

#endif
