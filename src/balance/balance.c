#include "balance/balance.h"

#include <stddef.h>

#include "balance/take_priv.h"

static const struct balance_ops *const algorithms[] = {
	&balance_round_robin, &balance_least_conn, &balance_p2c,    &balance_hash,
	&balance_ewma,        &balance_first,      &balance_random,
};

const struct balance_ops *
balance_find(enum conf_balance id)
{
	size_t i;

	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (algorithms[i]->id == id)
			return algorithms[i];
	}
	return NULL;
}

struct condition {
	bool (*take)(const void *arg, const struct view *view, uint32_t entry);
	const void *arg;
};

static bool
take_allowed(const struct view *view, const struct balance_query *query,
	     const struct condition *condition, uint32_t entry)
{
	return !balance_is_left_out(query, view->entries[entry].backend) &&
	       condition->take(condition->arg, view, entry);
}

/* Without limits, entry by entry. */
static uint32_t
take_in_turn(const struct view *view, const struct balance_query *query,
	     const struct condition *condition, uint32_t from)
{
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		uint32_t entry = from + i < view->n ? from + i : from + i - view->n;

		if (take_allowed(view, query, condition, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

/* Backends of [first, end) that have room. */
static uint32_t
take_between(const struct view *view, const struct balance_query *query,
	     const struct condition *condition, uint32_t first, uint32_t end)
{
	uint32_t i;

	for (i = room_next(view->room, first); i < end; i = room_next(view->room, i + 1)) {
		uint32_t entry = view->entry_of[i];

		if (entry != TG_VIEW_NONE && take_allowed(view, query, condition, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

uint32_t
balance_take_where(const struct view *view, const struct balance_query *query, uint32_t from,
		   bool (*take)(const void *arg, const struct view *view, uint32_t entry),
		   const void *arg)
{
	struct condition condition = {.take = take, .arg = arg};
	uint32_t entry;
	uint32_t first;

	if (view->n == 0)
		return TG_VIEW_NONE;
	if (view->room == NULL)
		return take_in_turn(view, query, &condition, from);
	first = view->entries[from].backend;
	entry = take_between(view, query, &condition, first, TG_ROOM_NONE);
	return entry != TG_VIEW_NONE ? entry : take_between(view, query, &condition, 0, first);
}

static bool
take_load(const void *arg, const struct view *view, uint32_t entry)
{
	(void)arg;
	return balance_load_take(view, entry);
}

uint32_t
balance_take_any(const struct view *view, const struct balance_query *query, uint32_t from)
{
	return balance_take_where(view, query, from, take_load, NULL);
}
