#include "admin/tally.h"

#include "backend/serving.h"

const char *
backend_condition_str(enum backend_condition condition)
{
	static const char *const words[TG_CONDITION_COUNT] = {
#define CONDITION_WORD(id, word, help) [TG_CONDITION_##id] = word,
		TG_CONDITIONS(CONDITION_WORD)
#undef CONDITION_WORD
	};

	return words[condition];
}

static bool
is_ordered(const struct serving_state *state, enum backend_admin admin)
{
	return (state->order.told & TG_ORDER_ADMIN) != 0 && state->order.admin == (uint32_t)admin;
}

static bool
is_told_down(const struct serving_state *state)
{
	return (state->order.told & TG_ORDER_DOWN) != 0 && state->order.is_down != 0;
}

static enum backend_condition
condition_of(const struct conf_backend *conf, const struct serving_state *state)
{
	if (serving_is_vacant(conf, state))
		return TG_CONDITION_VACANT;
	if (is_ordered(state, TG_ADMIN_MAINT))
		return TG_CONDITION_MAINT;
	if (state->health == TG_HEALTH_CHECKING)
		return TG_CONDITION_CHECKING;
	if (state->health != TG_HEALTH_UP || !state->has_addr || is_told_down(state))
		return TG_CONDITION_DOWN;
	if (!serving_is_wanted(conf, state))
		return TG_CONDITION_DRAIN;
	return state->is_ejected ? TG_CONDITION_EJECTED : TG_CONDITION_UP;
}

enum backend_condition
backend_condition(const struct admin_source *s, size_t service, size_t backend)
{
	struct serving_state state = source_serving_state(s, service, backend);

	return condition_of(&s->conf->services[service].backends[backend], &state);
}

struct tally
tally_service(const struct admin_source *s, size_t service)
{
	const struct conf_service *conf = &s->conf->services[service];
	struct serving_count count = {.wanted = 0};
	struct tally tally = {.usable = 0};
	struct serving serving;

	for (size_t i = 0; i < conf->n_backends; i++) {
		uint32_t slot = source_backend_slot(s, service, i);
		struct serving_state state = source_serving_state(s, service, i);

		serving_count_add(&count, &conf->backends[i], &state);
		tally.conditions[condition_of(&conf->backends[i], &state)]++;
		tally.in_flight += source_in_flight(s, slot);
		tally.ejections += source_gauge(&segment_shared(s->segment, slot)->ejections);
	}
	serving = serving_decide(&count, conf->health.fail_open_percent);
	tally.usable = serving.n;
	tally.is_fail_open = serving.is_fail_open;
	return tally;
}

/* One that is up is enough; without one it depends on all of them. */
bool
tally_is_usable(const struct admin_source *s, size_t service)
{
	const struct conf_service *conf = &s->conf->services[service];

	for (size_t i = 0; i < conf->n_backends; i++) {
		if (backend_condition(s, service, i) == TG_CONDITION_UP)
			return true;
	}
	return tally_service(s, service).usable > 0;
}
