/*
 * provider/port.h: ports of this machine that nobody uses.
 */
#ifndef TG_PROVIDER_PORT_H
#define TG_PROVIDER_PORT_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

/* Given out last: they may be free still only because a backend has not bound its own yet. */
#define TG_PORT_RECENT 256u

/* All zero is empty. */
struct port_recent {
	uint16_t list[TG_PORT_RECENT];
	unsigned next;
};

/* A free one of `ip`, none of the recent ones, and is one then. Somebody else may take it before it is used.
 * -TG_EIO with the reason. */
TG_MUST_CHECK int port_take(struct port_recent *recent, const char *ip, struct addr *ret,
			    struct err *err);

#endif
