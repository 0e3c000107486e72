/*
 * admin/http_server.h: the HTTP port of the keeper: metrics, status, health.
 *
 * Small and strict: GET and HEAD, one request per connection, then it is
 * closed. Long pages are written in slices, one per turn of the loop and
 * client, each of some 64 KiB or half a millisecond, so that neither memory nor
 * the keeper's other work depends on how long a page is. Limits: 32 clients,
 * as many again get a 503; heads of 8 KiB; 5 s for the head, 10 s without
 * taking a byte, 60 s for all.
 */
#ifndef TG_ADMIN_HTTP_SERVER_H
#define TG_ADMIN_HTTP_SERVER_H

#include "admin/source.h"
#include "loop/loop.h"

#define TG_HTTP_CLIENTS_MAX 32u
#define TG_HTTP_REFUSED_MAX 32u
#define TG_HTTP_HEAD_MAX    8192u
#define TG_HTTP_HEAD_MS     5000u
#define TG_HTTP_IDLE_MS     10000u
#define TG_HTTP_TOTAL_MS    60000u
#define TG_HTTP_SLICE_BYTES 65536u
#define TG_HTTP_SLICE_US    500u

struct http_server;

/* Takes over `fd`, a listening stream socket, on failure too. `source` must outlive it.
 * -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int http_server_start(struct loop *loop, int fd, struct admin_source *source,
				    struct http_server **ret);
void http_server_stop(struct http_server *server); /* NULL allowed */
/* The configuration is another one: pages that are being written cannot go on, and are aborted. NULL
 * allowed. */
void http_server_forget(struct http_server *server);
/* Leaves new clients waiting; those that are there go on. NULL allowed. */
void http_server_hold(struct http_server *server);
void http_server_resume(struct http_server *server);

#endif
