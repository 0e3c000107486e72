/*
 * proc/culprit.h: whose code the keeper runs. It leaves a note in the segment while it is in an autoscaler,
 * which may be a loaded module; the parent reads it when the keeper hangs or has died.
 */
#ifndef TG_PROC_CULPRIT_H
#define TG_PROC_CULPRIT_H

#include <stdbool.h>

#include "conf/conf.h"
#include "ipc/segment.h"

/* Of the configuration. */
struct culprit {
	const char *service;
	const char *module;
};

/* False, and "-" for both: it was in code of its own. The note is the keeper's word, and no more than a hint. */
bool culprit_find(struct segment *segment, const struct conf *conf, struct culprit *ret);
/* The keeper is gone: the next one begins without. */
void culprit_forget(struct segment *segment);

#endif
