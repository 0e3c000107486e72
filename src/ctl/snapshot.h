/*
 * ctl/snapshot.h: what a daemon said of itself at one moment, read from the JSON answers
 * to TG_SNAPSHOT_LINE. Counters as they are; what becomes of two snapshots is in table.h.
 *
 * The door to jansson. Nothing in an answer is trusted: what is missing or of another
 * type counts as 0 or "", what is no such answer at all is refused.
 */
#ifndef TG_CTL_SNAPSHOT_H
#define TG_CTL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"

/* Asks for the answers that snapshot_parse() reads. */
#define TG_SNAPSHOT_LINE        \
	"show info json;show stat json;show latency json;show autoscale json\n"
#define TG_SNAPSHOT_BUCKETS_MAX 64u
#define TG_SNAPSHOT_STATE       16u

enum object_kind {
	TG_OBJECT_LISTENER = 0,
	TG_OBJECT_SERVICE = 1,
	TG_OBJECT_BACKEND = 2,
	TG_OBJECT_KIND_COUNT
};

/* Words of `show latency`. */
enum time_kind {
	TG_TIME_TOTAL = 0,
	TG_TIME_RESPONSE = 1,
	TG_TIME_CONNECT = 2,
	TG_TIME_QUEUE = 3,
	TG_TIME_KIND_COUNT
};
const char *time_kind_str(enum time_kind kind);

/* How often, how long in all, and of a histogram the buckets, each with those before it. */
struct times {
	uint64_t count;
	uint64_t sum_us;
	uint64_t buckets[TG_SNAPSHOT_BUCKETS_MAX]; /* as many as the snapshot has bounds */
};

/* Names and times live as long as the snapshot. */
struct object {
	enum object_kind kind;
	const char *service; /* or the listener */
	const char *backend; /* "" unless it is one */
	char state[TG_SNAPSHOT_STATE];
	bool is_up;
	uint64_t in_flight; /* connections of a listener */
	uint64_t queued;
	uint64_t streams;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t errors;
	uint64_t retries;
	bool is_scaled; /* services, of which then: */
	uint64_t scaled_ready; /* backends that a provider started */
	uint64_t scaled_desired;
	uint64_t answers;    /* backends: how many heads came, */
	uint64_t answers_us; /* and how long they took in all */
	struct times *times; /* services: TG_TIME_KIND_COUNT of them, or NULL */
};

/* Owned by the caller; snapshot_free(). */
struct snapshot {
	struct arena arena;
	struct mono when;
	const char *version;
	const char *node;
	uint64_t pid;
	uint64_t uptime_s;
	uint64_t connections;     /* now */
	uint64_t connections_all; /* so far */
	uint64_t requests;
	size_t n_objects;
	struct object *objects; /* listeners; of each service its backends, then itself */
	unsigned n_buckets;     /* 0: it told no times */
	uint64_t bounds_us[TG_SNAPSHOT_BUCKETS_MAX]; /* the last is UINT64_MAX */
	struct times lag;                            /* of all workers */
	struct object_index *index;
};

/* Of the bytes of all four answers; a daemon that does not know the last two tells neither times
 * nor how services are scaled.
 * -TG_EPROTO with what is wrong, or what it refused; -TG_ENOMEM. */
TG_MUST_CHECK int snapshot_parse(const char *bytes, size_t n, struct mono when,
				 struct snapshot **ret, struct err *err);
void snapshot_free(struct snapshot *s); /* NULL allowed */

/* The object of that kind and name; NULL. */
const struct object *snapshot_find(const struct snapshot *s, enum object_kind kind,
				   const char *service, const char *backend);

#endif
