/*
 * conf/report_priv.h: errors gathered in any order, told in file order.
 */
#ifndef TG_CONF_REPORT_PRIV_H
#define TG_CONF_REPORT_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

struct conf_source;

/* Beyond this many, the rest is counted only. */
#define TG_CONF_REPORT_MAX 1000u

struct conf_report_entry {
	unsigned line; /* of the expanded text */
	unsigned order;
	bool is_warning;
	char *text;
};

/* Storage is the caller's; all zero is empty. */
struct conf_report {
	struct conf_report_entry *list;
	size_t n;
	size_t size;
	size_t n_warnings; /* of these */
	size_t dropped;
	bool no_memory;
};

void conf_report_fini(struct conf_report *report);
#define TG_CONF_REPORT_NO_LINE UINT_MAX /* of the file as a whole */

/* `line` counts in the expanded text. Never fails: what cannot be kept is counted. */
void conf_report_add(struct conf_report *report, unsigned line, const char *fmt, ...) TG_PRINTF(3, 4);
/* What is allowed, and hardly meant. Those that cannot be kept are left out. */
void conf_report_warn(struct conf_report *report, unsigned line, const char *fmt, ...)
	TG_PRINTF(3, 4);
void conf_report_no_memory(struct conf_report *report);
/* Errors so far, dropped ones included. */
size_t conf_report_count(const struct conf_report *report);
/* Of errors. */
bool conf_report_is_clean(const struct conf_report *report);

/* Moves everything to `ret`, in file order, with file and line before each, and "warning" where it is one. */
void conf_report_finish(struct conf_report *report, const struct conf_source *source,
			struct conf_errors *ret);

/* One more error at the end of `errors`, control bytes in it as \n or \xNN. No memory: nothing is
 * added, the caller fails all the same. */
void conf_errors_add(struct conf_errors *errors, const char *fmt, ...) TG_PRINTF(2, 3);

#endif
