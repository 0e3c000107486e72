#include "backend/alarm.h"

#include "base/container.h"

void
alarm_watch(struct alarm *a, struct loop *loop, void (*hear)(void *arg), void *arg)
{
	a->loop = loop;
	a->hear = hear;
	a->arg = arg;
}

static void
on_call(struct loop_call *call)
{
	struct alarm *a = TG_CONTAINER(call, struct alarm, call);

	/* What was done before this is seen now, later alarms call again. */
	atomic_exchange(&a->is_raised, false);
	a->hear(a->arg);
}

void
alarm_raise(struct alarm *a)
{
	if (a->loop != NULL && !atomic_exchange(&a->is_raised, true))
		loop_post(a->loop, &a->call, on_call);
}
