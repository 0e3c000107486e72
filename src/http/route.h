/*
 * http/route.h: which service a host and path belong to.
 *
 * Exact host before wildcard before any host; among wildcards the longest; under
 * one host the longest path prefix, which ends at a segment: "/v1" takes "/v1"
 * and "/v1/x", not "/v10". Host hashing: O(labels), then paths longest first.
 *
 * In mode tcp the host is the name of a ClientHello, and under one host routes with a protocol go
 * before others, in the order of the configuration.
 */
#ifndef TG_HTTP_ROUTE_H
#define TG_HTTP_ROUTE_H

#include "conf/conf.h"
#include "http/message.h"

struct http_routes;

/* Of one listener; refers to its configuration. NULL: no memory. */
struct http_routes *http_routes_new(const struct conf_listener *listener);
void http_routes_free(struct http_routes *routes); /* NULL allowed */
/* Whether a host makes a difference: if not, any will do, none too. */
bool http_routes_have_hosts(const struct http_routes *routes);
/* `host` as http_host_name() wrote it, `path` in normal form without query. NULL: none and no default. The
 * default is a route too, of any host and path. */
const struct conf_route *http_routes_find(const struct http_routes *routes, struct slice host,
					  struct slice path);
/* The same in mode tcp: `name` as tls/sni.h has it, `alpn` the protocols that are offered: names behind their
 * lengths, well-formed; either may be empty. */
const struct conf_route *http_routes_find_name(const struct http_routes *routes, struct slice name,
					       struct slice alpn);

#endif
