/*
 * backend/lease.h: the right to give one stream to one backend: one place in
 * its exact in-flight number, or a place in the queue of its service until there is one.
 *
 * Who waits does so for a place, as all that may serve are full, or is held, as none may. What
 * it waits for changes with that; its deadline with it.
 */
#ifndef TG_BACKEND_LEASE_H
#define TG_BACKEND_LEASE_H

#include "backend/worker.h"
#include "observe/reason.h"

/* Storage is the stream's, zeroed first. */
struct lease {
	struct worker_backend *backend; /* NULL: none held */
	struct addr addr;               /* where to connect */
	enum access_choice choice;      /* who chose it */
	struct waiter *waiter;          /* waits for a place */
	struct worker_service *waiting_for;
	bool is_held;      /* waits for a backend to come up */
	struct mono since; /* when that wait began */
	enum end_reason refusal; /* why there is no place and no wait; where there is neither */
	/* The wait is over: a place is held now, or the stream was refused. From the loop. */
	void (*on_place)(struct lease *lease, bool has_place);
	/* The wait goes on, with another lease_due(). From the loop. NULL: nobody asks. */
	void (*on_due)(struct lease *lease);
};

/* Whether any backend may serve that the query does not leave out, or a backup beside those that serve (spare.h):
 * full or not. */
bool lease_is_possible(const struct worker_service *service, const struct balance_query *query);
/* No backend is preferred. */
#define TG_LEASE_ANY UINT32_MAX

/*
 * `preferred`, a slot, is taken where it may serve, was not tried and has room; TG_LEASE_ANY: none.
 * Needs an empty lease. 0: a place is held. A backup beside those that serve is, when
 * all these were tried, or are suspects. -TG_ENOENT: none may serve, or all were tried. -TG_EAGAIN: all that may are full,
 * these backups too, or others have been waiting for longer.
 */
TG_MUST_CHECK int lease_begin(struct lease *lease, struct worker_service *service,
			      struct balance_query *query, uint32_t preferred);
/*
 * After -TG_EAGAIN: waits. What was tried is left out while any other may serve, full or not.
 * -TG_ELIMIT: too many wait already; -TG_ENOMEM. `refusal` says it too.
 */
TG_MUST_CHECK int lease_wait(struct lease *lease, struct worker_service *service,
			     const struct balance_query *query, enum conf_priority priority,
			     void (*on_place)(struct lease *lease, bool has_place));
/*
 * After -TG_ENOENT: is held until a backend may serve. -TG_ENOENT: the service holds nobody, or not now;
 * -TG_ELIMIT: so many are held already; -TG_ENOMEM. `refusal` says it too.
 */
TG_MUST_CHECK int lease_hold(struct lease *lease, struct worker_service *service,
			     const struct balance_query *query, enum conf_priority priority,
			     void (*on_place)(struct lease *lease, bool has_place));
/* When the wait has lasted as long as it may. */
struct mono lease_due(const struct lease *lease);
/* Gives the place back, or waits no more. No effect on an empty lease. */
void lease_end(struct lease *lease, const struct balance_outcome *outcome);
/* The worker has another view: who waits may find a place in it. */
void lease_serve_waiters(struct worker_service *service);

#endif
