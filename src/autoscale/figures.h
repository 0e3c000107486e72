/*
 * autoscale/figures.h: reading a snapshot.
 */
#ifndef TG_AUTOSCALE_FIGURES_H
#define TG_AUTOSCALE_FIGURES_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "tidegate/module.h"

static inline const struct tg_figure *
figure(const struct tg_window *w, enum tg_metric metric)
{
	return &w->metrics[metric];
}

/* NAN: not known. */
static inline double
figure_mean(const struct tg_window *w, enum tg_metric metric)
{
	return w->metrics[metric].n > 0 ? w->metrics[metric].mean : NAN;
}

/* At backends, and before them. NAN: not known. */
static inline double
figure_demand(const struct tg_window *w)
{
	double queued = figure_mean(w, TG_METRIC_QUEUED);

	return figure_mean(w, TG_METRIC_IN_FLIGHT) + (isnan(queued) ? 0 : queued);
}

/* The same in the newest sample alone. */
static inline double
figure_demand_now(const struct tg_window *w)
{
	const struct tg_figure *in_flight = figure(w, TG_METRIC_IN_FLIGHT);
	const struct tg_figure *queued = figure(w, TG_METRIC_QUEUED);

	return (in_flight->n > 0 ? in_flight->last : NAN) + (queued->n > 0 ? queued->last : 0);
}

/* All of the window nothing came and nothing was there, as far as the proxy counted. */
static inline bool
figure_is_quiet(const struct tg_window *w)
{
	const struct tg_figure *arrivals = figure(w, TG_METRIC_ARRIVALS);
	const struct tg_figure *in_flight = figure(w, TG_METRIC_IN_FLIGHT);

	return arrivals->n > 0 && in_flight->n > 0 && arrivals->max <= 0 && in_flight->max <= 0 &&
	       !(figure(w, TG_METRIC_QUEUED)->n > 0 && figure(w, TG_METRIC_QUEUED)->max > 0);
}

/* A number of backends; beyond all that can be is the greatest there is. */
static inline uint32_t
figure_backends(double n)
{
	if (!(n > 0))
		return 0;
	return n >= 1e9 ? 1000000000u : (uint32_t)n;
}

/* The least whole number that is not less, but for the rounding of what led to it. */
static inline uint32_t
figure_ceil(double n)
{
	return figure_backends(ceil(n - 1e-9));
}

static inline void propose_reason(struct tg_proposal *p, const char *fmt, ...) TG_PRINTF(2, 3);

static inline void
propose_reason(struct tg_proposal *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->reason, sizeof(p->reason), fmt, ap);
	va_end(ap);
}

/* What it needs is not known: the number stays. */
static inline void propose_unsure(struct tg_proposal *p, const struct tg_snapshot *s,
				  const char *fmt, ...) TG_PRINTF(3, 4);

static inline void
propose_unsure(struct tg_proposal *p, const struct tg_snapshot *s, const char *fmt, ...)
{
	va_list ap;

	p->desired = s->desired;
	p->is_unsure = true;
	p->load = NAN;
	va_start(ap, fmt);
	vsnprintf(p->reason, sizeof(p->reason), fmt, ap);
	va_end(ap);
}

/* The option of those that must know it. */
#define OPTION_CONCURRENCY                                                                         \
	{                                                                                          \
		.name = "concurrency", .type = TG_OPTION_NUMBER, .min = 1, .max = 10000,           \
		.help = "Requests that one backend serves at a time without getting slower. Not "  \
			"given: max_connections_per_backend.",                                     \
	}

/* Requests a backend serves at a time, by that option or else by the service; 0: not known. */
static inline uint32_t
figure_concurrency(const struct tg_value *option, const struct tg_snapshot *s)
{
	return option->is_set ? (uint32_t)option->number : s->concurrency;
}

static inline void
propose_no_concurrency(struct tg_proposal *p, const struct tg_snapshot *s)
{
	propose_unsure(p, s,
		       "how many requests a backend serves at a time is not known: set "
		       "concurrency or max_connections_per_backend");
}

#endif
