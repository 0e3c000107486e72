/*
 * admin/removable.h: whether a backend can be deleted: out of use by order, and nothing
 * runs on it. Connections kept for reuse do not count: they are closed with it.
 */
#ifndef TG_ADMIN_REMOVABLE_H
#define TG_ADMIN_REMOVABLE_H

#include "admin/command.h"

enum removable {
	TG_REMOVABLE_YES = 0,
	TG_REMOVABLE_BUSY = 1,  /* what runs on it may end */
	TG_REMOVABLE_NEVER = 2, /* not as it is; the answer is a failure now */
};

/* As command_find_backend(); fails also where it is one slot of several, which go together. */
bool removable_find(struct command_call *call, const char *name, struct steer_target *ret);
/* Of the backend of this name; fails the call where it cannot be by waiting. */
enum removable removable_look(struct command_call *call, const char *name);
/* What runs on it: the failure of who would not wait longer. */
void removable_fail_busy(struct command_call *call, enum command_error code, const char *name);

#endif
