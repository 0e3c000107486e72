#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/channel.h"

/* How long channel_send() waits for the other end to make room. */
#define SEND_TIMEOUT_MS 5000

struct ipc_header {
	uint32_t type;
	uint32_t size; /* of the payload */
};

/* Ancillary room for exactly one descriptor, aligned as the kernel wants it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int
channel_pair(int ret_fd[2], struct err *err)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return err_set_errno(err, "socketpair");
	ret_fd[0] = fd[0];
	ret_fd[1] = fd[1];
	return 0;
}

bool
channel_has_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* Milliseconds to the deadline, for poll(). */
static int
ms_left(struct mono deadline)
{
	return (int)((mono_diff_us(deadline, mono_read()) + 999) / 1000);
}

/* True when `events` (or an error, which the next call will tell) is there before the deadline. */
static bool
wait_for(int fd, short events, struct mono deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int left = ms_left(deadline);
		int n = poll(&p, 1, left);

		if (n > 0)
			return true;
		if (n == 0 && left == 0)
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

static void
attach_fd(struct msghdr *m, union control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	m->msg_control = control->bytes;
	m->msg_controllen = sizeof(control->bytes);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int
channel_send(int fd, enum msg_type type, const void *payload, size_t n, int pass_fd)
{
	struct ipc_header header = {.type = (uint32_t)type, .size = (uint32_t)n};
	struct iovec iov[2] = {{.iov_base = &header, .iov_len = sizeof(header)}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1};
	struct mono deadline = mono_add_ms(mono_read(), SEND_TIMEOUT_MS);
	union control control;

	assert(msg_payload_size(header.type) == (int)n);
	assert(msg_has_fd(header.type) == (pass_fd >= 0));
	memcpy(&iov[1].iov_base, &payload, sizeof(payload));
	iov[1].iov_len = n;
	if (pass_fd >= 0)
		attach_fd(&m, &control, pass_fd);
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline))
			return -TG_EIO;
	}
}

/* The one descriptor of a received message, or -1; false when there is more than that. */
static bool
take_fd(struct msghdr *m, int *ret_fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	*ret_fd = -1;
	if (m->msg_flags & MSG_CTRUNC)
		return false;
	if (c == NULL)
		return true;
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return false;
	memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return true;
}

/* What take_fd() refused may still have installed the first one. */
static void
close_refused(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len < CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	close(fd);
}

static bool
is_valid(const struct ipc_header *header, size_t n, int flags, const struct message *msg)
{
	if (flags & MSG_TRUNC || n < sizeof(*header))
		return false;
	if (msg_payload_size(header->type) != (int)header->size ||
	    n != sizeof(*header) + header->size)
		return false;
	return msg_has_fd(header->type) == (msg->fd >= 0) && msg_is_sane(header->type, &msg->u);
}

int
channel_receive(int fd, struct message *ret)
{
	struct message msg = {.fd = -1};
	struct ipc_header header = {0};
	union control control;
	struct iovec iov[2] = {{&header, sizeof(header)}, {&msg.u, sizeof(msg.u)}};
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_LEN(sizeof(int)), /* not CMSG_SPACE: a second would fit */
	};
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -TG_EAGAIN;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -TG_EIO;
	if (n == 0 || !take_fd(&m, &msg.fd)) {
		close_refused(&m);
		return n == 0 ? 0 : -TG_EPROTO;
	}
	if (!is_valid(&header, (size_t)n, m.msg_flags, &msg)) {
		if (msg.fd >= 0)
			close(msg.fd);
		return -TG_EPROTO;
	}
	msg.type = (enum msg_type)header.type;
	*ret = msg;
	return 1;
}

int
channel_wait(int fd, int timeout_ms, struct message *ret)
{
	struct mono deadline = mono_add_ms(mono_read(), timeout_ms > 0 ? (uint64_t)timeout_ms : 0);

	for (;;) {
		int rc = channel_receive(fd, ret);

		if (rc != -TG_EAGAIN || !wait_for(fd, POLLIN, deadline))
			return rc;
	}
}
