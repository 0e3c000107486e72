/*
 * admin/reload.h: what is asked of the configuration, which is the parent's, and its answer.
 */
#ifndef TG_ADMIN_RELOAD_H
#define TG_ADMIN_RELOAD_H

#include "admin/command.h"

/* Asks, in the name of who speaks; who, when and why are filled in. The session waits, and is told
 * `done` when it is done (NULL: what the parent says), else why it is not. */
void reload_ask(struct command_call *call, struct reload_order *order, const char *done);

#endif
