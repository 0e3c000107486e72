/*
 * net/knock.h: whether a connection can be made, with as few packets and calls
 * as that takes.
 *
 * Over TCP the other side's kernel answers and its program never hears of it:
 * its SYN-ACK is answered by a reset and not by the ACK that would complete the
 * handshake. What is near enough to have answered when connect() returns costs no
 * wait. A socket that was answered is disconnected and used for the next.
 */
#ifndef TG_NET_KNOCK_H
#define TG_NET_KNOCK_H

#include "base/addr.h"
#include "base/err.h"
#include "net/conn.h"

#define TG_KNOCK_IDLE_MAX 64u

/* Storage is the owner's; zeroed is empty. */
struct knocker {
	struct knocker_idle {
		unsigned n;
		int fds[TG_KNOCK_IDLE_MAX];
	} idle[2]; /* IPv4, IPv6 */
};
void knocker_fini(struct knocker *k);

/* 1: answered, knock_leave() is next; 0: under way, as after conn_connect(); -TG_EIO: failed, errno
 * says why. `c` is closed when it failed. */
TG_MUST_CHECK int knock(struct knocker *k, struct conn *c, struct loop *loop, const struct addr *to,
			watch_cb *cb);
/* `to` answered: closes `c`. */
void knock_leave(struct knocker *k, struct conn *c, const struct addr *to);

#endif
