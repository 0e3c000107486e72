/*
 * admin/page.h: a page that is written in steps, each of which is short.
 *
 * A page may be long (a line per counter of 10,000 backends): whoever sends it
 * asks for a step, and another when there is room and time. Numbers are those
 * of the moment of their step; what belongs together (a histogram) is one step.
 */
#ifndef TG_ADMIN_PAGE_H
#define TG_ADMIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/output.h"
#include "admin/source.h"

/* Where a page is. Zeroed: at its beginning. A value. */
struct page_place {
	size_t part;
	size_t i;
	size_t j;
	bool is_begun; /* the part */
	bool with_backends;
	bool with_times; /* of each backend, in buckets */
};

/* Writes the next piece, a few KiB at most but for very many workers. False: there was none. */
typedef bool page_step(struct page_place *place, const struct admin_source *s, struct output *out);

#endif
