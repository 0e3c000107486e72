/*
 * backend/outlier.h: backends that do worse than the others, found by what
 * happens to the streams they get.
 *
 * Workers note each exchange; failures in a row raise an alarm at once. What
 * needs a longer look is judged once an interval, by the difference of the
 * counters. The judgement is pure; who is ejected for how long is the
 * registry's to keep. (Envoy's outlier detection; for the success rate: mean less
 * a multiple of the standard deviation, but of the others. Among n, one is at most sqrt(n - 1)
 * deviations below the mean of all, 1.4 of three and 1.7 of four, so it would never be found.)
 */
#ifndef TG_BACKEND_OUTLIER_H
#define TG_BACKEND_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "loop/loop.h"

/* Backends with enough requests that a comparison needs. */
#define TG_OUTLIER_COMPARE_MIN 3u
/* The deviation of success rates counts as this much at least: equals make no trifle an outlier. */
#define TG_OUTLIER_DEVIATION_MIN 0.03
/* And as so many times what chance makes of the numbers of requests. */
#define TG_OUTLIER_CHANCES 3.0
/* Intervals that are put together at most where one had too few requests. */
#define TG_OUTLIER_INTERVALS 10u
/* A backend is ejected for longer each time, up to so many times the first. */
#define TG_OUTLIER_LONGEST 10u

/*** In a row: noted by workers ***/

struct outlier;

/* Owned by the registry; outlives the workers. `alarm` is called in `loop`. NULL: no memory. */
struct outlier *outlier_new(const struct conf_service *conf);
void outlier_free(struct outlier *outlier); /* NULL allowed */
/* Control thread, before workers start: who hears that some backend failed too often in a row. */
void outlier_watch(struct outlier *outlier, struct loop *loop, void (*alarm)(void *arg), void *arg);
enum outlier_event {
	OUTLIER_WELL = 0,
	OUTLIER_FAILED = 1,   /* the backend's fault */
	OUTLIER_UNREACHED = 2 /* and it was no connection */
};

/* Any worker: how an exchange with this backend went. */
void outlier_note(struct outlier *outlier, uint32_t backend, enum outlier_event event);
/* Control thread: failures in a row, and of these the failed connects in a row; forgotten, each for itself. */
unsigned outlier_failures(const struct outlier *outlier, uint32_t backend);
unsigned outlier_unreached(const struct outlier *outlier, uint32_t backend);
void outlier_forget_failures(struct outlier *outlier, uint32_t backend);
void outlier_forget_unreached(struct outlier *outlier, uint32_t backend);
/* Control thread: whether an alarm was raised since it was last asked. If not, no row has come to its end, or to a length
 * that ejects. */
bool outlier_take_news(struct outlier *outlier);

/*** In comparison: judged once an interval ***/

/* One backend in one interval. */
struct outlier_sample {
	uint64_t requests;
	uint64_t failures; /* of these */
	uint64_t answers;
	uint64_t response_us; /* sum over the answers */
};

enum outlier_verdict {
	TG_OUTLIER_FINE = 0,
	TG_OUTLIER_FAILS_MORE = 1, /* success rate too far below the mean of the others */
	TG_OUTLIER_IS_SLOWER = 2   /* mean response time above a multiple of the median */
};

/* What is found of a backend, and by which figures. */
struct outlier_finding {
	enum outlier_verdict verdict;
	uint64_t requests; /* it is judged by */
	double own;	   /* share of its requests that succeed, or mean microseconds to its answers */
	double others;	   /* the mean share of the others, or the median of all */
};

/* Fills ret[n]. Backends with fewer than conf->requests are neither judged nor compared with. */
void outlier_judge(const struct conf_outlier *conf, const struct outlier_sample *samples, size_t n,
		   struct outlier_finding *ret);

/* One backend in the last intervals, by turns. Zeroed: it had nothing. */
struct outlier_history {
	struct outlier_sample samples[TG_OUTLIER_INTERVALS];
};

/* The same, each by as few of the last intervals as have conf->requests of it, against what the others had in
 * these: one that is slow gets little where load decides who gets streams. `newest`: the index of the last
 * interval, behind which lies the oldest. No memory: all are fine. */
void outlier_judge_history(const struct conf_outlier *conf, const struct outlier_history *histories,
			   size_t n, unsigned newest, struct outlier_finding *ret);

/*** Being ejected: kept by the registry ***/

struct ejection {
	struct mono until; /* unset: not ejected */
	struct mono ended; /* the last one; unset: never */
	unsigned times;    /* in a row, each longer than the one before */
};

/* The milliseconds it lasts: `base_ms` the first time. */
uint64_t ejection_begin(struct ejection *e, uint64_t base_ms, struct mono now);
/* Before its time. */
void ejection_end(struct ejection *e, struct mono now);
/* True, once, when it is over. */
bool ejection_step(struct ejection *e, struct mono now);
/* How many of `n` may be ejected at a time. */
unsigned ejection_max(const struct conf_outlier *conf, unsigned n);

static inline bool
ejection_is_on(const struct ejection *e)
{
	return mono_is_set(e->until);
}

#endif
