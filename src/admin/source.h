/*
 * admin/source.h: what the commands look at, and the column they may write. Nothing
 * here touches a worker.
 */
#ifndef TG_ADMIN_SOURCE_H
#define TG_ADMIN_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/asking.h"
#include "admin/events.h"
#include "autoscale/scaler.h"
#include "backend/serving.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/same.h"
#include "health/health.h"
#include "hook/hook.h"
#include "ipc/reload_order.h"
#include "ipc/segment.h"
#include "observe/names.h"
#include "steer/steer.h"

#define TG_SOURCE_FIRST_ID 2u /* of the first listener: HAProxy keeps 1 for itself */

/* How fast one slot's counter grows, and its gauge's highest value seen. */
struct slot_rate {
	uint64_t before[2]; /* the counters at the last sample */
	uint64_t per_s[2];  /* over the last interval */
	uint64_t max_per_s[2];
	uint64_t gauge_max;
};

/* Which of the two counters of a slot: listeners have connections and requests, others streams. */
enum slot_rate_kind {
	TG_RATE_STREAMS = 0,
	TG_RATE_CONNECTIONS = 1,
};

/* What commands have done beyond a column. */
struct admin_actions {
	void *user;
	/* What runs on this backend ends, after this time. -TG_ENOMEM. */
	int (*cut)(void *user, unsigned service, unsigned backend, uint64_t after_ms);
	/* Of all of tidegate: that it ends, at once or by the grace that is configured. -TG_EIO: the parent is
	 * gone. */
	int (*stop)(void *user, bool at_once);
	/* What all processes log, until tidegate ends. -TG_EIO, as above. */
	int (*set_log_level)(void *user, enum log_level level);
	/* That the configuration is another one, or the program. What comes of it is told by
	 * admin_server_reloaded() with this number, never 0, in a later turn. -TG_ELIMIT: too many are
	 * under way, or it is too long; -TG_EIO, as above. */
	int (*reload)(void *user, const struct reload_order *order, uint32_t *ret_id);
	/* Puts a question to the proxy, whose answers come from the loop; and takes it back. */
	void (*ask)(void *user, struct asking *asking);
	void (*cancel)(void *user, struct asking *asking);
};

/* Storage is the caller's; source_init() to source_fini(). */
struct admin_source {
	const struct conf *conf;
	struct segment *segment;
	const struct health *health;
	struct steer *steer;
	const struct scaler *scaler; /* NULL: nothing is scaled */
	const struct store *store;   /* its own; NULL: there is none */
	const struct hooks *hooks;   /* NULL: there are none */
	struct acme *acme;           /* NULL: it is not there yet */
	struct admin_actions actions;
	struct events *events;
	struct slot_rate *rates; /* by slot */
	uint32_t n_slots;        /* of the segment */
	struct slot_names *names; /* of what has a slot, or had it last */
	bool is_holding;         /* orders are for a new keeper that is about to take over */
	struct mono sampled;
	struct mono turn_end; /* others are to have theirs then; 0: none wait */
	struct mono now; /* set before each command runs, and so is: */
	struct wall wall;
	struct wall started; /* this run of the daemon, by the wall clock of source_init() */
	struct wall booted;  /* the machine */
	bool (*has_proxy)(const void *user); /* NULL: not known */
	const void *proxy_user;
};

/* What is passed must outlive it. -TG_ENOMEM, or -TG_EPROTO when the segment is not one of `conf`. */
TG_MUST_CHECK int source_init(struct admin_source *s, const struct conf *conf,
			      struct segment *segment, const struct health *health,
			      struct steer *steer, struct mono now);
void source_fini(struct admin_source *s);
/* Whether every slot of `conf` is named in the segment as what it is there. */
bool source_fits(const struct admin_source *s, const struct conf *conf);
/* Another configuration that fits: objects that are new are to begin at zero, whoever had their slots
 * before. Ahead of the proxy, which counts for them, and tells of them, as soon as it goes over.
 * -TG_ENOMEM: some are named. */
TG_MUST_CHECK int source_prepare(struct admin_source *s, const struct conf_same *same);
/* Goes over to it: what is counted by slot stays. */
void source_commit(struct admin_source *s, const struct conf *conf);
/* About once a second. */
void source_sample(struct admin_source *s, struct mono now);

static inline bool
source_turn_is_over(const struct admin_source *s)
{
	return mono_is_set(s->turn_end) && mono_read().us >= s->turn_end.us;
}

/* Slots of the segment. */
uint32_t source_listener_slot(const struct admin_source *s, size_t listener);
uint32_t source_service_slot(const struct admin_source *s, size_t service);
uint32_t source_backend_slot(const struct admin_source *s, size_t service, size_t backend);

/* What it is called, of which the proxy told by its slot. NULL: it told of none; "<gone>": there is none of this
 * kind any more. */
const char *source_name(const struct admin_source *s, uint32_t slot, enum segment_kind kind);

/* HAProxy's number of a proxy. */
uint32_t source_service_id(const struct admin_source *s, size_t service);
/* Backends of all services. */
size_t source_n_backends(const struct admin_source *s);
/* All columns of a backend as the keeper knows them; whether it is ejected is told by the proxy. */
struct serving_state source_serving_state(const struct admin_source *s, size_t service,
					  size_t backend);
/* Where a backend is, without its port; "-": nowhere yet. */
const char *source_host(const struct health_status *h, char *buf, size_t size);
/* Whether the keeper has a connection to the proxy. */
bool source_has_proxy(const struct admin_source *s);

/* A gauge as it is now; one that a dying process left below 0 counts as 0. */
uint64_t source_gauge(const _Atomic int64_t *gauge);
/* Streams of a backend, connections of a listener or (slot 0) of all: under way now. */
uint64_t source_in_flight(const struct admin_source *s, uint32_t slot);
/* The limit of connections of a listener, or (slot 0) of all, in effect; before a proxy has begun,
 * as configured, where 0 is what files allow. */
uint64_t source_limit(const struct admin_source *s, uint32_t slot);
/* How much of its weight and limit a backend has by now (slow_start); 1000: all. */
uint32_t source_ramp_permille(const struct admin_source *s, size_t service, size_t backend);
/* Streams on all backends of a service. */
uint64_t source_service_in_flight(const struct admin_source *s, size_t service);
/* The most there was at once. */
uint64_t source_in_flight_max(const struct admin_source *s, uint32_t slot);
/* The most a sample has seen at once, and what any one backend had: nobody counts their sum. */
uint64_t source_service_in_flight_max(const struct admin_source *s, size_t service);

#endif
