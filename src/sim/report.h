/*
 * sim/report.h: figures of trials, as a table for people, as JSON, as a drawing.
 */
#ifndef TG_SIM_REPORT_H
#define TG_SIM_REPORT_H

#include "sim/trials.h"

void report_text(FILE *out, const struct trials *t);
void report_json(FILE *out, const struct trials *t);
/* Hours over violations, both in ratios: a point for each target of each contender, a line through those that none of its
 * own beats. */
void report_svg(FILE *out, const struct trials *t);

#endif
