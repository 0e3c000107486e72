#include "balance/two_priv.h"

/* Pairs before the first with room will do. */
#define PAIRS 4u

static bool
take_allowed(const struct view *view, const struct balance_query *query, uint32_t entry)
{
	return !balance_is_left_out(query, view->entries[entry].backend) &&
	       balance_load_take(view, entry);
}

/* The second is another one: any, when the weights say the same again. */
static uint32_t
second_choice(const struct view *view, struct choice choice, uint32_t first)
{
	uint32_t second = choice.entry;

	if (second != first || view->n == 1)
		return second;
	second = first + 1 + (uint32_t)((uint64_t)choice.random * (view->n - 1) >> 32);
	return second < view->n ? second : second - view->n;
}

uint32_t
two_pick(struct ahead *ahead, const struct view *view, const struct balance_query *query,
	 bool (*is_better)(const void *arg, const struct view *view, uint32_t a, uint32_t b),
	 const void *arg)
{
	uint32_t a = 0;
	uint32_t i;

	if (view->n == 0)
		return TG_VIEW_NONE;
	for (i = 0; i < PAIRS; i++) {
		uint32_t b;
		bool first;

		a = ahead_next(ahead, view).entry;
		b = second_choice(view, ahead_next(ahead, view), a);
		first = is_better(arg, view, a, b);
		if (take_allowed(view, query, first ? a : b))
			return first ? a : b;
		if (take_allowed(view, query, first ? b : a))
			return first ? b : a;
	}
	return balance_take_any(view, query, a);
}
