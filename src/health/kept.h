/*
 * health/kept.h: the connection that a tcp check leaves open for the next one.
 *
 * The kernel asks the other side by TCP keepalive whether it is there (RFC 1122
 * 4.2.3.6); a check reads what the kernel knows. That takes one call and no
 * packet. A connection that ended, or whose other side was silent for longer
 * than the interval and the timeout, says nothing: whoever checks drops it and
 * connects anew, so a verdict of down is always that of an attempt to connect.
 */
#ifndef TG_HEALTH_KEPT_H
#define TG_HEALTH_KEPT_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

/* Storage is the probe's. */
struct kept {
	int fd; /* -1: none */
};

static inline void
kept_init(struct kept *k)
{
	k->fd = -1;
}

/* Takes over a connected TCP socket. -TG_EIO: the kernel will not watch over it (errno), closed. */
TG_MUST_CHECK int kept_take(struct kept *k, int fd, const struct conf_health_check *conf);
/* Whether the other side is there, as far as the kernel knows. False without a connection. */
bool kept_is_alive(const struct kept *k, const struct conf_health_check *conf);
/* Ends the connection with a reset. Idempotent. */
void kept_drop(struct kept *k);

#endif
