/*
 * balance/alias_priv.h: a weighted random choice among the entries of a view in
 * constant time, by the alias method (Walker 1977; built as in Vose, "A linear
 * algorithm for generating random numbers with a given distribution", 1991).
 *
 * Each entry has a column of the same width. One that is worth less than its
 * column shares it with one that is worth more.
 */
#ifndef TG_BALANCE_ALIAS_PRIV_H
#define TG_BALANCE_ALIAS_PRIV_H

#include "backend/view.h"
#include "base/hash.h"

struct alias_column {
	uint32_t keep;  /* of 2^32: the column's own part */
	uint32_t other; /* entry the rest is */
};

struct alias {
	uint32_t n;
	bool is_even; /* all weights are the same: no column need be looked at */
	struct alias_column columns[];
};

/* Makes view->table. 0 or -TG_ENOMEM. */
int alias_prepare(struct view *view);

/* An entry, by 64 random bits: 32 for the column, 32 for the part. The view is not empty. */
static inline uint32_t
alias_choose(const struct alias *alias, uint64_t random)
{
	uint32_t column = hash_below(random, alias->n);

	if (alias->is_even || (uint32_t)random < alias->columns[column].keep)
		return column;
	return alias->columns[column].other;
}

#endif
