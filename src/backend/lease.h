/*
 * backend/lease.h: the right to give one stream to one backend: one place in
 * its exact in-flight number, or a place in the queue of its service until there is one.
 */
#ifndef TG_BACKEND_LEASE_H
#define TG_BACKEND_LEASE_H

#include "backend/worker.h"

/* Storage is the stream's, zeroed first. */
struct lease {
	struct worker_backend *backend; /* NULL: none held */
	struct addr addr;               /* where to connect */
	enum access_choice choice;      /* who chose it */
	struct waiter *waiter;          /* waits for a place */
	struct worker_service *waiting_for;
	/* The wait is over: a place is held now, or the stream was shed. From the loop. */
	void (*on_place)(struct lease *lease, bool has_place);
};

/* Whether any backend may serve that was not tried. */
bool lease_is_possible(const struct worker_service *service, const struct balance_query *query);
/* No backend is preferred. */
#define TG_LEASE_ANY UINT32_MAX

/*
 * `preferred`, a slot, is taken where it may serve, was not tried and has room; TG_LEASE_ANY: none.
 * Needs an empty lease. 0: a place is held. -TG_ENOENT: none may serve, or all were
 * tried. -TG_EAGAIN: all that may are full, or others have been waiting for longer.
 */
TG_MUST_CHECK int lease_begin(struct lease *lease, struct worker_service *service,
			      struct balance_query *query, uint32_t preferred);
/*
 * After -TG_EAGAIN: waits. What was tried is left out while any other may serve, full or not.
 * -TG_ELIMIT: too many wait already; -TG_ENOMEM.
 */
TG_MUST_CHECK int lease_wait(struct lease *lease, struct worker_service *service,
			     const struct balance_query *query, enum conf_priority priority,
			     void (*on_place)(struct lease *lease, bool has_place));
/* Gives the place back, or waits no more. No effect on an empty lease. */
void lease_end(struct lease *lease, const struct balance_outcome *outcome);
/* The worker has another view: who waits may find a place in it. */
void lease_serve_waiters(struct worker_service *service);

#endif
