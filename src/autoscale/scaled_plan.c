/* autoscale/scaled_plan.c: what is learned of a service, and the plans its module makes of it. */
#include <stdlib.h>

#include "autoscale/scaler_priv.h"

static void
on_plan(void *user, const char *why)
{
	struct scaled_state *st = user;

	if (why != NULL && !st->is_plan_failing)
		log_write(TG_LOG_WARN, "no plan, the one before is used", "svc=%s reason=%s",
			  st->of->conf->name, why);
	st->is_plan_failing = why != NULL;
	if (why == NULL)
		log_write(TG_LOG_DEBUG, "a plan has come", "svc=%s", st->of->conf->name);
}

int
scaled_plan_init(struct scaled_state *st)
{
	st->planning = planning_new();
	if (st->planning == NULL)
		return -TG_ENOMEM;
	plan_process_init(&st->plan_process, st->of->scaler->loop, st->planning, on_plan, st);
	outlook_interval(planning_outlook(st->planning),
			 (double)st->of->conf->autoscale.interval_ms / 1000);
	return 0;
}

void
scaled_plan_fini(struct scaled_state *st)
{
	plan_process_fini(&st->plan_process);
	planning_free(st->planning);
}

/* What was learned stays, but how long it takes to decide. */
void
scaled_plan_take_over(struct scaled_state *st)
{
	plan_process_fini(&st->plan_process);
	planning_forget(st->planning);
	plan_process_init(&st->plan_process, st->of->scaler->loop, st->planning, on_plan, st);
	if (st->of->module != NULL)
		outlook_interval(planning_outlook(st->planning),
				 (double)st->of->conf->autoscale.interval_ms / 1000);
}

void
scaled_plan_put(struct scaled *s, const struct store_point *point)
{
	outlook_put(planning_outlook(s->state->planning), scaler_ms(point->at),
		    point->values[TG_METRIC_ARRIVALS], point->values[TG_METRIC_SERVICE_TIME]);
}

void
scaled_plan(struct scaled *s)
{
	struct scaled_state *st = s->state;

	planning_fill(st->planning, s->module, &s->input.snapshot);
	if (planning_wants(st->planning, s->module, s->values, &s->input.snapshot))
		plan_process_start(&st->plan_process, s->scaler->plans, s->module);
}

int
scaler_show_plan(const struct scaler *s, unsigned service, void (*line)(void *user, const char *text),
		 void *user)
{
	const struct scaled *scaled = service < s->n_services ? s->services[service] : NULL;
	const struct tg_autoscaler *ops;

	if (scaled == NULL || scaled->module == NULL || !module_plans(scaled->module))
		return -TG_ENOTSUP;
	ops = scaled->module->ops;
	if (ops->plan_show == NULL)
		return -TG_ENOTSUP;
	if (scaled->input.module != scaled->module || scaled->input.snapshot.plan == NULL)
		return -TG_EAGAIN;
	ops->plan_show(scaled->values, &scaled->input.snapshot, line, user);
	return 0;
}
