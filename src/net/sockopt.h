/*
 * net/sockopt.h: how long the kernel waits for the other side of a TCP connection.
 *
 * A socket accepted from a listening one inherits these options on Linux: one
 * call at start, none for a connection.
 */
#ifndef TG_NET_SOCKOPT_H
#define TG_NET_SOCKOPT_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

/* Probes that must stay unanswered in a row. */
#define TG_KEEPALIVE_PROBES 3

/* Whether there is anything to set. */
static inline bool
sockopt_is_given(const struct conf_tcp *conf)
{
	return (conf->keepalive_ms | conf->user_timeout_ms) != 0;
}

/* Of a TCP socket: listening, connecting or connected. What is 0 stays as it is. -TG_EIO (errno). */
TG_MUST_CHECK int sockopt_set(int fd, const struct conf_tcp *conf);
/* The same where another configuration may have set them: what is 0 becomes the system's. */
TG_MUST_CHECK int sockopt_set_anew(int fd, const struct conf_tcp *conf);

#endif
