/*
 * backend/alarm.h: calls the control thread from any worker. What several raise before
 * it is heard is one call.
 */
#ifndef TG_BACKEND_ALARM_H
#define TG_BACKEND_ALARM_H

#include <stdatomic.h>

#include "loop/loop.h"

/* Storage is the caller's, zeroed first: nobody hears it then. Lives until `loop` has served its calls. */
struct alarm {
	struct loop *loop; /* NULL: nobody hears */
	void (*hear)(void *arg);
	void *arg;
	struct loop_call call;
	atomic_bool is_raised; /* the call is on its way */
};

/* Before workers start: `hear` is called in `loop`. */
void alarm_watch(struct alarm *alarm, struct loop *loop, void (*hear)(void *arg), void *arg);
/* From any thread. What was done before is seen by `hear`. */
void alarm_raise(struct alarm *alarm);

#endif
