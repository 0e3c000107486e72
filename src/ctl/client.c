#include "ctl/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM_BYTES 65536u

int
client_connect(const char *path, int flags)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

bool
client_send(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

void
client_init(struct client *c)
{
	*c = (struct client){.fd = -1};
}

static void
hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
client_close(struct client *c)
{
	hang_up(c);
	free(c->bytes);
	client_init(c);
}

int
client_ask(struct client *c, const char *path, const char *line, struct mono now, struct err *err)
{
	hang_up(c);
	c->n = 0;
	c->began = now;
	c->first = (struct mono){.us = 0};
	c->fd = client_connect(path, SOCK_NONBLOCK);
	if (c->fd < 0)
		return err_set_errno(err, "cannot connect to %s", path);
	/* One that refuses us may have answered all the same. */
	(void)client_send(c->fd, line, strlen(line));
	(void)shutdown(c->fd, SHUT_WR);
	return 0;
}

static int
make_room(struct client *c, struct err *err)
{
	size_t cap = c->cap > 0 ? 2 * c->cap : 2 * (size_t)ROOM_BYTES;
	char *bytes;

	if (c->cap - c->n >= ROOM_BYTES)
		return 0;
	if (cap > 2 * TG_CLIENT_ANSWERS_MAX)
		return err_set(err, TG_ELIMIT, "the answer is too long");
	bytes = realloc(c->bytes, cap);
	if (bytes == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the answer");
	c->bytes = bytes;
	c->cap = cap;
	return 0;
}

int
client_read(struct client *c, struct mono now, struct err *err)
{
	for (;;) {
		int rc = make_room(c, err);
		ssize_t n;

		if (rc == 0 && c->n > TG_CLIENT_ANSWERS_MAX)
			rc = err_set(err, TG_ELIMIT, "the answer is too long");
		if (rc < 0) {
			hang_up(c);
			return rc;
		}
		n = recv(c->fd, c->bytes + c->n, c->cap - c->n, 0);
		/* Reset: it left some of ours unread, but what it said is still there. */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -TG_EAGAIN;
		if (n > 0) {
			if (!mono_is_set(c->first))
				c->first = now;
			c->n += (size_t)n;
			continue;
		}
		if (n < 0)
			rc = err_set_errno(err, "no answer");
		else if (c->n == 0)
			rc = err_set(err, TG_EIO, "closed without an answer");
		hang_up(c);
		return rc;
	}
}

bool
answer_next(const char *bytes, size_t n, size_t *at, struct answer *ret)
{
	const char *from = bytes + *at;
	size_t rest = n - *at;
	const char *end;

	if (rest == 0)
		return false;
	if (*from == '\n') {
		*ret = (struct answer){.bytes = from};
		*at += 1;
		return true;
	}
	end = memmem(from, rest, "\n\n", 2);
	if (end == NULL)
		return false;
	*ret = (struct answer){.bytes = from, .n = (size_t)(end - from) + 1};
	*at += ret->n + 1;
	return true;
}

static bool
begins_with(const struct answer *a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a->n >= n && memcmp(a->bytes, prefix, n) == 0;
}

bool
answer_has_failed(const struct answer *a)
{
	return begins_with(a, "error ") || begins_with(a, "{\"error\":");
}
