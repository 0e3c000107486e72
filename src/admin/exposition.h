/*
 * admin/exposition.h: lines of Prometheus' text format, version 0.0.4.
 *
 * A family begins with its HELP and TYPE; then come its samples, one line
 * each: name, labels, value.
 */
#ifndef TG_ADMIN_EXPOSITION_H
#define TG_ADMIN_EXPOSITION_H

#include "admin/output.h"
#include "observe/histogram.h"

#define TG_EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TG_LABELS_MAX              3u

enum metric_type {
	TG_METRIC_COUNTER = 0,
	TG_METRIC_GAUGE = 1,
	TG_METRIC_HISTOGRAM = 2,
	TG_METRIC_TYPE_COUNT
};

struct label {
	const char *name;
	const char *value; /* any bytes; escaped here */
};

/* What the samples of one object are called. A value. */
struct series {
	const char *name;
	struct label labels[TG_LABELS_MAX];
	size_t n_labels;
};

void exposition_family(struct output *out, const char *name, enum metric_type type,
		       const char *help);
void exposition_number(struct output *out, const struct series *series, uint64_t value);
/* Microseconds, written as seconds. */
void exposition_seconds(struct output *out, const struct series *series, uint64_t us);
/* With one label more than the series has; it may have TG_LABELS_MAX - 1. */
void exposition_labelled(struct output *out, const struct series *series, const char *label,
			 const char *value, uint64_t number);
/* Buckets, sum and count, in seconds. The series may have TG_LABELS_MAX - 1 labels. */
void exposition_histogram(struct output *out, const struct series *series,
			  const struct histogram *h);

/* Microseconds as a number of seconds, for JSON too. */
void output_seconds(struct output *out, uint64_t us);

#endif
