/*
 * admin/weight.h: how weights are written in commands.
 */
#ifndef TG_ADMIN_WEIGHT_H
#define TG_ADMIN_WEIGHT_H

#include "admin/command.h"

/* "10", or "50%" of the configured weight; else the command fails. */
void weight_order(struct command_call *call, const struct steer_target *target, const char *text);

#endif
