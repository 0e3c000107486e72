/*
 * balance/p2c.c: of two backends by chance, the one with fewer streams in flight
 * per unit of weight. No lock and nothing to keep, yet the fullest backend stays
 * close to the average.
 *
 * Two choices (Mitzenmacher 2001), see two_priv.h; both by weight.
 */
#include "balance/plain_priv.h"
#include "balance/two_priv.h"

static bool
is_less_loaded(const void *arg, const struct view *view, uint32_t a, uint32_t b)
{
	(void)arg;
	return two_is_less_loaded(view, a, b);
}

static uint32_t
p2c_pick(struct balance *b, const struct view *view, struct balance_query *query)
{
	return two_pick(&b->ahead, view, query, is_less_loaded, NULL);
}

const struct balance_ops balance_p2c = {
	.name = "p2c",
	.id = TG_BALANCE_P2C,
	.shared_new = plain_shared_new,
	.shared_free = plain_shared_free,
	.prepare = plain_prepare_alias,
	.new = plain_new,
	.free = plain_free,
	.update = plain_update,
	.pick = p2c_pick,
	.take = plain_take,
	.release = plain_release,
};
