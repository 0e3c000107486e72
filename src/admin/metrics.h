/*
 * admin/metrics.h: all numbers for Prometheus; doc/metrics.md lists them.
 *
 * The number of lines is bounded by the configuration: nothing a client or a
 * backend says becomes a label. With more than TG_METRICS_BACKENDS_MAX backends
 * in all, those of each backend are left out unless asked for, with more than TG_METRICS_TIMES_MAX their
 * histograms, 63 lines of each; those of their service sum them up.
 */
#ifndef TG_ADMIN_METRICS_H
#define TG_ADMIN_METRICS_H

#include "admin/exposition.h"
#include "admin/page.h"

#define TG_METRICS_BACKENDS_MAX 2000u
#define TG_METRICS_TIMES_MAX	200u

enum metric_scope {
	TG_METRIC_OF_ALL = 0,
	TG_METRIC_OF_PROCESS = 1,  /* label process */
	TG_METRIC_OF_WORKER = 2,   /* label worker, from 0 */
	TG_METRIC_OF_LISTENER = 3, /* label listener */
	TG_METRIC_OF_SERVICE = 4,  /* label service */
	TG_METRIC_OF_BACKEND = 5,  /* labels service, backend */
	TG_METRIC_SCOPE_COUNT
};

struct metric_site;

struct metric {
	const char *name;
	enum metric_type type;
	enum metric_scope scope;
	const char *help;
	/* The samples of one object. May write none. */
	void (*write)(const struct metric *m, const struct metric_site *site, struct output *out);
	unsigned id; /* what `write` reads: a counter, a histogram */
};

/* In the order of the page; the last one's name is NULL. */
extern const struct metric metrics[];

/* Whether the page has lines, and histograms, for each backend when nobody says. */
bool metrics_have_backends(const struct admin_source *s);
bool metrics_have_times(const struct admin_source *s);

page_step metrics_step;

#endif
