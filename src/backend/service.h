/*
 * backend/service.h: what the workers share of one service, as it is configured at one time.
 *
 * A reload that changes the service makes another one beside it. Counted: by the registry, until
 * every worker has said that it went over, and by each worker that has it.
 */
#ifndef TG_BACKEND_SERVICE_H
#define TG_BACKEND_SERVICE_H

#include "backend/budget.h"
#include "backend/outlier.h"
#include "backend/queue.h"
#include "backend/room.h"
#include "backend/suspects.h"
#include "balance/balance.h"
#include "conf/conf.h"
#include "ipc/segment.h"

struct tls_client;
struct trust_cache;

struct service_shared {
	_Atomic unsigned refs;
	struct conf *owner; /* of conf; counted */
	const struct conf_service *conf;
	struct segment *segment;
	const struct balance_ops *ops;
	struct balance_shared *balance;
	struct segment_load **loads;   /* [conf->n_backends] */
	struct alarm *held;            /* of the queue; outlives it */
	struct queue *queue;           /* NULL: the service has no limits, and holds nothing */
	struct room *room;             /* NULL: the service has no limits */
	struct outlier *outlier;       /* NULL: nobody is ejected */
	struct suspects *suspects;     /* by index of the backend */
	struct tls_client *tls;        /* counted; NULL: plain */
	struct budget_floor floor;
};

/* `service` is one of `conf`, which gets a reference; `held` is told of who is held there, see queue_new().
 * `trust`: see tls_client_new(). NULL: no memory, or the library refused its certificates, which is told. */
struct service_shared *service_shared_new(struct conf *conf, const struct conf_service *service,
					  struct segment *segment, struct alarm *held,
					  struct trust_cache *trust);
/* What is told of the backend with this index beside its load. */
static inline struct segment_shared *
service_backend_shared(const struct service_shared *s, size_t backend)
{
	return segment_shared(s->segment, s->conf->backends[backend].segment_slot);
}

struct service_shared *service_shared_ref(struct service_shared *shared);
void service_shared_unref(struct service_shared *shared); /* NULL allowed */

/* Only a service with limits pays for them, from when it has some. They stay. -TG_ENOMEM. */
TG_MUST_CHECK int service_shared_add_limits(struct service_shared *shared);

#endif
