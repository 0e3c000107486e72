/*
 * conf/source_priv.h: files to one text, which remembers where each line came from.
 *
 * @include is done here and not by libconfig, for three reasons: libconfig's
 * scanner ends the process when it is made to read a folder, it counts
 * neither bytes nor nesting, and versions differ in how they look a file up.
 * What libconfig gets has no @include left in it, and integers that do not fit
 * 32 bits are marked as long ones: libconfig 1.5 cuts them off silently.
 */
#ifndef TG_CONF_SOURCE_PRIV_H
#define TG_CONF_SOURCE_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct conf_report;
struct conf_source;

#define TG_CONF_TEXT_MAX (16u << 20)	       /* all files together */
#define TG_CONF_INCLUDE_DEPTH 10u
#define TG_CONF_FILES_MAX 1024u
#define TG_CONF_NESTING_MAX 16u
#define TG_CONF_KEYS_MAX 1000u /* in one group */

struct conf_place {
	const char *file; /* as named on the command line, or folder of that + include */
	unsigned line;
};

/*
 * Always gives a source in *ret, to locate errors with, unless -TG_ENOMEM.
 * Problems go to `report`; the text is not to be parsed then.
 */
TG_MUST_CHECK int conf_source_open(const char *path, struct conf_report *report,
				   struct conf_source **ret);
/* `text` need not be terminated. Relative includes are refused. */
TG_MUST_CHECK int conf_source_memory(const char *text, size_t n, size_t max, const char *name,
				     struct conf_report *report, struct conf_source **ret);
void conf_source_close(struct conf_source *source);

/* The expanded text, NUL-terminated. */
const char *conf_source_text(const struct conf_source *source);
/* False: from memory. */
bool conf_source_is_file(const struct conf_source *source);
/* Where a line of the expanded text came from; line 0 counts as 1. */
struct conf_place conf_source_place(const struct conf_source *source, unsigned line);

#endif
