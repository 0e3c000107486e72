/*
 * balance/ahead_priv.h: weighted random choices of one worker, drawn some picks before they are used.
 *
 * What is drawn does not depend on what is loaded, so it may be known earlier: with thousands of backends the lines
 * that a pick looks at are in no near cache, and are fetched while other work is done. First the entry, then what
 * the entry points to. Loads are read when the choice is used.
 */
#ifndef TG_BALANCE_AHEAD_PRIV_H
#define TG_BALANCE_AHEAD_PRIV_H

#include "balance/alias_priv.h"
#include "balance/dice_priv.h"

#define TG_AHEAD 4u /* a power of 2; two picks of two */

struct choice {
	uint32_t entry;
	uint32_t random; /* for who needs another one; independent of nothing but the entry's column */
};

/* Storage is the balance's. */
struct ahead {
	const struct view *view; /* whose entries are drawn; NULL: nothing is */
	struct dice dice;
	unsigned at;
	struct choice choices[TG_AHEAD];
};

/* What was drawn is of a view that is there no more. */
static inline void
ahead_reset(struct ahead *ahead)
{
	ahead->view = NULL;
}

static inline void
ahead_draw(struct ahead *ahead, struct choice *choice)
{
	const struct view *view = ahead->view;
	uint64_t random = dice_throw(&ahead->dice);

	choice->entry = alias_choose(view->table, random);
	choice->random = (uint32_t)random;
	__builtin_prefetch(&view->entries[choice->entry]);
}

static inline void
ahead_fetch(const struct ahead *ahead, const struct choice *choice)
{
	__builtin_prefetch(ahead->view->entries[choice->entry].load);
}

/* The next choice. The view is not empty, and has the table of alias_priv.h; between two of them there is a reset. */
static inline struct choice
ahead_next(struct ahead *ahead, const struct view *view)
{
	struct choice *choice;
	struct choice next;

	if (ahead->view != view) {
		ahead->view = view;
		for (unsigned i = 0; i < TG_AHEAD; i++)
			ahead_draw(ahead, &ahead->choices[i]);
	}
	choice = &ahead->choices[ahead->at % TG_AHEAD];
	next = *choice;
	ahead_draw(ahead, choice);
	ahead_fetch(ahead, &ahead->choices[(ahead->at + TG_AHEAD / 2) % TG_AHEAD]);
	ahead->at++;
	return next;
}

#endif
