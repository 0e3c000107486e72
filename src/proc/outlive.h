/*
 * proc/outlive.h: a process that has something to end when its parent is killed.
 */
#ifndef TG_PROC_OUTLIVE_H
#define TG_PROC_OUTLIVE_H

#include "base/err.h"

/*
 * This process, which is killed with its parent (see process_die_with()), is so only `limit_s` seconds after it
 * from now on: it sees its channel end, ends what is left, and itself. Again: another limit. -TG_EIO: errno.
 */
TG_MUST_CHECK int outlive_parent(unsigned limit_s);

#endif
