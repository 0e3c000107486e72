/*
 * admin/server.h: the clients of the control socket.
 *
 * A client sends one line (ended by a newline, or by the end of what it sends)
 * and gets its answers; then the connection is closed, as HAProxy's. After "prompt" it
 * stays for more lines: a prompt follows each answer. Limits, for each socket that
 * is listened on, so that the clients of one leave the others room: 64 clients, 10 s
 * for a line with its payload (10 min behind a prompt) and 10 s without taking a byte of the
 * answer, lines of 16 KiB, payloads of 1 MiB (admin/framing.h), 32 MiB for one line's answers, 64 MiB for those of all clients.
 *
 * A session may wait (struct command_wait): it runs nothing further until that is
 * over, the others go on. One whose client goes away loses its answer and no more.
 */
#ifndef TG_ADMIN_SERVER_H
#define TG_ADMIN_SERVER_H

#include "admin/framing.h"
#include "admin/source.h"
#include "loop/loop.h"

#define TG_ADMIN_CLIENTS_MAX      64u
#define TG_ADMIN_IDLE_MS	  10000u
#define TG_ADMIN_PROMPT_MS	  600000u
#define TG_ADMIN_ANSWER_MAX	  ((size_t)32 << 20)
#define TG_ADMIN_ANSWERS_MAX	  ((size_t)64 << 20)

struct admin_server;

/* Listens nowhere. Owned by the caller; `loop` and `source` must outlive it. NULL: no memory. */
struct admin_server *admin_server_new(struct loop *loop, struct admin_source *source);
void admin_server_free(struct admin_server *server); /* NULL allowed */

/* Takes over `fd`, a listening socket, on failure too. Who comes over it has the rights.
 * -TG_ENOMEM, -TG_EIO. */
TG_MUST_CHECK int admin_server_listen(struct admin_server *server, int fd,
				      enum conf_rights rights);

/* What came of the order of this number (admin_actions.reload): the session that waits for it, if it
 * still does, goes on. `text` is read during the call. */
void admin_server_reloaded(struct admin_server *server, uint32_t id, bool is_done, const char *text,
			   size_t n);

/*
 * Of one socket, by the descriptor that was given to admin_server_listen(): new clients are left
 * waiting, or let in again; all its clients have other rights; it is closed, and its clients are when
 * they have their answer.
 */
void admin_server_hold_one(struct admin_server *server, int fd);
void admin_server_resume_one(struct admin_server *server, int fd);
void admin_server_set_rights(struct admin_server *server, int fd, enum conf_rights rights);
void admin_server_close(struct admin_server *server, int fd);

/* Leaves new clients waiting; those that are there go on. */
void admin_server_hold(struct admin_server *server);
void admin_server_resume(struct admin_server *server);

#endif
