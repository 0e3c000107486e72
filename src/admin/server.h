/*
 * admin/server.h: the clients of the control socket.
 *
 * A client sends one line (ended by a newline, or by the end of what it sends)
 * and gets its answers; then the connection is closed, as HAProxy's. Limits: 64
 * clients, lines of 16 KiB, 10 s for the line and 10 s without taking a byte of
 * the answer, 32 MiB for one line's answers, 64 MiB for those of all clients.
 */
#ifndef TG_ADMIN_SERVER_H
#define TG_ADMIN_SERVER_H

#include "admin/source.h"
#include "loop/loop.h"

#define TG_ADMIN_CLIENTS_MAX	  64u
#define TG_ADMIN_LINE_MAX	  16384u
#define TG_ADMIN_IDLE_MS	  10000u
#define TG_ADMIN_ANSWER_MAX	  ((size_t)32 << 20)
#define TG_ADMIN_ANSWERS_MAX	  ((size_t)64 << 20)

struct admin_server;

/* Takes over `fd`, a listening unix socket, on failure too. `source` must outlive it.
 * -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int admin_server_start(struct loop *loop, int fd, struct admin_source *source,
				     struct admin_server **ret);
void admin_server_stop(struct admin_server *server); /* NULL allowed */

#endif
