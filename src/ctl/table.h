/*
 * ctl/table.h: the rows of `tidectl top`: rates and percentiles from two snapshots, in
 * the order wanted. Pure.
 */
#ifndef TG_CTL_TABLE_H
#define TG_CTL_TABLE_H

#include "ctl/snapshot.h"

#define TG_TABLE_FILTER 64u
/* Of a rate or a time: nobody knows. */
#define TG_TABLE_UNKNOWN (-1.0)

/* word for -o, key, what it is */
#define TG_TABLE_SORTS(X)                                                                          \
	X(NAME, "name", 'n', "name")                                                               \
	X(RATE, "rate", 'r', "requests per second")                                                \
	X(IN_FLIGHT, "in-flight", 'f', "requests in flight")                                       \
	X(QUEUE, "queue", 'u', "waiting in the queue")                                             \
	X(LATENCY, "latency", 'l', "p95, of backends the mean")                                    \
	X(ERRORS, "errors", 'e', "errors per second")

enum table_sort {
#define TG_TABLE_SORT_ENUM(id, word, key, help) TG_SORT_##id,
	TG_TABLE_SORTS(TG_TABLE_SORT_ENUM)
#undef TG_TABLE_SORT_ENUM
		TG_SORT_COUNT
};
const char *table_sort_str(enum table_sort sort);
const char *table_sort_help(enum table_sort sort);
char table_sort_key(enum table_sort sort);
/* False: it is none of the words. */
bool table_sort_parse(const char *word, enum table_sort *ret);

/* Which rows there are. */
enum table_view {
	TG_VIEW_TREE = 0,     /* each service, and its backends below */
	TG_VIEW_SERVICES = 1, /* services alone */
	TG_VIEW_BACKENDS = 2, /* backends of all services, in one order */
	TG_VIEW_COUNT
};
const char *table_view_str(enum table_view view);
bool table_view_parse(const char *word, enum table_view *ret);

struct table_order {
	enum table_sort sort; /* the most first, but for names */
	bool is_reversed;
	enum table_view view;
	enum time_kind time;          /* that percentiles are of */
	char filter[TG_TABLE_FILTER]; /* part of a service's name; "=name": all of it */
};

/* Each percentile in microseconds, linear inside its bucket; beyond the last bound that bound
 * is told, and so marked. */
struct percentile {
	double us;
	bool is_beyond;
};

struct table_row {
	const struct object *object; /* of the newer snapshot */
	double rate;                 /* each per second, or TG_TABLE_UNKNOWN */
	double error_rate;
	double retry_rate;
	double in_rate;
	double out_rate;
	struct percentile p50;
	struct percentile p95;
	struct percentile p99;
	double mean_us;
	unsigned n_up; /* services: of their backends */
	unsigned n_backends;
};

/* The daemon as a whole. */
struct table_total {
	double connection_rate;
	double request_rate;
	double in_rate;
	double out_rate;
	struct percentile lag_p99;
	uint64_t in_flight;
	uint64_t queued;
	unsigned n_services;
	unsigned n_backends;
	unsigned n_up;
};

/* All zero is an empty one; table_fini(). The rows point into the newer snapshot. */
struct table {
	struct table_row *rows;
	size_t n;
	size_t n_hidden; /* services that the filter left out */
	struct table_total total;
};

/* `before` may be NULL, or of another run of the daemon: then rates and percentiles are not
 * known. -TG_ENOMEM, and the table is empty. */
TG_MUST_CHECK int table_build(struct table *t, const struct snapshot *now,
			      const struct snapshot *before, const struct table_order *order);
void table_fini(struct table *t);
/* Where this object is now; `t->n`: nowhere. */
size_t table_find(const struct table *t, enum object_kind kind, const char *service,
		  const char *backend);

#endif
