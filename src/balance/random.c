/*
 * balance/random.c: any backend, by chance, as often as its weight says. Workers
 * and whole machines need not know of each other to share evenly.
 *
 * The alias method, see alias_priv.h. Without the memory of round-robin: the
 * share of a backend varies as chance does.
 */
#include "balance/plain_priv.h"

/* Throws before the first with room will do. */
#define THROWS 8u

static uint32_t
random_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	uint32_t entry = TG_VIEW_NONE;
	uint32_t i;

	if (view->n == 0)
		return TG_VIEW_NONE;
	for (i = 0; i < THROWS; i++) {
		entry = ahead_next(&b->ahead, view).entry;
		if (!balance_is_left_out(query, view->entries[entry].backend) &&
		    balance_load_take(view, entry))
			return entry;
	}
	return balance_take_any(view, query, entry);
}

const struct balance_ops balance_random = {
	.name = "random",
	.id = TG_BALANCE_RANDOM,
	.shared_new = plain_shared_new,
	.shared_free = plain_shared_free,
	.prepare = plain_prepare_alias,
	.new = plain_new,
	.free = plain_free,
	.update = plain_update,
	.pick = random_pick,
	.take = plain_take,
	.release = plain_release,
};
