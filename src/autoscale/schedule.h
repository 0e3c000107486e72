/*
 * autoscale/schedule.h: times at which a service has more backends at least.
 *
 * Pure: whether a schedule holds follows from the time alone. It holds when of its start and its end the
 * start came last, by the clock of its zone: a local time that a clock jumps over counts at
 * the jump, one that comes twice counts the first time.
 */
#ifndef TG_AUTOSCALE_SCHEDULE_H
#define TG_AUTOSCALE_SCHEDULE_H

#include "base/clock.h"
#include "conf/conf.h"

struct schedule;

/* Reads the file of its zone. Owned by the caller. -TG_EINVAL, -TG_ENOENT, -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int schedule_new(const struct conf_schedule *conf, struct schedule **ret,
			       struct err *err);
void schedule_free(struct schedule *s); /* NULL allowed */
bool schedule_holds(const struct schedule *s, struct wall now);
unsigned schedule_min(const struct schedule *s);

/* All of a service: what `min` is now. */
struct schedules;
TG_MUST_CHECK int schedules_new(const struct conf_autoscale *conf, struct schedules **ret,
				struct err *err);
void schedules_free(struct schedules *s); /* NULL allowed */
/* The greatest min of those that hold, and `min`. */
unsigned schedules_min(const struct schedules *s, unsigned min, struct wall now);

#endif
