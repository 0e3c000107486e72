#include "backend/serving.h"

#include "backend/view.h"

uint32_t
serving_weight(const struct conf_backend *backend, const struct serving_state *state)
{
	const struct backend_order *order = &state->order;
	uint64_t weight = state->record.weight != 0 ? state->record.weight : backend->weight;
	uint64_t permille = 1000;
	uint64_t scaled;

	if ((order->told & TG_ORDER_WEIGHT) != 0) {
		permille = order->weight_permille;
		if (order->weight != TG_ORDER_AS_CONF)
			weight = order->weight;
	}
	if (weight == 0 || permille == 0)
		return 0;
	scaled = weight * permille * TG_WEIGHT_SCALE / 1000;
	if (scaled > TG_WEIGHT_MAX)
		return TG_WEIGHT_MAX;
	return scaled > 0 ? (uint32_t)scaled : 1;
}

uint32_t
serving_limit(const struct conf_service *service, const struct conf_backend *backend,
	      const struct backend_order *order)
{
	if ((order->told & TG_ORDER_LIMIT) != 0 && order->limit != TG_ORDER_AS_CONF)
		return order->limit;
	return conf_backend_limit(service, backend);
}

unsigned
serving_tier(const struct conf_backend *backend, const struct serving_state *state)
{
	return backend->tier > 0 ? backend->tier : state->record.is_backup;
}

bool
serving_is_wanted(const struct conf_backend *backend, const struct serving_state *state)
{
	const struct backend_order *order = &state->order;

	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin != TG_ADMIN_READY)
		return false;
	if ((order->told & TG_ORDER_DOWN) != 0 && order->is_down != 0)
		return false;
	return serving_weight(backend, state) > 0;
}

bool
serving_is_vacant(const struct conf_backend *backend, const struct serving_state *state)
{
	return backend->slots > 1 && !state->has_addr && state->health == TG_HEALTH_DOWN;
}

void
serving_count_add(struct serving_count *count, const struct conf_backend *backend,
		  const struct serving_state *state)
{
	bool up = state->has_addr && state->health == TG_HEALTH_UP;
	unsigned tier = serving_tier(backend, state);

	if (!serving_is_wanted(backend, state) || serving_is_vacant(backend, state))
		return;
	if (tier > 0) {
		count->backups[tier] += up;
		return;
	}
	count->wanted++;
	count->checking += state->health == TG_HEALTH_CHECKING;
	count->located += state->has_addr;
	count->up += up;
	count->ejected += up && state->is_ejected;
}

/* Fewer than the threshold, and no verdict is missing that may change that. */
static bool
is_too_few(const struct serving_count *count, uint32_t n, unsigned percent)
{
	return (uint64_t)n * 100 < (uint64_t)count->wanted * percent && count->checking == 0;
}

/* The lowest with a backup that is up; 0: none. */
static unsigned
find_tier(const struct serving_count *count)
{
	unsigned tier = 1;

	while (tier <= TG_TIER_MAX && count->backups[tier] == 0)
		tier++;
	return tier <= TG_TIER_MAX ? tier : 0;
}

struct serving
serving_decide(const struct serving_count *count, unsigned fail_open_percent)
{
	uint32_t usable = count->up - count->ejected;
	unsigned tier = usable == 0 ? find_tier(count) : 0;

	if (tier != 0)
		return (struct serving){
			.tier = tier, .has_ejected = true, .n = count->backups[tier]};
	if (is_too_few(count, count->up, fail_open_percent) && count->located > 0)
		return (struct serving){
			.is_fail_open = true, .has_ejected = true, .n = count->located};
	if (usable == 0 || is_too_few(count, usable, fail_open_percent))
		return (struct serving){
			.has_ejected = true, .is_short = count->ejected > 0, .n = count->up};
	return (struct serving){.n = usable};
}

bool
serving_has(const struct serving *serving, const struct conf_backend *backend,
	    const struct serving_state *state)
{
	return state->has_addr && serving_tier(backend, state) == serving->tier &&
	       (state->health == TG_HEALTH_UP || serving->is_fail_open) &&
	       (!state->is_ejected || serving->has_ejected) && serving_is_wanted(backend, state);
}

bool
serving_is_spare(const struct serving *serving, const struct conf_backend *backend,
		 const struct serving_state *state)
{
	return state->has_addr && serving_tier(backend, state) > serving->tier &&
	       state->health == TG_HEALTH_UP && !state->is_ejected &&
	       serving_is_wanted(backend, state);
}
