/* sched/spread_rule.c: as many backends of a service for each value of a label, where there is room. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sched/board_priv.h"

#define NO_LABEL UINT32_MAX

/*** Keys ***/

/* Numbers the values of a key: that of a node is the first node that has it. */
static void
number_values(const struct board *b, struct spread *s)
{
	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		const char *value = sched_label(&b->nodes[i], s->key);
		uint32_t k = 0;

		s->values[i] = NO_LABEL;
		if (value == NULL)
			continue;
		while (k < i && (s->values[k] == NO_LABEL ||
				 strcmp(sched_label(&b->nodes[k], s->key), value) != 0))
			k++;
		s->values[i] = k;
	}
}

static const struct spread *
find(const struct board *b, const char *key)
{
	for (uint32_t i = 0; i < b->n_spreads; i++) {
		if (strcmp(b->spreads[i].key, key) == 0)
			return &b->spreads[i];
	}
	return NULL;
}

static int
add(struct board *b, const char *key)
{
	struct spread *grown = realloc(b->spreads, (b->n_spreads + 1) * sizeof(*grown));
	struct spread *s;

	if (grown == NULL)
		return -TG_ENOMEM;
	b->spreads = grown;
	s = &grown[b->n_spreads];
	s->key = key;
	s->values = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*s->values));
	if (s->values == NULL)
		return -TG_ENOMEM;
	b->n_spreads++;
	number_values(b, s);
	return 0;
}

int
sched_spread_make(struct board *b)
{
	int r = 0;

	b->tally = calloc((size_t)b->cluster.n_nodes + 1, sizeof(*b->tally));
	if (b->tally == NULL)
		return -TG_ENOMEM;
	for (uint32_t i = 0; i < b->cluster.n_groups && r == 0; i++) {
		const char *key = b->cluster.groups[i].spread;

		if (key != NULL && find(b, key) == NULL)
			r = add(b, key);
	}
	return r;
}

void
sched_spread_free(struct board *b)
{
	for (uint32_t i = 0; i < b->n_spreads; i++)
		free(b->spreads[i].values);
	free(b->spreads);
	free(b->tally);
}

/*** The rule ***/

static uint32_t
count_staying(const struct board *b, uint32_t node, uint32_t group)
{
	uint32_t leaving = b->leaving[(size_t)node * b->cluster.n_groups + group];
	uint32_t n = board_count(b, node, group);

	return n > leaving ? n - leaving : 0;
}

/* How many of the group each value has, by the value's number. */
static const struct spread *
count(const struct board *b, uint32_t group)
{
	const struct spread *s = find(b, b->cluster.groups[group].spread);

	assert(s != NULL);
	memset(b->tally, 0, ((size_t)b->cluster.n_nodes + 1) * sizeof(*b->tally));
	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		if (s->values[i] != NO_LABEL)
			b->tally[s->values[i]] += count_staying(b, i, group);
	}
	return s;
}

uint32_t
sched_spread_count(const struct board *b, uint32_t group, uint32_t node)
{
	const struct spread *s;

	if (b->cluster.groups[group].spread == NULL)
		return 0;
	s = count(b, group);
	/* One without the label should be there last. */
	return s->values[node] != NO_LABEL ? b->tally[s->values[node]] : UINT32_MAX;
}

/* Of the values of nodes that have the labels it requires. */
static bool
is_fewest(const struct board *b, const struct spread *s, uint32_t group, uint32_t value)
{
	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		if (s->values[i] != NO_LABEL && b->tally[s->values[i]] < b->tally[value] &&
		    sched_has_labels(&b->nodes[i], &b->cluster.groups[group]))
			return false;
	}
	return true;
}

int
sched_spread_gain(const struct board *b, uint32_t group, uint32_t from, uint32_t to)
{
	const struct spread *s;
	uint32_t old;
	uint32_t new;

	if (b->cluster.groups[group].spread == NULL)
		return 0;
	s = count(b, group);
	old = s->values[from];
	new = s->values[to];
	if (old == new)
		return 0;
	if (new == NO_LABEL)
		return -1;
	if (old == NO_LABEL)
		return is_fewest(b, s, group, new) ? 1 : -1;
	if (b->tally[new] >= b->tally[old])
		return -1;
	return b->tally[new] + 1 < b->tally[old];
}

void
sched_spread_filter(const struct board *b, uint32_t group, struct sched_verdict *ret)
{
	const struct spread *s = count(b, group);
	uint32_t fewest = UINT32_MAX;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		if (b->fits[i] && s->values[i] != NO_LABEL && b->tally[s->values[i]] < fewest)
			fewest = b->tally[s->values[i]];
	}
	for (uint32_t i = 0; i < b->cluster.n_nodes && fewest != UINT32_MAX; i++) {
		uint32_t n = s->values[i] != NO_LABEL ? b->tally[s->values[i]] : UINT32_MAX;

		if (!b->fits[i] || n == fewest)
			continue;
		b->fits[i] = false;
		ret[i].refusal = TG_REFUSAL_SPREAD;
		ret[i].which = fewest;
	}
}
