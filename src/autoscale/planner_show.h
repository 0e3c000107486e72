/*
 * autoscale/planner_show.h: what planner's parts share, and its plan for people.
 */
#ifndef TG_AUTOSCALE_PLANNER_SHOW_H
#define TG_AUTOSCALE_PLANNER_SHOW_H

#include "autoscale/plan.h"

/* What is known, in backends. */
struct planner_seen {
	double now;  /* load */
	double load; /* of the plan's signal, or what is forecast */
	bool is_forecast;
	bool is_busy; /* load is what is in flight, which is more */
	double per_arrival;
	double queued; /* seconds of a backend */
};

struct planner_seen planner_see(const struct tg_value *values, const struct tg_snapshot *s,
				unsigned signal, uint32_t slots);
/* The plan of a snapshot; false: there is none, or no sound one. */
bool planner_read(const struct tg_snapshot *s, struct plan_setup *ret);

/* As tg_autoscaler.plan_show(). */
void planner_show(const struct tg_value *values, const struct tg_snapshot *s,
		  void (*line)(void *user, const char *text), void *user);

#endif
