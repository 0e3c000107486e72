#include "balance/plain_priv.h"

#include <stdlib.h>

struct balance_shared {
	char nothing; /* beyond the loads */
};

struct balance_shared *
plain_shared_new(const struct conf_service *conf, struct segment_load *const *loads)
{
	(void)conf;
	(void)loads;
	return calloc(1, sizeof(struct balance_shared));
}

void
plain_shared_free(struct balance_shared *shared)
{
	free(shared);
}

int
plain_prepare(struct balance_shared *shared, struct view *view)
{
	(void)shared;
	(void)view;
	return 0;
}

int
plain_prepare_alias(struct balance_shared *shared, struct view *view)
{
	(void)shared;
	return alias_prepare(view);
}

struct balance *
plain_new(struct balance_shared *shared, unsigned worker, unsigned n_workers, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));

	(void)worker;
	(void)n_workers;
	if (b == NULL)
		return NULL;
	b->shared = shared;
	b->ahead.dice.state = seed;
	return b;
}

void
plain_free(struct balance *b)
{
	free(b);
}

int
plain_update(struct balance *b, const struct view *view)
{
	(void)view;
	ahead_reset(&b->ahead);
	return 0;
}

bool
plain_take(struct balance *b, const struct view *view, uint32_t entry)
{
	(void)b;
	return balance_load_take(view, entry);
}

void
plain_release(struct balance *b, const struct view *view, uint32_t backend,
	      struct segment_load *load, const struct balance_outcome *outcome)
{
	(void)b;
	(void)outcome;
	balance_load_release(view, backend, load);
}
