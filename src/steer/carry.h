/*
 * steer/carry.h: orders over a reload.
 *
 * By the rule of a restart (steer/kept.h): an order stays as long as what was configured when it was
 * given is configured still. Those that stay are not logged, those that end are.
 */
#ifndef TG_STEER_CARRY_H
#define TG_STEER_CARRY_H

#include "conf/same.h"
#include "steer/steer.h"

struct steer_next;

/* Beside what is ordered. `same` outlives *ret. -TG_ENOMEM. */
TG_MUST_CHECK int steer_prepare(const struct steer *steer, const struct conf_same *same,
				struct steer_next **ret);
void steer_drop(struct steer_next *next); /* NULL allowed */
/* Goes over; nobody hears of changes. After this the configuration before is not used any more. */
void steer_commit(struct steer *steer, struct steer_next *next);

#endif
