/*
 * autoscale/builtin.h: the autoscalers that are always there. Each is a module as tidegate/module.h has
 * it, and pure as that demands.
 */
#ifndef TG_AUTOSCALE_BUILTIN_H
#define TG_AUTOSCALE_BUILTIN_H

#include "tidegate/module.h"

extern const struct tg_module autoscale_threshold;
extern const struct tg_module autoscale_target;
extern const struct tg_module autoscale_staffing;
extern const struct tg_module autoscale_planner;

/* All of them, NULL at the end: for modules_add_builtin(). */
extern const struct tg_module *const autoscale_builtin[];

#endif
