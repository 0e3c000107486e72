#include "fake/pair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
check(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
		abort();
	}
}

static void
set_nonblocking(int fd)
{
	check(fcntl(fd, F_SETFL, O_NONBLOCK), "set O_NONBLOCK");
}

int
fake_listen(struct addr *ret)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct addr){.len = sizeof(ret->u.in)};
	ret->u.in.sin_family = AF_INET;
	ret->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(fd, "make a socket");
	check(bind(fd, &ret->u.sa, ret->len), "bind");
	check(listen(fd, 64), "listen");
	check(getsockname(fd, &ret->u.sa, &ret->len), "read an address");
	return fd;
}

void
fake_pair_tcp(int ret[2])
{
	static const int one = 1;
	struct addr at;
	int listener = fake_listen(&at);

	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(ret[0], "make a socket");
	check(connect(ret[0], &at.u.sa, at.len), "connect");
	ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	check(ret[1], "accept");
	close(listener);
	for (int i = 0; i < 2; i++) {
		check(setsockopt(ret[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)),
		      "set TCP_NODELAY");
		set_nonblocking(ret[i]);
	}
}

void
fake_pair_unix(int ret[2])
{
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret),
	      "make a pair");
}

void
fake_reset(int fd)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), "set SO_LINGER");
	close(fd);
}

static void
wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	while (poll(&p, 1, -1) < 0)
		check(errno == EINTR ? 0 : -1, "poll");
}

void
fake_write(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t took = send(fd, at, n, MSG_NOSIGNAL);

		if (took < 0 && errno == EAGAIN) {
			wait_for(fd, POLLOUT);
			continue;
		}
		check((int)(took < 0 ? -1 : 0), "send");
		at += took;
		n -= (size_t)took;
	}
}

void
fake_wait_readable(int fd)
{
	wait_for(fd, POLLIN);
}

unsigned
fake_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	check(dir != NULL ? 0 : -1, "list descriptors");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the listing itself */
}
