/*
 * balance/maglev_priv.h: the lookup table of consistent hashing (Eisenbud et al.,
 * "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016), with places that
 * take only some of their keys.
 *
 * A table has the same size for 2 backends and for thousands, so that it stays in a processor's near cache.
 * Shares are exact all the same: a backend's share is its *mass*, in places and a fraction of one; of its last place,
 * that fraction of the keys is taken. A key that is not taken, or meets a place of nobody, looks at the next place of
 * its own. As places may stay empty, whoever goes takes no place from another: its keys alone look on.
 *
 * Made in two steps. The plan is for all configured backends with their configured weights, once per service: each
 * backend walks the places in an order of its own, which its name alone decides, and takes those that are free when
 * it is its turn. The table of a view is the plan without those who are away. Masses change only by weight until half
 * of what was planned is away; from then on they grow, so that a key finds its place in two looks on average.
 *
 * The same configuration and the same backends up give the same table on every machine.
 */
#ifndef TG_BALANCE_MAGLEV_PRIV_H
#define TG_BALANCE_MAGLEV_PRIV_H

#include "backend/view.h"
#include "base/hash.h"

/* Prime, so that each backend's walk meets all places. */
#define TG_MAGLEV_PLACES UINT32_C(65537)
#define TG_MAGLEV_NOBODY UINT16_MAX
/* Of a place: there are fewer owners; this one takes only `parts` of its keys. */
#define TG_MAGLEV_PART 0x8000u

struct maglev {
	uint64_t weights;                  /* the sum */
	uint16_t places[TG_MAGLEV_PLACES]; /* entries, with TG_MAGLEV_PART; or TG_MAGLEV_NOBODY */
	uint16_t parts[];                  /* of entries: in 65,536 */
};

/* Immutable. */
struct maglev_plan;

/* NULL: no memory. */
struct maglev_plan *maglev_plan_new(const struct conf_service *conf);
void maglev_plan_free(struct maglev_plan *plan); /* NULL allowed */
/* Makes view->table, a struct maglev; it finds nothing when the view is empty. 0 or -TG_ENOMEM. */
int maglev_prepare(const struct maglev_plan *plan, struct view *view);

/* The entry at the first place of a key, from its look number `*look` on, that takes it; `*look` is the next then. */
static inline uint32_t
maglev_find(const struct maglev *table, uint64_t key, uint32_t *look)
{
	for (;;) {
		uint64_t at = *look == 0 ? key : hash_number(key + *look);
		uint16_t place = table->places[hash_below(at, TG_MAGLEV_PLACES)];

		++*look;
		if (place < TG_MAGLEV_PART)
			return place;
		if (place != TG_MAGLEV_NOBODY &&
		    (at & 0xffff) < table->parts[place & ~TG_MAGLEV_PART])
			return place & ~TG_MAGLEV_PART;
	}
}

#endif
