/*
 * balance/maglev_priv.h: the lookup table of consistent hashing (Eisenbud et al.,
 * "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016).
 *
 * Made in two steps. The plan is Maglev's table for all configured backends with their
 * configured weights, once per service: each backend walks the slots in an order of
 * its own, which its name alone decides, and takes one that is free when it is its turn.
 * The table of a view is the plan with the slots of those that are away given to
 * the others: what goes away moves its own slots only, and has them back when it is
 * back. Sharing out costs a look at each slot; Maglev's own way, some fourteen
 * looks, far apart.
 *
 * The plan of many backends is that of the smallest table, doubled as often as it must be: its slots are
 * the halves of that table's, so that the next size moves no more keys than one backend more does.
 *
 * How many slots a backend gets is exact to one slot, in the plan and in tables. The same configuration and
 * the same backends up give the same table on every machine.
 */
#ifndef TG_BALANCE_MAGLEV_PRIV_H
#define TG_BALANCE_MAGLEV_PRIV_H

#include "backend/view.h"
#include "base/hash.h"

/* Slots are looked up at random and should fit into caches: 16 bits each, for 65,535 backends. */
#define TG_MAGLEV_NONE UINT16_MAX

struct maglev {
	uint64_t weights; /* the sum */
	uint32_t n_slots;
	uint16_t slots[]; /* plan: backends or TG_MAGLEV_NONE; table: entries */
};

struct maglev_plan {
	struct maglev *table;
	unsigned doublings; /* of the smallest table there is */
};

/* NULL: no memory. */
struct maglev_plan *maglev_plan_new(const struct conf_service *conf);
void maglev_plan_free(struct maglev_plan *plan); /* NULL allowed */
/* Makes view->table, a struct maglev. 0 or -TG_ENOMEM. */
int maglev_prepare(const struct maglev_plan *plan, struct view *view);

static inline uint32_t
maglev_find(const struct maglev *table, uint64_t key)
{
	return table->slots[hash_below(key, table->n_slots)];
}

#endif
