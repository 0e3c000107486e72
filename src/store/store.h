/*
 * store/store.h: where samples live over time, and records of decisions.
 *
 * The keeper's. One interface, two kinds: `memory`, and `redis`, which writes
 * what is put behind one pipeline per tick and never makes anybody wait: every call
 * returns at once, and what does not fit its bounds is dropped and counted. Both
 * keep the history of this process in memory: windows are made of that.
 *
 * A store that is not well (store_is_well()) says nothing of other instances: the
 * scaler does not shrink services then.
 */
#ifndef TG_STORE_STORE_H
#define TG_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "sample/sample.h"
#include "tidegate/module.h"

/* Bounds of what is remembered of a service: points, records, and bytes of all its records. */
#define TG_STORE_POINTS_MAX   ((size_t)1 << 16)
#define TG_STORE_RECORDS_MAX  64u
#define TG_STORE_RECORD_BYTES ((size_t)512 << 10)

/* One point of a service's history: by enum tg_metric. A value. */
struct store_point {
	struct mono at;
	double values[TG_METRIC_COUNT]; /* NAN: not known */
};

/* A backend's sample on its way. */
struct store_backend {
	const char *name;
	enum tg_backend_state state;
	struct backend_sample sample;
};

struct store;

/* State changed: well or not; also when it is known for the first time. From the loop, never inside a call. Must
 * not close the store. `why` is one line, "" when it is well. */
typedef void store_change_cb(void *user, bool is_well, const char *why);

/* Owned by the caller; what is passed but `conf` outlives it. `resolver` is asked for the host of
 * the url, where that is a name; NULL: names are refused. Connects in the background: not well until then.
 * -TG_ENOMEM, -TG_EINVAL: the url. */
TG_MUST_CHECK int store_open(const struct conf_store *conf, struct loop *loop,
			     struct resolver *resolver, store_change_cb *change, void *user,
			     struct store **ret, struct err *err);
/* Writes what it can within `timeout_ms`, for which it blocks. NULL allowed. */
void store_close(struct store *store, unsigned timeout_ms);

/* What `from` remembers is what `s` does from now on, and the other way round: one takes the place of the other. */
void store_swap_history(struct store *s, struct store *from);

/* "memory", "redis". */
const char *store_kind(const struct store *store);
bool store_is_well(const struct store *store);
/* One line of what is wrong; "" while it is well. */
const char *store_why(const struct store *store);

/* History of a service is kept for this long from now on, a point each interval, and two at most however often is put;
 * fewer where that would be more than TG_STORE_POINTS_MAX. -TG_ENOMEM; -TG_EINVAL: a name with a brace, which has a meaning in keys. */
TG_MUST_CHECK int store_keep(struct store *store, const char *service, uint32_t span_ms,
			     uint32_t interval_ms);
/* One more point, later than those before. -TG_ENOMEM, -TG_ENOENT: store_keep() first. */
TG_MUST_CHECK int store_put(struct store *store, const char *service,
			    const struct store_point *point, const struct store_backend *backends,
			    size_t n_backends);
/* The points of the last `span_ms` up to `now`; means are by the time that each stands for. All of it unknown where there is nothing. */
void store_window(const struct store *store, const char *service, uint32_t span_ms, struct mono now,
		  struct tg_window *ret);
/* A service that is gone. */
void store_forget(struct store *store, const char *service);

/* A record, one line of JSON; the last ones of a service are kept, and written to where others can read
 * them. -TG_ENOMEM; -TG_ELIMIT: longer than all that is kept may be; -TG_EINVAL: as store_keep(). */
TG_MUST_CHECK int store_decision(struct store *store, const char *service, const char *json);
/* The last `n` that are kept, the oldest first: calls `told` with each. */
void store_decisions(const struct store *store, const char *service, size_t n,
		     void (*told)(void *user, const char *json), void *user);

/* End of a tick: what was put since goes out together, or is dropped while that cannot be. Records of
 * decisions wait, within bounds; one whose answer was lost is written again. */
void store_flush(struct store *store);

/* For metrics. A value. */
struct store_counts {
	uint64_t flushes;  /* sent */
	uint64_t answered; /* of these, those with all their answers */
	uint64_t failures; /* connects and flushes that were refused, late or cut */
	uint64_t dropped;  /* samples of backends and records that did not go out */
	uint64_t connects; /* made, and greeted */
	uint64_t last_us;  /* the last flush took, to its last answer */
};
struct store_counts store_counts(const struct store *store);

#endif
