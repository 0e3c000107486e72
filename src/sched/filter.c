/* sched/filter.c: where a backend may be. The one place of these rules. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sched/board_priv.h"

const char *
sched_refusal_str(unsigned refusal)
{
	static const char *const words[] = {
#define REFUSAL_WORD(id, word) [TG_REFUSAL_##id] = word,
		TG_REFUSALS(REFUSAL_WORD)
#undef REFUSAL_WORD
	};

	return refusal < TG_REFUSAL_COUNT ? words[refusal] : "?";
}

/*** One node ***/

const char *
sched_label(const struct tg_node *node, const char *key)
{
	for (uint32_t i = 0; i < node->n_labels; i++) {
		if (strcmp(node->labels[i].key, key) == 0)
			return node->labels[i].value;
	}
	return NULL;
}

static bool
has_labels(const struct tg_node *node, const struct tg_group *group, uint32_t *ret_which)
{
	for (uint32_t i = 0; i < group->n_require; i++) {
		const char *value = sched_label(node, group->require[i].key);

		if (value == NULL || strcmp(value, group->require[i].value) != 0) {
			*ret_which = i;
			return false;
		}
	}
	return true;
}

bool
sched_has_labels(const struct tg_node *node, const struct tg_group *group)
{
	uint32_t which;

	return has_labels(node, group, &which);
}

static bool
has_enemy(const struct board *b, uint32_t group, uint32_t node, uint32_t *ret_which)
{
	const struct enemies *e = &b->enemies[group];

	for (uint32_t i = 0; i < e->n; i++) {
		if (board_count(b, node, e->groups[i]) > 0) {
			*ret_which = e->groups[i];
			return true;
		}
	}
	return false;
}

/* The first of those that like their own. */
static bool
is_alone(const struct board *b, uint32_t group)
{
	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		if (board_count(b, i, group) > 0)
			return false;
	}
	return true;
}

static bool
has_friends(const struct board *b, uint32_t group, uint32_t node, uint32_t *ret_which)
{
	const struct tg_group *g = &b->cluster.groups[group];

	for (uint32_t i = 0; i < g->n_affinity; i++) {
		if (board_count(b, node, g->affinity[i]) == 0 &&
		    (g->affinity[i] != group || !is_alone(b, group))) {
			*ret_which = g->affinity[i];
			return false;
		}
	}
	return true;
}

enum sched_refusal
board_refusal(const struct board *b, uint32_t group, uint32_t node, uint32_t *ret_which)
{
	const struct tg_group *g = &b->cluster.groups[group];
	const struct tg_node *n = &b->nodes[node];

	*ret_which = 0;
	if (n->closed != NULL)
		return TG_REFUSAL_CLOSED;
	if (!has_labels(n, g, ret_which))
		return TG_REFUSAL_LABEL;
	if (has_enemy(b, group, node, ret_which))
		return TG_REFUSAL_ANTI_AFFINITY;
	if (!has_friends(b, group, node, ret_which))
		return TG_REFUSAL_AFFINITY;
	if (n->cpu_milli != 0 && g->cpu_milli > 0 && g->cpu_milli > n->free_cpu_milli)
		return TG_REFUSAL_CPU;
	if (n->memory_bytes != 0 && g->memory_bytes > 0 && g->memory_bytes > n->free_memory_bytes)
		return TG_REFUSAL_MEMORY;
	return TG_REFUSAL_NONE;
}

/*** All of them ***/

bool
sched_filter(const struct board *b, uint32_t group, struct sched_verdict *ret)
{
	bool is_any = false;

	for (uint32_t i = 0; i < b->cluster.n_nodes; i++) {
		ret[i] = (struct sched_verdict){.refusal = TG_REFUSAL_NONE};
		ret[i].refusal = board_refusal(b, group, i, &ret[i].which);
		b->fits[i] = ret[i].refusal == TG_REFUSAL_NONE;
		is_any |= b->fits[i];
	}
	if (is_any && b->cluster.groups[group].spread != NULL)
		sched_spread_filter(b, group, ret);
	return is_any;
}

/*** Words ***/

static double
mib(int64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

static int64_t
at_least_none(int64_t left)
{
	return left > 0 ? left : 0;
}

/* Whose the room is that looks free; "": nobody's. */
static void
print_kept(const struct board *b, uint32_t node, char *ret, size_t size)
{
	uint32_t group = board_reserved(b, node, 0);

	ret[0] = '\0';
	if (group < b->cluster.n_groups)
		snprintf(ret, size, ", room is kept for %s", b->cluster.groups[group].service);
}

static void
print_refusal(const struct board *b, uint32_t group, uint32_t node, const struct sched_verdict *v,
	      char *ret, size_t size)
{
	const struct tg_group *g = &b->cluster.groups[group];
	const struct tg_node *n = &b->nodes[node];
	char kept[128];

	print_kept(b, node, kept, sizeof(kept));
	switch ((enum sched_refusal)v->refusal) {
	case TG_REFUSAL_NONE:
		snprintf(ret, size, "fits, score %.4g", v->score);
		break;
	case TG_REFUSAL_CLOSED:
		snprintf(ret, size, "closed: %s", n->closed != NULL ? n->closed : "");
		break;
	case TG_REFUSAL_CPU:
		snprintf(ret, size, "cpu: %.3g wanted, %.3g of %.4g free%s",
			 (double)g->cpu_milli / 1000,
			 (double)at_least_none(n->free_cpu_milli) / 1000,
			 (double)n->cpu_milli / 1000, kept);
		break;
	case TG_REFUSAL_MEMORY:
		snprintf(ret, size, "memory: %.4gM wanted, %.4gM of %.5gM free%s",
			 mib(g->memory_bytes), mib(at_least_none(n->free_memory_bytes)),
			 mib(n->memory_bytes), kept);
		break;
	case TG_REFUSAL_LABEL:
		snprintf(ret, size, "label: %s = \"%s\" is required", g->require[v->which].key,
			 g->require[v->which].value);
		break;
	case TG_REFUSAL_ANTI_AFFINITY:
		snprintf(ret, size, "anti-affinity: %s is there",
			 b->cluster.groups[v->which].service);
		break;
	case TG_REFUSAL_AFFINITY:
		snprintf(ret, size, "affinity: no %s is there", b->cluster.groups[v->which].service);
		break;
	case TG_REFUSAL_SPREAD:
		snprintf(ret, size, "spread: another value of %s has fewer, %" PRIu32, g->spread,
			 v->which);
		break;
	case TG_REFUSAL_DECLINED:
		snprintf(ret, size, "declined by the scheduler");
		break;
	case TG_REFUSAL_COUNT:
		break;
	}
}

const char *
sched_verdict_text(const struct board *b, uint32_t group, uint32_t node,
		   const struct sched_verdict *v, char *ret, size_t size)
{
	ret[0] = '\0';
	print_refusal(b, group, node, v, ret, size);
	return ret;
}
