/*
 * conf/same.h: which objects of a configuration are in the next one as well, by slot of the
 * statistics segment and by name.
 *
 * Indexes are other ones there, and so may be everything else that is configured.
 */
#ifndef TG_CONF_SAME_H
#define TG_CONF_SAME_H

#include <stdbool.h>

#include "conf/conf.h"

/* Both configurations are for reading. */
struct conf_same {
	const struct conf *before;
	const struct conf *next;
	bool is_edit; /* the caller's: next is a draft over one equal to before */
	struct conf_same_slots *of_before;
	struct conf_same_slots *of_next;
};

/* A backend and where it is. A value. */
struct conf_place {
	const struct conf_service *service; /* NULL: nowhere */
	const struct conf_backend *backend;
};

/* Owned by the caller; the configurations outlive it. Needs memory by the highest slot. NULL: none. */
struct conf_same *conf_same_new(const struct conf *before, const struct conf *next);
void conf_same_free(struct conf_same *same); /* NULL allowed */

/* What an object of the next one was before; NULL, or service NULL: it is new. */
const struct conf_listener *conf_same_listener(const struct conf_same *same,
					       const struct conf_listener *next);
const struct conf_service *conf_same_service(const struct conf_same *same,
					     const struct conf_service *next);
struct conf_place conf_same_backend(const struct conf_same *same, const struct conf_service *next,
				    const struct conf_backend *backend);

/* Whether the service, and those of its backends that are in both, are as they were. Short where it is an edit:
 * backends with is_new are not in both then, though a name and a slot may be. */
bool conf_same_is_equal(const struct conf_same *same, const struct conf_service *next);

/* What a backend of the one before is in the next; service NULL: it is gone. */
struct conf_place conf_same_next(const struct conf_same *same, const struct conf_service *before,
				 const struct conf_backend *backend);

#endif
