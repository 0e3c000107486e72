/*
 * admin/show_votes.h: what the tidegates of one store find of a backend, and of a service: who voted what.
 */
#ifndef TG_ADMIN_SHOW_VOTES_H
#define TG_ADMIN_SHOW_VOTES_H

#include "admin/output.h"
#include "admin/source.h"

/* Members of an object, with a comma in front: of a backend whose service is shared. */
void show_votes_backend_json(struct output *out, const struct admin_source *s,
			     const struct conf_service *service, const struct conf_backend *backend,
			     const struct health_status *h);
/* A line of each voter of each service that is shared, under a head. Nothing where none is. */
void show_votes_text(struct output *out, const struct admin_source *s);
/* The same, a member "votes" with a comma in front. */
void show_votes_json(struct output *out, const struct admin_source *s);

#endif
