/*
 * conf/compare.h: what differs between two configurations, in words.
 */
#ifndef TG_CONF_COMPARE_H
#define TG_CONF_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/conf.h"

/* Listeners, services, backends, and all that is of none of them as one more. */
struct conf_changes {
	unsigned added;
	unsigned changed;
	unsigned removed;
};

/*
 * One line for each object, in the order of `next`, what was removed last:
 *
 *	global: changed: log.level "info" -> "debug"
 *	listener web: changed: max_connections 100 -> 200, routes
 *	service api: added
 *	service api backend b3: removed
 *
 * Or TG_CONF_SAME, alone. Secrets are named, their values are not. Slots of the segment, and who added a
 * backend, make no difference. -TG_ENOMEM: the text is incomplete.
 */
#define TG_CONF_SAME "nothing differs"
TG_MUST_CHECK int conf_compare(const struct conf *present, const struct conf *next, FILE *out,
			       struct conf_changes *ret);

/* Of texts that may be missing: NULL. */
bool conf_is_equal_text(const char *a, const char *b);

/* What `next` has other than `present` of the keys that a running process cannot change ("workers", "user",
 * "group"), in one line without its end: workers 2 -> 4, user none -> "nobody". False: nothing. `out` NULL: only
 * whether. */
bool conf_compare_fixed(const struct conf *present, const struct conf *next, FILE *out);

#endif
