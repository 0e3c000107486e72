/*
 * proc/reloads.h: what sessions of the keeper ask of the configuration, until the parent has answered.
 */
#ifndef TG_PROC_RELOADS_H
#define TG_PROC_RELOADS_H

#include "admin/server.h"
#include "ipc/msg.h"
#include "ipc/reload_order.h"

#define TG_RELOADS_MAX 64u

struct reloads;

/* Owned by the caller; `channel` to the parent stays the caller's. NULL: no memory. */
struct reloads *reloads_new(int channel);
void reloads_free(struct reloads *r); /* NULL allowed */

/* What came of an order of the keeper itself. */
typedef void reloads_told(void *user, enum reload_what what, const char *service,
			  const char *backend, bool is_done, const char *text);
void reloads_listen(struct reloads *r, reloads_told *told, void *user);
/* As reloads_send(); the listener hears of it. */
TG_MUST_CHECK int reloads_send_own(struct reloads *r, const struct reload_order *order);

/* Sends it to the parent. -TG_ELIMIT: TG_RELOADS_MAX are under way, or it is too long; -TG_EIO. */
TG_MUST_CHECK int reloads_send(struct reloads *r, const struct reload_order *order,
			       uint32_t *ret_id);

/* The keeper has gone over to another configuration, and the proxy is not told of its backends yet:
 * those that were added, and not to be used at once, are put into maintenance. */
void reloads_committed(struct reloads *r, struct steer *steer);

/* MSG_RELOADED; `fd` stays the caller's. Tells the session that asked, if it is still there. */
void reloads_answered(struct reloads *r, const struct msg_reloaded *m, int fd,
		      struct admin_source *source, struct admin_server *admin);

#endif
