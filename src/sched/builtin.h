/*
 * sched/builtin.h: the schedulers that are always there. Each is a module as tidegate/module.h has it, and pure
 * as that demands.
 */
#ifndef TG_SCHED_BUILTIN_H
#define TG_SCHED_BUILTIN_H

#include "tidegate/module.h"

extern const struct tg_module sched_first_fit;
extern const struct tg_module sched_best_fit;
extern const struct tg_module sched_spread;
extern const struct tg_module sched_balanced;
extern const struct tg_module sched_dot_product;
extern const struct tg_module sched_optimal; /* where coinor-cbc was there to build it */

/* All of them; NULL at the end. */
extern const struct tg_module *const sched_builtin[];

#endif
