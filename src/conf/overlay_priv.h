/*
 * conf/overlay_priv.h: a draft, for the files it is made of.
 */
#ifndef TG_CONF_OVERLAY_PRIV_H
#define TG_CONF_OVERLAY_PRIV_H

#include <stdbool.h>

#include "base/arena.h"
#include "conf/box_priv.h"
#include "conf/overlay.h"

struct draft_service;

struct conf_draft {
	struct conf_box *box;
	struct conf *base;
	struct draft_service *services; /* by index */
};

/* To be changed: backends and what was deleted are the draft's own from then on. The error is for the operator:
 * -TG_ENOENT, -TG_ENOMEM. */
TG_MUST_CHECK int draft_open_service(struct conf_draft *d, const char *name,
				     struct conf_service **ret, struct err *err);
/* For what such a service gets: it lives as long as its arrays. */
struct arena *draft_arena(struct conf_draft *d, const struct conf_service *service);
/* The first of the entry; *ret NULL: there is none. -TG_ENOMEM. */
TG_MUST_CHECK int draft_find_entry(struct conf_draft *d, const struct conf_service *service,
				   const char *name, struct conf_backend **ret);

/* Copies. False: no memory. */
bool draft_dup_text(struct arena *arena, char **text);
bool draft_dup_optional(struct arena *arena, char **text); /* NULL stays NULL */
bool draft_dup_left_nodes(struct arena *arena, struct conf *conf);
bool draft_dup_added(struct arena *arena, struct conf_backend *backends, size_t n);

/* The text and the note of what is added; errors as those of conf_draft_add(). */
TG_MUST_CHECK int draft_read_entry(struct conf_draft *d, const struct conf_service *service,
				   const char *text, const struct conf_note *note,
				   struct conf_backend *ret, struct err *err);
TG_MUST_CHECK int draft_add_entry(struct conf_draft *d, struct conf_service *service,
				  const struct conf_backend *entry, struct err *err);
void draft_remove_entry(struct conf_draft *d, struct conf_service *service,
			struct conf_backend *first);

#endif
