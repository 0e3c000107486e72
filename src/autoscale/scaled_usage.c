/* autoscale/scaled_usage.c: whom to believe of what a backend uses. */
#include <math.h>
#include <stdio.h>

#include "autoscale/scaler_priv.h"

#define STALE_TICKS 3u /* a reading that is older tells nothing */

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
static void
hear_loads(struct scaled *s, struct mono now, uint64_t stale_ms)
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

/* What its provider was told it used. */
static bool
told_usage(const struct scaled_state *st, const struct fleet_member *m, struct usage told[2])
{
	const struct provider *p = st->sources[m->source].provider;

	return p != NULL && provider_usage(p, m->name, told);
}

void
scaled_read_usages(struct scaled *s, struct mono now)
{
	const struct conf_provider *provider = &s->conf->provider;
	uint64_t stale_ms = STALE_TICKS * s->conf->autoscale.interval_ms;

	for (size_t i = 0; i < s->conf->n_backends; i++)
		s->places[i] = s->members[i] != NULL ? s->members[i]->place
						     : (struct usage_place){.cgroup = NULL};
	if (usage_read_all(s->places, s->conf->n_backends, now, s->reads) < 0)
		log_write(TG_LOG_WARN, "what backends use is not known", "svc=%s reason=%s",
			  s->conf->name, "no memory");
	for (size_t i = 0; i < s->conf->n_backends; i++) {
		struct usage told[2];
		struct usage *before;

		s->rates[i] = (struct usage_rate){.cpu = NAN, .memory = NAN};
		if (s->members[i] == NULL)
			continue;
		if (told_usage(s->state, s->members[i], told)) {
			s->rates[i] = usage_rate(&told[0], &told[1], provider->cpu_permille / 1000.0,
						 provider->memory, now, stale_ms);
			continue;
		}
		before = fleet_usage(s->state->fleet, s->conf->backends[i].name);
		s->rates[i] = usage_rate(before, &s->reads[i], provider->cpu_permille / 1000.0,
					 provider->memory, now, stale_ms);
		*before = s->reads[i];
	}
	hear_loads(s, now, stale_ms);
}

/*** What is not known, and why ***/

static const char *
why_unknown(const struct scaled *s, size_t i, bool is_cpu)
{
	const struct conf_provider *provider = &s->conf->provider;
	const struct usage *u = &s->reads[i];
	bool has_place = s->places[i].cgroup != NULL || s->places[i].group > 0;
	bool is_read = is_cpu ? u->has_cpu : u->has_memory;
	bool has_limit = is_cpu ? provider->cpu_permille > 0 || u->cpu_limit > 0
				: provider->memory > 0 || u->memory_limit > 0;

	if (!has_place)
		return s->conf->agent.port != 0
			       ? "neither its agent nor its answers told it lately"
			       : "it has no agent, its answers do not tell it, and nobody reads it";
	if (!is_read)
		return "its processes cannot be read";
	if (!has_limit)
		return is_cpu ? "there is no limit to compare it with: set provider.cpu"
			      : "there is no limit to compare it with: set provider.memory";
	return "there are no readings yet that can be believed";
}

static bool
is_ready(const struct scaled *s, unsigned i)
{
	const struct scaler *sc = s->scaler;

	return s->members[i] != NULL ? s->members[i]->state == TG_FLEET_READY
				     : sc->ops.is_up(sc->user, s->conf->index, i);
}

/* Of backends that are ready, `text` says of how many it is not known, and of the first why. NULL: of none. */
static const char *
tell_unknown(const struct scaled *s, bool is_cpu, char text[TG_SCALED_WHY])
{
	const char *why = NULL;
	unsigned n_ready = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		if (!is_ready(s, i))
			continue;
		n_ready++;
		if (!isnan(is_cpu ? s->rates[i].cpu : s->rates[i].memory))
			continue;
		n++;
		if (why == NULL)
			why = why_unknown(s, i, is_cpu);
	}
	if (why == NULL)
		return NULL;
	snprintf(text, TG_SCALED_WHY, "of %u of %u backends: %s", n, n_ready, why);
	return text;
}

void
scaled_tell(struct scaled *s)
{
	s->input.told = (struct decide_told){
		.samples = s->samples,
		.n_samples = (uint32_t)s->conf->n_backends,
		.instance = store_instance(s->scaler->store),
		.epoch = s->state->lead.epoch,
	};
	if (module_uses(s->module, s->values, TG_METRIC_CPU))
		s->input.told.cpu_unknown = tell_unknown(s, true, s->cpu_unknown);
	if (module_uses(s->module, s->values, TG_METRIC_MEMORY))
		s->input.told.memory_unknown = tell_unknown(s, false, s->memory_unknown);
}
