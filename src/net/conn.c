#include "net/conn.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

int
conn_open(struct conn *c, struct loop *loop, int fd, watch_cb *cb)
{
	int rc;

	c->loop = loop;
	c->fd = fd;
	c->filter = NULL;
	c->flags = CONN_READABLE | CONN_WRITABLE | CONN_INPUT;
	rc = watch_start(loop, &c->watch, fd, cb);
	if (rc != 0) {
		close(fd);
		c->fd = -1;
	}
	return rc;
}

void
conn_open_virtual(struct conn *c, struct loop *loop, int fd, struct conn_filter *f, watch_cb *cb)
{
	c->loop = loop;
	c->fd = fd;
	c->flags = CONN_VIRTUAL | CONN_WRITABLE;
	watch_start_bare(&c->watch, cb);
	conn_attach(c, f);
}

int
conn_connect(struct conn *c, struct loop *loop, const struct addr *to, watch_cb *cb)
{
	static const int one = 1;
	int fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	c->fd = -1;
	if (fd < 0)
		return -TG_EIO;
	if (to->u.sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, &to->u.sa, to->len) != 0 && errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -TG_EIO;
	}
	rc = conn_open(c, loop, fd, cb);
	c->flags = CONN_CONNECTING;
	return rc;
}

void
conn_attach(struct conn *c, struct conn_filter *f)
{
	f->conn = c;
	c->filter = f;
}

int
conn_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if ((c->flags & CONN_CONNECTING) == 0)
		return 0;
	if ((c->flags & (CONN_WRITABLE | CONN_READABLE)) == 0)
		return -TG_EAGAIN;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		c->flags |= CONN_FAILED;
		errno = error;
		return -TG_EIO;
	}
	c->flags &= ~CONN_CONNECTING;
	c->flags |= CONN_WRITABLE;
	return 0;
}

bool
conn_is_reset(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if ((c->flags & CONN_VIRTUAL) != 0)
		return (c->flags & (CONN_FAILED | CONN_RESET)) != 0;
	if ((c->flags & CONN_FAILED) == 0 &&
	    (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0))
		c->flags |= CONN_FAILED;
	return (c->flags & CONN_FAILED) != 0;
}

