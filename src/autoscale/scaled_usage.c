/* autoscale/scaled_usage.c: whom to believe of what a backend uses. */
#include <math.h>

#include "autoscale/scaler_priv.h"

static void
take(struct usage_rate *rate, double cpu, double memory)
{
	if (!isnan(cpu))
		rate->cpu = cpu;
	if (!isnan(memory))
		rate->memory = memory;
}

/* What a backend tells of itself goes before what its agent tells, and that before what its processes use: who was
 * made to tell knows better than who looks from outside. */
void
scaled_hear_loads(struct scaled *s, struct mono now, uint64_t stale_ms)
{
	const struct scaler *sc = s->scaler;

	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		uint32_t slot = s->conf->backends[i].segment_slot;
		double cpu;
		double memory;

		if (sc->ops.agent_load(sc->user, s->conf->index, i, &cpu, &memory))
			take(&s->rates[i], cpu, memory);
		if (segment_load_report(sc->segment, slot, now, stale_ms, &cpu, &memory))
			take(&s->rates[i], cpu, memory);
	}
}
