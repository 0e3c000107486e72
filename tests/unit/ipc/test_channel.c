#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"

struct pair {
	int fd[2];
	int open_before;
};

/* Descriptors this process holds. */
static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static int
setup(void **state)
{
	static struct pair pair;

	pair.open_before = count_fds();
	*state = &pair;
	return channel_pair(pair.fd, NULL);
}

static int
teardown(void **state)
{
	struct pair *pair = *state;

	if (pair->fd[0] >= 0)
		close(pair->fd[0]);
	close(pair->fd[1]);
	return count_fds() == pair->open_before ? 0 : -1; /* nothing leaked */
}

static void
message_arrives_with_payload(void **state)
{
	struct pair *p = *state;
	struct msg_stop stop = {.grace_ms = 1234};
	struct message m;

	assert_int_equal(channel_receive(p->fd[1], &m), -TG_EAGAIN);
	assert_int_equal(channel_send(p->fd[0], MSG_STOP, &stop, sizeof(stop), -1), 0);
	assert_int_equal(channel_send(p->fd[0], MSG_READY, NULL, 0, -1), 0);
	assert_int_equal(channel_receive(p->fd[1], &m), 1);
	assert_int_equal(m.type, MSG_STOP);
	assert_int_equal(m.fd, -1);
	assert_int_equal(m.u.stop.grace_ms, 1234);
	assert_int_equal(channel_wait(p->fd[1], 1000, &m), 1);
	assert_int_equal(m.type, MSG_READY);
	assert_int_equal(channel_wait(p->fd[1], 1, &m), -TG_EAGAIN);
}

static void
descriptor_arrives_close_on_exec(void **state)
{
	struct pair *p = *state;
	struct msg_listen listen = {.listener = 3, .worker = 1};
	struct message m;
	int pipe_fd[2];
	char byte = 0;

	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(channel_send(p->fd[0], MSG_LISTEN, &listen, sizeof(listen), pipe_fd[1]),
			 0);
	close(pipe_fd[1]);
	assert_int_equal(channel_receive(p->fd[1], &m), 1);
	assert_int_equal(m.u.listen.listener, 3);
	assert_int_equal(m.u.listen.worker, 1);
	assert_int_equal(fcntl(m.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(m.fd, "x", 1), 1);
	close(m.fd);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(pipe_fd[0]);
}

static void
closed_end_is_seen(void **state)
{
	struct pair *p = *state;
	struct message m;

	close(p->fd[0]);
	p->fd[0] = -1;
	assert_int_equal(channel_receive(p->fd[1], &m), 0);
	assert_int_equal(channel_send(p->fd[1], MSG_READY, NULL, 0, -1), -TG_EIO);
}

static void
closed_end_with_unread_messages_is_seen(void **state)
{
	struct pair *p = *state;
	struct message m;

	assert_int_equal(channel_send(p->fd[1], MSG_READY, NULL, 0, -1), 0);
	close(p->fd[0]);
	p->fd[0] = -1;
	assert_int_equal(channel_receive(p->fd[1], &m), 0);
}

/* One raw message with up to two descriptors, as a compromised process could send it. */
static void
send_raw(int fd, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_len = n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	memcpy(&iov.iov_base, &bytes, sizeof(bytes));
	if (n_fds > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = &control.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &m, 0), (ssize_t)n);
}

static void
malformed_messages_are_refused(void **state)
{
	static const struct {
		uint32_t words[64];
		size_t n;
		size_t n_fds;
	} cases[] = {
		{{MSG_READY}, 4, 0},         /* header cut */
		{{MSG_READY, 0, 0}, 12, 0},  /* more than it says */
		{{MSG_READY, 4, 0}, 12, 0},  /* payload the type has not */
		{{MSG_STOP, 8, 0}, 12, 0},   /* payload cut */
		{{MSG_STOP, 4, 0}, 12, 0},   /* payload too short for the type */
		{{0, 0}, 8, 0},              /* no such type */
		{{MSG_TYPE_COUNT, 0}, 8, 0}, /* no such type */
		{{MSG_READY, 0}, 8, 1},      /* descriptor the type has not */
		{{MSG_READY, 0}, 8, 2},      /* two */
		{{MSG_CONF, 0}, 8, 0},       /* descriptor missing */
		{{MSG_CONF, 0}, 8, 2},       /* one too many */
		{{MSG_BACKEND, sizeof(struct msg_backend), 0, 0, 99},
		 8 + sizeof(struct msg_backend),
		 0},
		{{MSG_STOP, 8}, 256, 0}, /* longer than any message */
	};
	struct pair *p = *state;
	struct message m;
	int fds[2] = {0, 1};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = count_fds();

		send_raw(p->fd[0], cases[i].words, cases[i].n, fds, cases[i].n_fds);
		assert_int_equal(channel_receive(p->fd[1], &m), -TG_EPROTO);
		assert_int_equal(count_fds(), before);
	}
	send_raw(p->fd[0], "", 0, fds, 1); /* looks like the end: taken for it, nothing leaks */
	assert_int_equal(channel_receive(p->fd[1], &m), 0);
}

static void
not_a_channel_is_an_error(void **state)
{
	struct message m;

	(void)state;
	assert_int_equal(channel_receive(-1, &m), -TG_EIO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(message_arrives_with_payload, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptor_arrives_close_on_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_end_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_end_with_unread_messages_is_seen, setup,
						teardown),
		cmocka_unit_test_setup_teardown(malformed_messages_are_refused, setup, teardown),
		cmocka_unit_test(not_a_channel_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
