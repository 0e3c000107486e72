/*
 * admin/ready.h: whether this tidegate lives, and whether it should get clients.
 *
 * Ready means that every worker accepts and that a client may be served. When
 * the backends of one service are down, every tidegate in front of them sees
 * the same: taking them all out of use would end the other services too. So one
 * usable service is enough unless the question names what must be usable.
 */
#ifndef TG_ADMIN_READY_H
#define TG_ADMIN_READY_H

#include "admin/output.h"
#include "admin/source.h"

enum ready_wanted {
	TG_READY_ANY = 0, /* one usable service, or none is configured */
	TG_READY_ALL = 1, /* every service is usable */
	TG_READY_ONE = 2  /* the service named is usable */
};

/* Both write why not, a line for each reason, or "ok". `service` counts with TG_READY_ONE. */
bool ready_is_alive(const struct admin_source *s, struct output *out);
bool ready_is_ready(const struct admin_source *s, enum ready_wanted wanted, size_t service,
		    struct output *out);

#endif
