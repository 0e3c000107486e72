/*
 * balance/unshared_priv.h: the operations of an algorithm that shares nothing between workers but the
 * loads; the balance of a worker may be any.
 */
#ifndef TG_BALANCE_UNSHARED_PRIV_H
#define TG_BALANCE_UNSHARED_PRIV_H

#include "balance/balance.h"

struct balance_shared *plain_shared_new(const struct conf_service *conf,
					struct segment_load *const *loads);
void plain_shared_free(struct balance_shared *shared);
bool plain_take(struct balance *b, const struct view *view, uint32_t entry);
void plain_release(struct balance *b, const struct view *view, uint32_t backend,
		   struct segment_load *load, const struct balance_outcome *outcome);

#endif
