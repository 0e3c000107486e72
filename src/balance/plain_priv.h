/*
 * balance/plain_priv.h: the operations of an algorithm whose workers keep nothing
 * but their dice and what these said: all but `pick`. One that shares something between workers has a
 * balance_shared of its own, and what touches that.
 */
#ifndef TG_BALANCE_PLAIN_PRIV_H
#define TG_BALANCE_PLAIN_PRIV_H

#include "balance/ahead_priv.h"
#include "balance/unshared_priv.h"

struct balance {
	struct balance_shared *shared;
	struct ahead ahead;
};

int plain_prepare(struct balance_shared *shared, struct view *view);
/* With the table of alias_priv.h. */
int plain_prepare_alias(struct balance_shared *shared, struct view *view);
struct balance *plain_new(struct balance_shared *shared, unsigned worker, unsigned n_workers,
			  uint64_t seed);
void plain_free(struct balance *b);
int plain_update(struct balance *b, const struct view *view);

#endif
