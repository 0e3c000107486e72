/*
 * proc/parent.h: what the parent can be told to do, for signals and whoever else may order it.
 */
#ifndef TG_PROC_PARENT_H
#define TG_PROC_PARENT_H

#include "base/err.h"

struct parent;

/* Starts the program anew, to take our place when it serves. It has begun: how it goes on is
 * logged. Or -TG_EEXIST (one is under way), -TG_EAGAIN (we are starting), or that it cannot be. */
TG_MUST_CHECK int parent_upgrade(struct parent *p, struct err *err);

#endif
