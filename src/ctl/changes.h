/*
 * ctl/changes.h: two answers to the same question, laid over each other. Pure.
 */
#ifndef TG_CTL_CHANGES_H
#define TG_CTL_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/text.h"

#define TG_CHANGES_WIDTH_MAX 512u

/* A text by its lines. Owned by the caller; all zero is an empty one; lines_fini(). */
struct lines {
	char *bytes;
	size_t *starts; /* n + 1: the last is behind the end */
	size_t n;
};

/* A copy of these bytes, in place of what `l` had. -TG_ENOMEM: it has what it had. */
int lines_set(struct lines *l, const char *bytes, size_t n);
void lines_fini(struct lines *l);
/* Line `i` without its newline; an empty one when there is none. */
const char *lines_get(const struct lines *l, size_t i, size_t *ret_n);

/* Columns `from` to `from + width` of line `i`, and which of them are not what they were; `before`
 * NULL: none. `width` is at most TG_CHANGES_WIDTH_MAX. */
void changes_line(const struct lines *now, const struct lines *before, size_t i, unsigned from,
		  unsigned width, struct text_cell *cells, bool *changed);

#endif
