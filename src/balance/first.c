/*
 * balance/first.c: the first in the order of the configuration that has room:
 * one is filled before the next gets any, so that the last ones can rest.
 *
 * Without limits the first that is up gets all. The bitmap of those with room
 * (backend/room.h) finds it without asking those that are full.
 */
#include "balance/plain_priv.h"

static uint32_t
first_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	(void)b;
	return balance_take_any(view, query, 0);
}

const struct balance_ops balance_first = {
	.name = "first",
	.id = TG_BALANCE_FIRST,
	.shared_new = plain_shared_new,
	.shared_free = plain_shared_free,
	.prepare = plain_prepare,
	.new = plain_new,
	.free = plain_free,
	.update = plain_update,
	.pick = first_pick,
	.take = plain_take,
	.release = plain_release,
};
