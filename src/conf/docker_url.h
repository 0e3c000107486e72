/*
 * conf/docker_url.h: where a Docker daemon listens, as docker(1) writes it in DOCKER_HOST.
 *
 *	unix:///path
 *	tcp://host[:port]	2376 unless given, with TLS; 2375 without
 */
#ifndef TG_CONF_DOCKER_URL_H
#define TG_CONF_DOCKER_URL_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

#define TG_DOCKER_SOCKET "unix:///var/run/docker.sock"

/* A unix path, an address or a host name. Untouched on failure: -TG_EINVAL with what is wrong and what is
 * allowed. Pure. */
TG_MUST_CHECK int docker_url_parse(const char *text, bool has_tls, struct endpoint *ret,
				   struct err *err);

#endif
