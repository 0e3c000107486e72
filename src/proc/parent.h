/*
 * proc/parent.h: what the parent can be told to do, for signals and whoever else may order it.
 */
#ifndef TG_PROC_PARENT_H
#define TG_PROC_PARENT_H

#include <stdint.h>

#include "base/err.h"

struct parent;

/* Ends gracefully within `grace_ms`; what is running is finished or, at the end of it, cut. When it is
 * stopping already: kills the children. `why` is for the log. */
void parent_stop(struct parent *p, const char *why, uint64_t grace_ms);

/* Starts the program anew, to take our place when it serves. It has begun: how it goes on is
 * logged. Or -TG_EEXIST (one is under way), -TG_EAGAIN (we are starting), or that it cannot be. */
TG_MUST_CHECK int parent_upgrade(struct parent *p, struct err *err);

#endif