ssize_t
conn_recv(struct conn *c, void *p, size_t n)
{
	ssize_t got;

	if ((c->flags & (CONN_READABLE | CONN_ENDED | CONN_FAILED)) != CONN_READABLE)
		return (c->flags & CONN_ENDED) != 0 ? 0 : -TG_EAGAIN;
	if (c->filter != NULL)
		return c->filter->ops->recv(c, p, n);
	do {
		got = recv(c->fd, p, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		if ((size_t)got < n && (c->flags & CONN_HANGUP) == 0)
			c->flags &= ~CONN_READABLE;
		return got;
	}
	c->flags &= ~CONN_READABLE;
	if (got == 0 && (c->flags & CONN_RESET) != 0) {
		c->flags |= CONN_FAILED;
		errno = ECONNRESET;
		return -TG_EIO;
	}
	if (got == 0) {
		c->flags |= CONN_ENDED;
		return 0;
	}
	if (errno == EAGAIN)
		return -TG_EAGAIN;
	c->flags |= CONN_FAILED;
	return -TG_EIO;
}

ssize_t
conn_peek(struct conn *c, void *p, size_t n)
{
	ssize_t got;

	do {
		got = recv(c->fd, p, n, MSG_PEEK);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		conn_recheck(c);
	if (got >= 0)
		return got;
	return errno == EAGAIN ? -TG_EAGAIN : -TG_EIO;
}

/* EPIPE: an end came before the reset, and reading sees it. Anything else was taken from the socket. */
void
conn_write_failed(struct conn *c, int error)
{
	c->flags &= ~CONN_WRITABLE;
	c->flags |= CONN_BROKEN | CONN_READABLE | (error != EPIPE ? CONN_RESET : 0);
}

static ssize_t
sent(struct conn *c, ssize_t took, size_t n)
{
	if (took >= 0) {
		if ((size_t)took < n)
			c->flags &= ~CONN_WRITABLE;
		return took;
	}
	c->flags &= ~CONN_WRITABLE;
	if (errno == EAGAIN)
		return -TG_EAGAIN;
	conn_write_failed(c, errno);
	return -TG_EIO;
}

ssize_t
conn_send(struct conn *c, const void *p, size_t n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	ssize_t took;

	if ((c->flags & CONN_WRITABLE) == 0)
		return -TG_EAGAIN;
	if (c->filter != NULL)
		return c->filter->ops->sendv(c, &iov, 1);
	do {
		took = send(c->fd, p, n, MSG_NOSIGNAL);
	} while (took < 0 && errno == EINTR);
	return sent(c, took, n);
}

ssize_t
conn_sendv(struct conn *c, const struct iovec *iov, int n)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
	size_t total = 0;
	ssize_t took;
	int i;

	if (n == 1)
		return conn_send(c, iov[0].iov_base, iov[0].iov_len);
	if ((c->flags & CONN_WRITABLE) == 0)
		return -TG_EAGAIN;
	if (c->filter != NULL)
		return c->filter->ops->sendv(c, iov, n);
	for (i = 0; i < n; i++)
		total += iov[i].iov_len;
	do {
		took = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	} while (took < 0 && errno == EINTR);
	return sent(c, took, total);
}

/* A filter takes no files: through memory, a piece at a time. */
static ssize_t
send_piece(struct conn *c, int fd, uint64_t at, size_t n)
{
	char piece[16384];
	ssize_t got;

	do {
		got = pread(fd, piece, n < sizeof(piece) ? n : sizeof(piece), (off_t)at);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return conn_send(c, piece, (size_t)got);
	if (got == 0)
		errno = EIO;
	return -TG_ENOENT;
}

ssize_t
conn_sendfile(struct conn *c, int fd, uint64_t at, size_t n)
{
	off_t from = (off_t)at;
	ssize_t took;

	if ((c->flags & CONN_WRITABLE) == 0)
		return -TG_EAGAIN;
	if (c->filter != NULL)
		return send_piece(c, fd, at, n);
	do {
		took = sendfile(c->fd, fd, &from, n);
	} while (took < 0 && errno == EINTR);
	/* A socket has no such error: it is the file's, or that is shorter than it was. */
	if (took == 0 || (took < 0 && errno == EIO)) {
		errno = EIO;
		return -TG_ENOENT;
	}
	/* Less than all says nothing of the socket here. */
	return sent(c, took, took > 0 ? (size_t)took : n);
}

void
conn_shutdown(struct conn *c)
{
	if ((c->flags & CONN_SHUT) != 0 || c->fd < 0)
		return;
	c->flags |= CONN_SHUT;
	if (c->filter != NULL)
		c->filter->ops->shutdown(c);
	else
		shutdown(c->fd, SHUT_WR);
}

static void
filter_free(struct conn *c)
{
	struct conn_filter *f = c->filter;

	c->filter = NULL;
	if (f != NULL)
		f->ops->free(f);
}

static void
leave(struct conn *c)
{
	watch_stop(c->loop, &c->watch);
	if ((c->flags & CONN_VIRTUAL) == 0)
		close(c->fd);
	c->fd = -1;
	c->flags = 0;
	filter_free(c);
}

void
conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->filter != NULL && (c->flags & CONN_SHUT) == 0)
		c->filter->ops->goodbye(c);
	leave(c);
}

struct conn_filter *
conn_detach(struct conn *c)
{
	struct conn_filter *f = c->filter;

	c->filter = NULL;
	if (f != NULL)
		f->conn = NULL;
	return f;
}

int
conn_give(struct conn *c)
{
	int fd = c->fd;

	if (fd >= 0)
		watch_stop(c->loop, &c->watch);
	c->fd = -1;
	c->flags = 0;
	return fd;
}

void
conn_abort(struct conn *c)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (c->fd < 0)
		return;
	if ((c->flags & CONN_VIRTUAL) != 0)
		c->filter->ops->abort(c);
	else
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	leave(c);
}

bool
conn_is_quiet(struct conn *c)
{
	char byte;

	if (c->filter != NULL) {
		conn_recheck(c);
		return conn_recv(c, &byte, 1) == -TG_EAGAIN && (c->flags & CONN_READABLE) == 0;
	}
	return recv(c->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

int64_t
conn_acked_bytes(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if ((c->flags & CONN_VIRTUAL) != 0 ||
	    getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return -1;
	return (int64_t)info.tcpi_bytes_acked;
}
