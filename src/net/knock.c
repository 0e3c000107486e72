#include "net/knock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static struct knocker_idle *
idle_of(struct knocker *k, int family)
{
	return &k->idle[family == AF_INET6];
}

/* One that was used before, or a new one; -1. */
static int
take_socket(struct knocker *k, int family)
{
	struct knocker_idle *idle = idle_of(k, family);

	if (family != AF_UNIX && idle->n > 0)
		return idle->fds[--idle->n];
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Starts, and looks whether that was all. 1: connected; 0: under way; -1: failed. */
static int
connect_and_look(int fd, const struct addr *to)
{
	static const int off = 0;

	if (to->u.sa.sa_family == AF_UNIX)
		return connect(fd, &to->u.sa, to->len) == 0 ? 1 : -1;
	/* The ACK of the handshake waits 200 ms for something to go with it: our reset comes first. */
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	if (connect(fd, &to->u.sa, to->len) == 0)
		return 1;
	if (errno != EINPROGRESS)
		return -1;
	if (connect(fd, &to->u.sa, to->len) == 0 || errno == EISCONN)
		return 1;
	return errno == EALREADY ? 0 : -1;
}

int
knock(struct knocker *k, struct conn *c, struct loop *loop, const struct addr *to, watch_cb *cb)
{
	int rc;

	c->loop = loop;
	c->flags = 0;
	c->fd = take_socket(k, to->u.sa.sa_family);
	if (c->fd < 0)
		return -TG_EIO;
	rc = connect_and_look(c->fd, to);
	if (rc < 0) {
		int saved = errno;

		conn_close(c);
		errno = saved;
		return -TG_EIO;
	}
	if (rc > 0)
		return 1;
	rc = conn_open(c, loop, c->fd, cb);
	c->flags = CONN_CONNECTING;
	return rc;
}

/* To no address: sends the reset, and the socket is as new. */
static bool
disconnect(int fd)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	return connect(fd, &nowhere, sizeof(nowhere)) == 0;
}

void
knock_leave(struct knocker *k, struct conn *c, const struct addr *to)
{
	struct knocker_idle *idle = idle_of(k, to->u.sa.sa_family);

	if (!conn_is_open(c))
		return;
	if (to->u.sa.sa_family == AF_UNIX || idle->n == TG_KNOCK_IDLE_MAX || !disconnect(c->fd)) {
		conn_abort(c);
		return;
	}
	idle->fds[idle->n++] = conn_give(c);
}

void
knocker_fini(struct knocker *k)
{
	for (size_t i = 0; i < sizeof(k->idle) / sizeof(k->idle[0]); i++) {
		while (k->idle[i].n > 0)
			close(k->idle[i].fds[--k->idle[i].n]);
	}
}
