/*
 * autoscale/planning.h: the outlook and the plan of one service, for modules that make plans (tidegate/module.h).
 *
 * Samples are put in at each look. Now and then the module is asked whether it wants another plan; who owns this makes it,
 * in a process of its own (autoscale/planner_process.h) or at once (the simulator), and gives it back. Until then
 * the one before is used. A plan follows from its numbers, which stand in the record of each decision.
 */
#ifndef TG_AUTOSCALE_PLANNING_H
#define TG_AUTOSCALE_PLANNING_H

#include "autoscale/outlook.h"
#include "base/err.h"

#define TG_PLANNING_LOOK_MS  10000 /* from one question to the next */
#define TG_PLANNING_TABLE_MAX ((size_t)64 << 20)

struct planning;

struct planning *planning_new(void);    /* NULL: no memory */
void planning_free(struct planning *p); /* NULL allowed */

struct outlook *planning_outlook(struct planning *p);
/* Another module, or other values: the plan is none of theirs. */
void planning_forget(struct planning *p);

/* Into the snapshot, where the module makes plans: a plan that has come is used from here on. What it points to is valid
 * until the next time, or planning_forget(). */
void planning_fill(struct planning *p, const struct tg_module *module, struct tg_snapshot *snapshot);
/* Whether the module wants a plan; asked once in a while. False also where one was asked for and has not come. */
bool planning_wants(struct planning *p, const struct tg_module *module, const struct tg_value *values,
		    const struct tg_snapshot *snapshot);
/* Of what is wanted: its numbers, and the bytes of its table. */
const double *planning_numbers(const struct planning *p, uint32_t *ret_n);
size_t planning_bytes(const struct planning *p);
/* It has come; `table` is taken over and set to NULL. NULL inside: it has not, and is asked for again later. */
void planning_take(struct planning *p, void **table);
/* At once, and in this thread. -TG_ENOMEM. */
TG_MUST_CHECK int planning_solve(struct planning *p, const struct tg_module *module);

/* Whether a module makes plans. */
bool module_plans(const struct tg_module *module);
/* A table of these numbers, the caller's to free(); NULL: they are not sound, or no memory. */
void *plan_table(const struct tg_module *module, const double *numbers, uint32_t n, size_t *ret_bytes);

#endif
