#include "balance/balance.h"

#include <stddef.h>

static const struct balance_ops *const algorithms[] = {
	&balance_round_robin,
	&balance_least_conn,
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

/* Nobody is full: the next that was not tried. */
static uint32_t
take_untried(const struct view *view, const struct balance_query *query, uint32_t from)
{
	uint32_t i;

	for (i = 0; i < view->n && i <= query->n_tried; i++) {
		uint32_t entry = from + i < view->n ? from + i : from + i - view->n;

		if (!balance_is_tried(query, view->entries[entry].backend) &&
		    balance_load_take(view, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

/* Backends of [first, end) that have room. */
static uint32_t
take_between(const struct view *view, const struct balance_query *query, uint32_t first,
	     uint32_t end)
{
	uint32_t i;

	for (i = room_next(view->room, first); i < end; i = room_next(view->room, i + 1)) {
		uint32_t entry = view->entry_of[i];

		if (entry != TG_VIEW_NONE && !balance_is_tried(query, i) &&
		    balance_load_take(view, entry))
			return entry;
	}
	return TG_VIEW_NONE;
}

uint32_t
balance_take_any(const struct view *view, const struct balance_query *query, uint32_t from)
{
	uint32_t entry;
	uint32_t first;

	if (view->n == 0)
		return TG_VIEW_NONE;
	if (view->room == NULL)
		return take_untried(view, query, from);
	first = view->entries[from].backend;
	entry = take_between(view, query, first, TG_ROOM_NONE);
	return entry != TG_VIEW_NONE ? entry : take_between(view, query, 0, first);
}
