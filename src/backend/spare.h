/*
 * backend/spare.h: backups that are up beside those that serve, for a stream that all of these failed.
 *
 * They are entries of the view behind its n, by tier: no algorithm picks from them, and no stream gets there before it
 * was tried on all that serve, or on as many as it may be. Taking goes by the algorithm's take(), so its numbers stay right.
 * (nginx goes on to its "backup" servers in the same way.)
 */
#ifndef TG_BACKEND_SPARE_H
#define TG_BACKEND_SPARE_H

#include "backend/worker.h"

/* Whether there is one that the query does not leave out, full or not. Looks at all that are left out, at most. */
bool spare_is_left(const struct view *view, const struct balance_query *query);
/* And it has room. Looks at all that are left out or full, at most. */
bool spare_has_room(const struct view *view, const struct balance_query *query);
/*
 * One of the lowest tier that has such a one, by weight and chance; of many, from 16 that stand together
 * anywhere. Its entry with its load taken, or TG_VIEW_NONE.
 */
uint32_t spare_pick(struct worker_service *service, const struct balance_query *query);

#endif
