/*
 * backend/tries.h: one stream's tries: what failed where and why, whether another
 * is allowed, and when. The same for L4 and L7.
 */
#ifndef TG_BACKEND_TRIES_H
#define TG_BACKEND_TRIES_H

#include "backend/worker.h"
#include "observe/access.h"
#include "observe/reason.h"

/* Storage is the stream's, zeroed first. */
struct tries {
	struct balance_query query; /* whom the next pick leaves out */
	unsigned n;                 /* tries after the first */
	unsigned n_free;            /* of these, those that retry.attempts does not count */
	unsigned rounds;            /* how often all backends there are had failed */
	struct access_try failed[TG_ACCESS_TRIES_MAX];
	unsigned n_failed;
	enum access_denial denied; /* why the last failure was the last; for the log */
};

_Static_assert(TG_RETRY_MAX < TG_BALANCE_TRIED_MAX && TG_RETRY_MAX < TG_ACCESS_TRIES_MAX,
	       "no room for all tries");

/* A stream of this service begins: it adds to the budget of retries. */
void tries_begin(struct worker_service *service);
/* The try on this backend failed: noted, counted, and the next pick leaves the backend out. */
void tries_failed(struct tries *t, struct worker_backend *backend, enum end_reason reason);
/* A place at this backend is held for the next try. */
void tries_next(const struct tries *t, struct worker_backend *backend);
/* Whether the service tries again what has this cause. */
bool tries_are_for(const struct worker_service *service, unsigned cause);
/* Whether another try for this cause would be allowed, if the budget lets it. */
bool tries_are_left(const struct tries *t, const struct worker_service *service, unsigned cause);
/* Whether another try is allowed for this cause; takes it from the budget, unless all that failed
 * was a connect. `denied` says why not. */
bool tries_again(struct tries *t, struct worker_service *service, unsigned cause);
/*
 * The same for a connect to `backend` that failed for this reason. One that was refused at once is
 * not counted while another is left that never was tried: nothing was asked of anybody, no time is
 * lost, and of backends that died together a stream may find more than it has tries. One that had no
 * answer is not counted while another is left that was not tried, and is no suspect: those of a host that
 * is gone are suspects after one timeouts.connect, and cost no more. TG_RETRY_MAX
 * tries after the first in all; the last of so many goes to a backup where there is one.
 */
bool tries_connect_again(struct tries *t, struct worker_service *service,
			 const struct worker_backend *backend, enum end_reason reason);
/*
 * All backends there are were tried: they may be tried again after the
 * milliseconds that are returned: retry.backoff the first time, twice as long each further one,
 * give or take a quarter. 0: at once.
 */
uint64_t tries_start_over(struct tries *t, struct worker_service *service);

#endif
