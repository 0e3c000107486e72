/*
 * backend/back_priv.h: what connections of their own and those that carry many have in common. For the files back is made
 * of: back.c, back_tls.c, carrier.c.
 */
#ifndef TG_BACKEND_BACK_PRIV_H
#define TG_BACKEND_BACK_PRIV_H

#include "backend/back.h"

/* Of no connection yet. NULL: no memory. */
struct back *back_new(struct worker_backend *home, const struct addr *to,
		      void (*on_ready)(struct back *b), void *stream);
/* Of the watch of its connection. */
void back_on_watch(struct watch *w, unsigned what);
/* For one more that is idle. */
bool back_has_room(const struct back *b);
/* One more that is idle, or less. */
void back_count_idle(const struct back *b, int change);

#endif
