/*
 * sim/report.h: figures of trials, as a table for people, as JSON, as a drawing.
 */
#ifndef TG_SIM_REPORT_H
#define TG_SIM_REPORT_H

#include "sim/trials.h"

void report_text(FILE *out, const struct trials *t);
void report_json(FILE *out, const struct trials *t);
/* Cost over violations: a line for each contender, a point for each of its targets. */
void report_svg(FILE *out, const struct trials *t);

#endif
