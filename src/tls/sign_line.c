#include "tls/sign_line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "observe/counters.h"

static _Thread_local struct sign_line *line_of_thread;

void
sign_line_init(struct sign_line *l, const struct segment_counters *counters)
{
	*l = (struct sign_line){.fd = -1, .counters = counters};
}

void
sign_line_watch(struct sign_line *l, void (*on_lost)(void *arg), void *arg)
{
	l->on_lost = on_lost;
	l->arg = arg;
}

void
sign_line_fini(struct sign_line *l)
{
	if (line_of_thread == l)
		line_of_thread = NULL;
	sign_line_set(l, -1);
}

void
sign_line_set(struct sign_line *l, int fd)
{
	struct timeval wait = {.tv_sec = TG_SIGN_WAIT_MS / 1000,
			       .tv_usec = TG_SIGN_WAIT_MS % 1000 * 1000};

	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->n_owed = 0;
	if (fd < 0)
		return;
	/* Neither fails for a socket. */
	(void)!fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

void
sign_line_use(struct sign_line *l)
{
	line_of_thread = l;
}

/* 0: an answer; -TG_EAGAIN: none in time; -TG_EIO: there will be none. */
static int
receive(struct sign_line *l, int flags, struct sign_answer *ret)
{
	ssize_t n;

	do
		n = recv(l->fd, ret, sizeof(*ret), flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -TG_EAGAIN;
	return n > 0 && sign_answer_check(ret, (size_t)n) == 0 ? 0 : -TG_EIO;
}

/* Answers to those who wait no more. */
static int
receive_owed(struct sign_line *l, struct sign_answer *a)
{
	int rc = 0;

	while (l->n_owed > 0 && (rc = receive(l, MSG_DONTWAIT, a)) == 0)
		l->n_owed--;
	return rc;
}

static int
send_request(const struct sign_line *l, const struct sign_head *head, const unsigned char *bytes)
{
	struct iovec iov[2] = {
		{.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head)},
		{.iov_base = (void *)(uintptr_t)bytes, .iov_len = head->n},
	};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	do
		n = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)(sizeof(*head) + head->n) ? 0 : -TG_EIO;
}

static int
exchange(struct sign_line *l, struct sign_head *head, const unsigned char *bytes,
	 struct sign_answer *a)
{
	int rc = receive_owed(l, a);

	if (rc < 0)
		return rc;
	head->number = ++l->number;
	rc = send_request(l, head, bytes);
	if (rc == 0)
		rc = receive(l, 0, a);
	if (rc == -TG_EAGAIN)
		l->n_owed++;
	return rc == 0 && a->number != head->number ? -TG_EIO : rc;
}

/* What is out of step is no use any more either. */
static void
lose(struct sign_line *l)
{
	struct mono now = mono_read();

	sign_line_set(l, -1);
	if (l->on_lost == NULL || (mono_is_set(l->asked) &&
				   mono_diff_us(now, l->asked) < TG_SIGN_LOST_MS * UINT64_C(1000)))
		return;
	l->asked = now;
	atomic_store(&l->is_lost, true);
	l->on_lost(l->arg);
}

int
sign_line_ask(const struct sign_head *head, const unsigned char *bytes, unsigned char *ret,
	      size_t *ret_n)
{
	struct sign_line *l = line_of_thread;
	struct mono begin = mono_read();
	struct sign_head h = *head;
	struct sign_answer a;
	int rc;

	if (l == NULL)
		return -TG_EIO;
	if (h.n > TG_SIGN_BYTES_MAX)
		rc = -TG_ELIMIT;
	else
		rc = l->fd >= 0 ? exchange(l, &h, bytes, &a) : -TG_EIO;
	if (rc == 0 && a.status == SIGN_DONE) {
		memcpy(ret, a.bytes, a.n);
		*ret_n = a.n;
		counter_add(l->counters, TG_W_SIGNED, 1);
		counter_add(l->counters, TG_W_SIGN_WAIT_US, mono_diff_us(mono_read(), begin));
		return 0;
	}
	if (rc == -TG_EIO)
		lose(l);
	counter_add(l->counters, TG_W_SIGN_FAILED, 1);
	l->has_failed = true;
	return -TG_EIO;
}

bool
sign_line_has_failed(void)
{
	return line_of_thread != NULL && line_of_thread->has_failed;
}

void
sign_line_forgive(void)
{
	if (line_of_thread != NULL)
		line_of_thread->has_failed = false;
}
