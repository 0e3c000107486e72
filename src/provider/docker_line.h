/*
 * provider/docker_line.h: a stream of bytes, a line at a time, of bounded length.
 */
#ifndef TG_PROVIDER_DOCKER_LINE_H
#define TG_PROVIDER_DOCKER_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Zeroed: without room. */
struct docker_line {
	char *text; /* NUL behind it */
	size_t n;
	size_t max;    /* bytes, with the NUL */
	bool is_whole; /* it ends here; the next bytes begin another */
	bool is_long;  /* it was longer, and is incomplete */
};

/* False: no memory. */
TG_MUST_CHECK bool docker_line_init(struct docker_line *l, size_t max);
void docker_line_fini(struct docker_line *l);
/* What has begun is forgotten. */
void docker_line_clear(struct docker_line *l);
/* Takes bytes up to the end of a line: how many, with its end. */
size_t docker_line_take(struct docker_line *l, const char *bytes, size_t n);

#endif
