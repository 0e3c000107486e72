/*
 * sim/workload.h: how many requests come, and when: a rate for each step of time.
 *
 * From a trace (CSV, a step of a minute) or made by a seed (a step of a second). Inside a step requests come at
 * random, independent of each other (Poisson), by the seed of the run.
 */
#ifndef TG_SIM_WORKLOAD_H
#define TG_SIM_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define TG_WORKLOAD_STEPS_MAX ((size_t)1 << 22) /* eight years of minutes, seven weeks of seconds */
#define TG_TRACE_BYTES_MAX    ((size_t)256 << 20)
#define TG_TRACE_RATE_MAX     1e9 /* requests in a line */
#define TG_TRACE_GAP_MAX      10080 /* minutes that are left out in a row: a week */

struct workload {
	char name[64];
	uint64_t step_us;
	size_t n;
	double *rates; /* requests per second */
	size_t missing; /* steps of a trace that no line told of */
	size_t gap;     /* the longest run of them */
	size_t gap_line; /* the line behind it */
};

/*
 * Lines of `time,requests`, a minute each: comments begin with '#'; a first line of two words is the header, a mark
 * of UTF-8 before it is passed over. The time is a number, or a date as 1998-05-09T00:00 with or without a zone (RFC 3339;
 * none is UTC), and one minute later in each line; of minutes that are left out nothing is known, and nothing comes:
 * they are counted, and a week of them is too much. `name` stands for the file in errors, which have the line, what is there and what is allowed.
 * Freed with workload_fini(). -TG_EINVAL, -TG_ELIMIT, -TG_ENOMEM.
 */
TG_MUST_CHECK int workload_parse(const char *text, size_t n, const char *name, struct workload *ret,
				 struct err *err);
/* The same of a file; -TG_EIO. */
TG_MUST_CHECK int workload_read(const char *path, struct workload *ret, struct err *err);

/* One of those below, of so many seconds, its greatest rate 1. -TG_ENOENT: allowed names are in `err`. */
TG_MUST_CHECK int workload_make(const char *name, uint64_t seed, uint64_t seconds,
				struct workload *ret, struct err *err);
/* The i-th that can be made, and what it is; NULL: there are no more. */
const char *workload_made_name(size_t i);
const char *workload_made_help(size_t i);

/* So that the greatest rate is `rps`. Of a load without any request: nothing. */
void workload_scale(struct workload *w, double rps);
/* At most the first `seconds`. */
void workload_cut(struct workload *w, uint64_t seconds);
void workload_fini(struct workload *w); /* zeroed ones allowed */

uint64_t workload_us(const struct workload *w);
double workload_peak(const struct workload *w);

#endif
