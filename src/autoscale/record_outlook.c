/* autoscale/record_outlook.c: outlook and plan of a decision to JSON. */
#include <math.h>

#include "autoscale/outlook.h"
#include "autoscale/record_priv.h"

static json_t *
estimate_of(const struct tg_estimate *e)
{
	return json_pack("[o,o,o]", record_number(e->value), record_number(e->error), record_number(e->n));
}

static json_t *
signals_of(const struct tg_outlook *o)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < TG_SIGNAL_COUNT; i++) {
		if (json_object_set_new(all, tg_signal_str(i), record_number(o->signals[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
outlook_of(const struct tg_outlook *o)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "signals", signals_of(o), "start_s",
			 estimate_of(&o->start_s), "service_s", estimate_of(&o->service_s),
			 "forecast", estimate_of(&o->forecast));
}

static json_t *
numbers_of(const struct tg_plan *plan)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < plan->n; i++) {
		if (json_array_append_new(all, record_number(plan->numbers[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

bool
record_add_outlook(json_t *all, const struct tg_snapshot *s)
{
	return (s->outlook == NULL || json_object_set_new(all, "outlook", outlook_of(s->outlook)) == 0) &&
	       (s->plan == NULL || json_object_set_new(all, "plan", numbers_of(s->plan)) == 0);
}
