/* conf/overlay_nodes.c: nodes that a reload takes out, which are known still until what runs there is gone. */
#include <string.h>

#include "conf/box_priv.h"
#include "conf/overlay_priv.h"

static uint64_t
ms_of(struct mono t)
{
	return t.us / 1000;
}

static bool
is_among(const struct conf_node *nodes, size_t n, const struct conf_node *node)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(nodes[i].docker, node->docker) == 0)
			return true;
	}
	return false;
}

/* How it is spoken to: nothing is placed there. */
static bool
dup_node(struct arena *arena, struct conf_node *node)
{
	node->labels = (struct conf_labels){.n = 0};
	return draft_dup_text(arena, &node->name) && draft_dup_text(arena, &node->docker) &&
	       draft_dup_optional(arena, &node->tls.ca) && draft_dup_optional(arena, &node->tls.certificate) &&
	       draft_dup_optional(arena, &node->tls.key) && draft_dup_optional(arena, &node->address);
}

bool
draft_dup_left_nodes(struct arena *arena, struct conf *conf)
{
	const struct conf_node *from = conf->left_nodes;

	if (conf->n_left_nodes == 0)
		return true;
	conf->left_nodes = arena_alloc(arena, conf->n_left_nodes, sizeof(from[0]));
	for (size_t i = 0; conf->left_nodes != NULL && i < conf->n_left_nodes; i++) {
		conf->left_nodes[i] = from[i];
		if (!dup_node(arena, &conf->left_nodes[i]))
			return false;
	}
	return conf->left_nodes != NULL;
}

/* Room for `n` more. */
static bool
make_room(struct conf_draft *d, size_t n)
{
	struct conf *conf = &d->box->conf;
	struct conf_node *list =
		arena_alloc(&d->box->arena, conf->n_left_nodes + n, sizeof(list[0]));

	if (list == NULL)
		return false;
	if (conf->n_left_nodes > 0)
		memcpy(list, conf->left_nodes, conf->n_left_nodes * sizeof(list[0]));
	conf->left_nodes = list;
	return true;
}

int
conf_draft_leave_nodes(struct conf_draft *d, const struct conf_node *nodes, size_t n,
		       struct mono now)
{
	struct conf *conf = &d->box->conf;

	if (n > 0 && !make_room(d, n))
		return -TG_ENOMEM;
	for (size_t i = 0; i < n && conf->n_left_nodes < TG_LEFT_NODES_MAX; i++) {
		struct conf_node one = nodes[i];

		if (one.left_ms == 0)
			one.left_ms = ms_of(now);
		if (ms_of(now) - one.left_ms >= TG_LEFT_NODES_MS ||
		    is_among(conf->nodes, conf->n_nodes, &one) ||
		    is_among(conf->left_nodes, conf->n_left_nodes, &one))
			continue;
		if (!dup_node(&d->box->arena, &one))
			return -TG_ENOMEM;
		conf->left_nodes[conf->n_left_nodes++] = one;
	}
	return 0;
}
