/*
 * autoscale/record.h: a decision as one line of JSON: its input, the proposal, the guards that changed it, what
 * was done and what came of it. Read again, the input makes the same decision, or
 * shows what another module would have made of it.
 */
#ifndef TG_AUTOSCALE_RECORD_H
#define TG_AUTOSCALE_RECORD_H

#include "autoscale/decide.h"
#include "base/clock.h"

#define TG_RECORD_MAX (1u << 16)

/* The caller's to free(); NULL: no memory. */
char *record_text(const struct decide_input *in, const struct decision *d, uint64_t number,
		  struct wall when);

/* Input of a record, from anybody. */
struct record;
/* *ret is freed with record_free(). -TG_EINVAL: what is wrong; -TG_ENOENT: its module is not here; -TG_ENOMEM. */
TG_MUST_CHECK int record_read(const char *text, size_t n, struct record **ret, struct err *err);
void record_free(struct record *r); /* NULL allowed */
/* Of the recorded module; another one may be put in its place with values of its own. */
struct decide_input record_input(const struct record *r);
/* What was decided. */
uint32_t record_desired(const struct record *r);

/* For people, some lines: what is known, what was proposed, which guard changed it, what follows. The caller's to
 * free(); NULL: no memory, or no record. */
char *record_explain(const char *text, size_t n);

#endif
