#include "balance/alias_priv.h"

#include <stdlib.h>

#include "base/err.h"

/* While it is built: those worth less than a column stand in front, those worth as much or more behind. */
struct build {
	uint64_t *worth; /* by entry; a column is worth `column` */
	uint64_t column;
	uint32_t *stacks;
	uint32_t n_small;
	uint32_t large; /* the top of the large ones; n: there is none */
};

static void
push(struct build *b, uint32_t entry)
{
	if (b->worth[entry] < b->column)
		b->stacks[b->n_small++] = entry;
	else
		b->stacks[--b->large] = entry;
}

/* The first large one fills the column of a small one. Whole numbers: nothing is left over. */
static void
fill(struct alias *alias, struct build *b)
{
	while (b->n_small > 0 && b->large < alias->n) {
		uint32_t small = b->stacks[--b->n_small];
		uint32_t large = b->stacks[b->large++];

		alias->columns[small].keep = (uint32_t)((b->worth[small] << 32) / b->column);
		alias->columns[small].other = large;
		b->worth[large] -= b->column - b->worth[small];
		push(b, large);
	}
}

static void
alias_build(struct alias *alias, struct build *b, const struct view *view)
{
	uint32_t i;

	alias->is_even = true;
	for (i = 0; i < view->n; i++) {
		alias->is_even &= view->entries[i].weight == view->entries[0].weight;
		alias->columns[i] = (struct alias_column){.keep = UINT32_MAX, .other = i};
		b->column += view->entries[i].weight;
	}
	b->large = view->n;
	for (i = 0; i < view->n; i++) {
		b->worth[i] = (uint64_t)view->entries[i].weight * view->n;
		push(b, i);
	}
	fill(alias, b);
}

int
alias_prepare(struct view *view)
{
	struct alias *alias = malloc(sizeof(*alias) + view->n * sizeof(alias->columns[0]));
	struct build b = {
		.worth = calloc(view->n + 1, sizeof(b.worth[0])),
		.stacks = calloc(view->n + 1, sizeof(b.stacks[0])),
	};
	int rc = -TG_ENOMEM;

	if (alias != NULL && b.worth != NULL && b.stacks != NULL) {
		alias->n = view->n;
		alias_build(alias, &b, view);
		view->table = alias;
		view->table_free = free;
		rc = 0;
	} else {
		free(alias);
	}
	free(b.worth);
	free(b.stacks);
	return rc;
}
