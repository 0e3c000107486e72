/* health/tcp.c: a backend passes when a connection to it can be made, with TLS its handshake too, or the last one stands. */
#include <errno.h>

#include "health/check.h"

/* Where the program behind the socket comes to know of it. What is not taken is not missed. */
static void
greet(struct check *c)
{
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	size_t n = check_greeting(c, bytes);

	if (n > 0) {
		c->conn.flags |= CONN_WRITABLE;
		(void)!conn_send(&c->conn, bytes, n);
	}
}

static void
leave(struct check *c, struct check_outcome *ret)
{
	const struct check_target *target = c->target;

	check_outcome_set(ret, TG_CHECK_L4_OK, "connected");
	if (target->kept != NULL || target->addr.u.sa.sa_family == AF_UNIX)
		greet(c);
	/* One that cannot be kept was made all the same. */
	if (target->kept == NULL ||
	    kept_take(target->kept, conn_give(&c->conn), target->conf) < 0)
		knock_leave(target->knocker, &c->conn, &target->addr);
}

static void
on_event(struct watch *w, unsigned what)
{
	struct check *c = check_of_watch(w);
	struct check_outcome outcome;
	int rc;

	rc = check_connected(c, what, &outcome);
	if (rc == -TG_EAGAIN)
		return;
	if (rc == 0 && c->target->tls != NULL)
		check_outcome_set(&outcome, TG_CHECK_L6_OK, "TLS handshake made");
	else if (rc == 0)
		leave(c, &outcome);
	check_finish(c, &outcome);
}

static int
tcp_start_tls(struct check *c, struct check_outcome *ret)
{
	int rc = conn_connect(&c->conn, c->loop, &c->target->addr, on_event);

	if (rc < 0)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	return rc;
}

static int
tcp_start(struct check *c, struct check_outcome *ret)
{
	const struct check_target *target = c->target;
	int rc;

	if (target->kept != NULL)
		kept_drop(target->kept);
	if (target->tls != NULL)
		return tcp_start_tls(c, ret);
	rc = knock(target->knocker, &c->conn, c->loop, &target->addr, on_event);
	if (rc == 1)
		leave(c, ret);
	else if (rc < 0)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	return rc;
}

static void
tcp_stop(struct check *c)
{
	conn_close(&c->conn);
}

const struct check_ops check_tcp = {
	.name = "tcp",
	.start = tcp_start,
	.stop = tcp_stop,
};
