#include "backend/spare.h"

#define LOOKS 16u

static bool
has_room(const struct view *view, uint32_t entry)
{
	uint32_t limit = view_limit(view, entry);

	return limit == 0 || atomic_load_explicit(&view->entries[entry].load->in_flight,
						  memory_order_relaxed) < (int64_t)limit;
}

static bool
is_usable(const struct view *view, const struct balance_query *query, uint32_t entry)
{
	return !balance_is_left_out(query, view->entries[entry].backend) && has_room(view, entry);
}

bool
spare_is_left(const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = view->n; i < view->tier_end[TG_TIER_MAX]; i++) {
		if (!balance_is_left_out(query, view->entries[i].backend))
			return true;
	}
	return false;
}

bool
spare_has_room(const struct view *view, const struct balance_query *query)
{
	uint32_t i;

	for (i = view->n; i < view->tier_end[TG_TIER_MAX]; i++) {
		if (is_usable(view, query, i))
			return true;
	}
	return false;
}

/* Of `n` entries from `first` on, or TG_VIEW_NONE. */
static uint32_t
choose(struct worker_service *s, const struct balance_query *query, uint32_t first, uint32_t n)
{
	uint32_t from = (uint32_t)(worker_random(s->worker) % n);
	uint32_t chosen = TG_VIEW_NONE;
	uint64_t weights = 0;
	uint32_t looks = 0;
	uint32_t i;

	for (i = 0; i < n && looks < LOOKS; i++) {
		uint32_t entry = first + (from + i) % n;
		uint32_t weight = s->view->entries[entry].weight;

		if (!is_usable(s->view, query, entry))
			continue;
		looks++;
		weights += weight;
		if (worker_random(s->worker) % weights < weight)
			chosen = entry;
	}
	return chosen;
}

/* Another worker may take the last place of one that was chosen: then it is full. */
static uint32_t
take_of_tier(struct worker_service *s, const struct balance_query *query, uint32_t first,
	     uint32_t n)
{
	uint32_t tries;

	for (tries = 0; tries < n; tries++) {
		uint32_t entry = choose(s, query, first, n);

		if (entry == TG_VIEW_NONE || s->ops->take(s->balance, s->view, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

uint32_t
spare_pick(struct worker_service *s, const struct balance_query *query)
{
	const uint32_t *end = s->view->tier_end;
	uint32_t entry = TG_VIEW_NONE;
	unsigned tier;

	for (tier = 1; tier <= TG_TIER_MAX && entry == TG_VIEW_NONE; tier++)
		entry = take_of_tier(s, query, end[tier - 1], end[tier] - end[tier - 1]);
	return entry;
}
