/*
 * sample/sample.h: what a service did in one interval, and how loaded its backends are.
 *
 * Taken by the keeper from the statistics segment, which workers write, and from
 * cgroups or /proc; nothing here touches a worker. A figure that is missing, stale or
 * not believable is NAN, never 0.
 */
#ifndef TG_SAMPLE_SAMPLE_H
#define TG_SAMPLE_SAMPLE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "ipc/segment.h"
#include "observe/histogram.h"
#include "sample/usage.h"

/*
 * Of one backend. A value. Errors: answers with 5xx, and what the backend failed otherwise. The mean of its service
 * time is from the begin of a stream, waits included; percentiles are of the time at the backend alone, of what it
 * answered in the interval. How long streams waited is the service's to tell: they wait before they have a backend.
 */
struct backend_sample {
	double in_flight;
	double arrivals;     /* per second */
	double completions;  /* per second */
	double errors;       /* per second */
	double service_time; /* mean, seconds; NAN: none ended */
	double service_p50;  /* seconds; NAN: none was answered */
	double service_p95;
	double service_p99;
	double cpu;          /* of what it may use */
	double memory;       /* the same; working set */
};

extern const struct backend_sample backend_sample_unknown;

/*
 * Of a service. A value. Completions are counted as they end, so that those of an interval are exact. Errors are
 * answers with 5xx, and answers cut; of a service that answers without a status (tcp), streams that ended for want
 * of a backend, or by its fault. The service time is what a stream takes without its wait. While nobody waits or
 * waited, queue times are 0; what took longer than a minute is told as a minute.
 */
struct service_sample {
	struct mono at;
	uint64_t interval_us; /* it stands for; 0: the first */
	double in_flight;
	double queued;
	double arrivals;
	double completions;
	double errors;
	double service_time;
	double service_p95;
	double queue_time;
	double queue_p95;
	double cpu; /* mean over the backends where it is known; NAN where it is of none */
	double memory;
};

extern const struct service_sample service_sample_unknown;

/* What a service did in an interval, whoever counted it. A value. */
struct service_counts {
	uint64_t streams;  /* begun */
	uint64_t ended;
	uint64_t total_us; /* all that ended took, waits included */
	uint64_t queue_us; /* all that ended waited */
	uint64_t errors;
};

/* Figures of an interval of `us` > 0: rates, mean times, and queue times of 0 while nobody waits or waited. What is
 * queued and 95th percentiles are there before. */
void service_sample_take(const struct service_counts *c, uint64_t us, struct service_sample *ret);
/* 95th percentile of what is in one and not in the other, which is older, in seconds; NAN: nothing is, or counts went
 * back. */
double sample_p95(const struct histogram *now, const struct histogram *before);

/* Counters of one service as they were at the last sample. */
struct sampler;

/* `segment` outlives it. NULL: no memory. */
struct sampler *sampler_new(struct segment *segment);
void sampler_free(struct sampler *sampler); /* NULL allowed */
/*
 * Since the call before for this service: rates are NAN at the first one, and for a backend that is new, and
 * whenever counters went back. Reads all counters of its slots, of each worker. `backends` has
 * service->n_backends elements; `usages` the same, with what is known of each, or is NULL.
 */
void sampler_take(struct sampler *sampler, const struct conf_service *service, struct mono now,
		  const struct usage_rate *usages, struct service_sample *ret,
		  struct backend_sample *backends);
/* Another configuration: forgets slots that are nobody's. */
void sampler_reload(struct sampler *sampler, const struct conf *conf);

#endif
