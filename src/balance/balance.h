/*
 * balance/balance.h: how a backend is picked, one implementation per file, one
 * code for L4 and L7.
 *
 * A balancer has a part shared by all workers (`struct balance_shared`, which
 * guards itself), what it worked out of a view (view->table, immutable) and a part of one
 * worker (`struct balance`). A pick takes the load: it counts the stream in the
 * backend's exact in-flight number, within the backend's limit, and each pick is
 * followed by exactly one release, which after a reload may be of a newer balance_shared: loads
 * that are there when that begins to be used count in it as its own.
 *
 * Picking is pure: time, key and randomness come from outside; no allocation,
 * no clock, no I/O. It costs the same from 2 to 10,000 backends.
 */
#ifndef TG_BALANCE_BALANCE_H
#define TG_BALANCE_BALANCE_H

#include "backend/suspects.h"
#include "backend/view.h"
#include "base/clock.h"

/* Backends one stream may have tried before the current pick. */
#define TG_BALANCE_TRIED_MAX 8

struct balance_query {
	uint32_t tried[TG_BALANCE_TRIED_MAX]; /* backend indexes to leave out */
	unsigned n_tried;
	const struct suspects *suspects; /* to leave out too; NULL: none */
	const void *of;  /* the configuration whose indexes they are; compared, never followed */
	uint64_t key;    /* hash: of what hash_on names, well mixed */
	struct mono now; /* ewma: how old what was learned is; and who is a suspect */
	bool wants_spare; /* rather a backup beside those that serve; see backend/spare.h */
	bool spilled;    /* set by pick: full backends stood before this one, by hash */
};

/* How a stream went, for those who learn from it. */
struct balance_outcome {
	uint64_t latency_us; /* request sent to head of the answer, tcp: connect; 0: not measured */
	bool answered;       /* an answer came, tcp: a connection */
	bool failed;         /* the backend's fault: no connection, no answer, no good one */
	bool unreached;      /* and it was no connection */
	struct mono now;
};

struct balance_shared;
struct balance;

struct balance_ops {
	const char *name;
	enum conf_balance id;
	/* Once per service. `loads` [conf->n_backends] outlive it. NULL: no memory. */
	struct balance_shared *(*shared_new)(const struct conf_service *conf,
					     struct segment_load *const *loads);
	void (*shared_free)(struct balance_shared *shared); /* takes NULL */
	/* Control thread, for each new view before workers see it; may set view->table and
	 * view->table_free. -TG_ENOMEM: the view is not used, the old one stays. */
	int (*prepare)(struct balance_shared *shared, struct view *view);
	/* Once per service and worker. `seed` for those who throw dice. NULL: no memory. */
	struct balance *(*new)(struct balance_shared *shared, unsigned worker, unsigned n_workers,
			       uint64_t seed);
	void (*free)(struct balance *b); /* takes NULL */
	/* The worker goes on with this view. -TG_ENOMEM keeps the old order for the new view. */
	int (*update)(struct balance *b, const struct view *view);
	/* Per stream. Index in view->entries with its load taken, or TG_VIEW_NONE: none there
	 * that is not left out has room. */
	uint32_t (*pick)(struct balance *b, const struct view *view, struct balance_query *query);
	/* Takes the load of this entry, which somebody else chose. False: it is full. */
	bool (*take)(struct balance *b, const struct view *view, uint32_t entry);
	/* The stream that took this backend, whose load it is, is over. `view` is the worker's present one. */
	void (*release)(struct balance *b, const struct view *view, uint32_t backend,
			struct segment_load *load, const struct balance_outcome *outcome);
	/* Control thread, before `to` is used: what was learned of a backend stays. NULL: nothing is. */
	void (*inherit)(struct balance_shared *to, uint32_t to_backend,
			const struct balance_shared *from, uint32_t from_backend);
};

extern const struct balance_ops balance_round_robin;
extern const struct balance_ops balance_least_conn;
extern const struct balance_ops balance_p2c;
extern const struct balance_ops balance_hash;
extern const struct balance_ops balance_ewma;
extern const struct balance_ops balance_first;
extern const struct balance_ops balance_random;

/* Never NULL for a checked configuration. */
const struct balance_ops *balance_find(enum conf_balance id);

/*
 * For picks whose own choice is full or was tried: the first entry with room, by
 * backend index from that of entry `from` on, around. Index with its load taken, or TG_VIEW_NONE.
 */
uint32_t balance_take_any(const struct view *view, const struct balance_query *query,
			  uint32_t from);

static inline bool
balance_is_tried(const struct balance_query *query, uint32_t backend)
{
	unsigned i;

	for (i = 0; i < query->n_tried; i++) {
		if (query->tried[i] == backend)
			return true;
	}
	return false;
}

static inline bool
balance_is_left_out(const struct balance_query *query, uint32_t backend)
{
	if (balance_is_tried(query, backend))
		return true;
	return query->suspects != NULL && suspects_has(query->suspects, backend, query->now);
}

/* At least as many as are left out: one of so many and one more is not. */
static inline uint32_t
balance_left_out_most(const struct balance_query *query)
{
	return query->n_tried + (query->suspects != NULL ? suspects_most(query->suspects) : 0);
}

static inline bool
balance_load_take(const struct view *view, uint32_t entry)
{
	const struct view_entry *e = &view->entries[entry];

	return room_take(view->room, e->backend, e->load, view_limit(view, entry));
}

static inline void
balance_load_release(const struct view *view, uint32_t backend, struct segment_load *load)
{
	room_give(view->room, backend, load);
}

#endif
