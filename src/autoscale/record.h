/*
 * autoscale/record.h: a decision as one line of JSON: its input, the proposal, the guards that changed it, and what
 * follows. Read again, the input makes the same decision, or shows what another module would have made of it.
 *
 * {"v":1, "number":7, "at":"2026-11-26T13:00:00.000000Z", "service":"api", "module":"target",
 *  "options":{name: number or null}, "snapshot":{..., "windows":[{"span_ms", "covered_ms", "n", "metrics":{word:
 *  [n, first, last, mean, min, max]}}], "backends":[[name, state, since_ms, in_flight, cpu, memory]]},
 *  "outlook":{"signals":{word: number}, "start_s":[value, error, n], "service_s":..., "forecast":...}, "plan":[numbers],
 *  "state":{...}, "proposal":{"desired", "raw", "unsure", "load", "reason"},
 *  "service_times":[[p50, p95, p99]], "unknown":{"cpu":why, "memory":why}, "instance":"a", "epoch":3,
 *  "changes":[[guard, from, to]], "desired":5, "action":"add 2",
 *  "placement":[{"backend", "node", "placed", "why"}], "blind":false, "took_us":12}
 *
 * Outlook and plan are of modules that make plans. A plan's table is not recorded, as it follows from its numbers: who
 * makes the decision again has record_plan() make it.
 *
 * Figures that are not known are null; a metric of which nothing is known is not there. Times are those of the
 * backends, in their order and of those that were sampled; where none is known, there are none. They, what is
 * unknown, and who decided where several could, are for people, and nothing reads them again.
 */
#ifndef TG_AUTOSCALE_RECORD_H
#define TG_AUTOSCALE_RECORD_H

#include "autoscale/decide.h"
#include "base/clock.h"

/* What is read; what is written is smaller for any service of up to a thousand backends. */
#define TG_RECORD_MAX (1u << 18)
#define TG_RECORD_BACKENDS_MAX 1024u

/* The caller's to free(); NULL: no memory. */
char *record_text(const struct decide_input *in, const struct decision *d, uint64_t number,
		  struct wall when);

/* Input of a record, from anybody. */
struct record;
/* *ret is freed with record_free(). -TG_EINVAL: what is wrong; -TG_ENOENT: its module is not here; -TG_ENOMEM. */
TG_MUST_CHECK int record_read(const char *text, size_t n, struct record **ret, struct err *err);
void record_free(struct record *r); /* NULL allowed */
/* Of the recorded module; another one may be put in its place with values of its own: decide() gives it of the
 * windows that were recorded those nearest to what it asks for. Valid as long as the record. */
struct decide_input record_input(const struct record *r);
/* What was decided. */
uint32_t record_desired(const struct record *r);

/* For people, some lines: what is known, what was proposed, which guard changed it, what follows. Of any text that
 * is a record, its module known here or not. The caller's to free(); NULL: no memory, or no record. */
char *record_explain(const char *text, size_t n);
/* The same in one line, without its end: when, number, from, to, proposed, guard and reason. The reason is
 * a module's, and may be any text. */
char *record_line(const char *text, size_t n);

/* A table that was made of the numbers of a record; zeroed is none. Of use as long as it is not taken for another record,
 * or freed. */
struct record_plan {
	const struct tg_module *module;
	double numbers[TG_PLAN_NUMBERS_MAX];
	uint32_t n;
	void *table; /* owned */
	size_t bytes;
};
/* The table of the record's plan, into its snapshot: that of `kept` where the numbers are the same, or a new one that is kept
 * there. Of a record without a plan nothing is done. -TG_EINVAL: its module makes none of these, or there is no memory. */
TG_MUST_CHECK int record_plan(struct record *r, struct record_plan *kept, struct err *err);
void record_plan_fini(struct record_plan *kept);

#endif
