#include "backend/view.h"

#include <stdlib.h>

#define REFUSAL_MAX_S 86400u

struct view *
view_new(const struct conf_service *conf, uint32_t n)
{
	struct view *view = calloc(1, sizeof(*view) + n * sizeof(view->entries[0]));
	size_t i;

	if (view == NULL)
		return NULL;
	atomic_init(&view->refs, 1);
	view->conf = conf;
	view->entry_of = calloc(conf->n_backends + 1, sizeof(view->entry_of[0]));
	view->spare_of = calloc(conf->n_backends + 1, sizeof(view->spare_of[0]));
	view->addrs = calloc(n + 1, sizeof(view->addrs[0]));
	view->limits = calloc(n + 1, sizeof(view->limits[0]));
	view->moved = calloc(conf->n_backends + 1, sizeof(view->moved[0]));
	if (view->entry_of == NULL || view->spare_of == NULL || view->addrs == NULL ||
	    view->limits == NULL || view->moved == NULL) {
		view_unref(view);
		return NULL;
	}
	for (i = 0; i < conf->n_backends; i++) {
		view->entry_of[i] = TG_VIEW_NONE;
		view->spare_of[i] = TG_VIEW_NONE;
	}
	return view;
}

struct view *
view_ref(struct view *view)
{
	atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
	return view;
}

void
view_unref(struct view *view)
{
	if (view == NULL || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (view->table_free != NULL)
		view->table_free(view->table);
	free(view->entry_of);
	free(view->spare_of);
	free(view->addrs);
	free(view->limits);
	free(view->moved);
	free(view);
}

uint32_t
view_refusal_s(const struct view *view, struct mono now)
{
	uint64_t left_us = mono_diff_us(view->refused_until, now);
	uint64_t left_s = left_us / 1000000 + (left_us % 1000000 != 0);

	if (left_s > REFUSAL_MAX_S)
		return REFUSAL_MAX_S;
	return left_s > 0 ? (uint32_t)left_s : 1;
}
