/*
 * proc/limits.h: what the kernel lets this process have.
 */
#ifndef TG_PROC_LIMITS_H
#define TG_PROC_LIMITS_H

#include "base/err.h"

/* Raises the soft descriptor limit to the hard one, for this process and its children.
 * *ret_limit is the limit in effect, also on failure (-TG_EIO). */
TG_MUST_CHECK int limits_raise_descriptors(unsigned long *ret_limit, struct err *err);

/* The limit of open files in effect for this process. */
unsigned long limits_descriptors(void);

/* Descriptors `connections` proxied connections need, with head-room for everything else. */
unsigned long limits_descriptors_for(unsigned connections);

#endif
