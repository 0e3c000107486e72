/*
 * ctl/client.h: one line to a control socket, and all of its answers, without waiting.
 */
#ifndef TG_CTL_CLIENT_H
#define TG_CTL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"

/* More than tidegate answers at once, admin/server.h. */
#define TG_CLIENT_ANSWERS_MAX ((size_t)48 << 20)

/* Storage is the caller's; client_init() to client_close(). */
struct client {
	int fd;      /* -1: nothing is asked */
	char *bytes; /* the answers so far; not terminated */
	size_t n;
	size_t cap;
	struct mono began; /* when it was asked */
	struct mono first; /* when the first byte came */
};

/* A connected unix stream socket, by `flags` of socket(2); -1 with errno. */
int client_connect(const char *path, int flags);
/* Blocks when the descriptor does. False with errno. */
bool client_send(int fd, const char *bytes, size_t n);

void client_init(struct client *c);
void client_close(struct client *c);
/* Connects and sends a line with its newline, in place of what was asked before. -TG_EIO. */
TG_MUST_CHECK int client_ask(struct client *c, const char *path, const char *line, struct mono now,
			     struct err *err);
/* What has come. 0: the answers are there whole and are the caller's until the next
 * client_ask(); -TG_EAGAIN: more may come when the descriptor is readable; -TG_EIO,
 * -TG_ELIMIT, -TG_ENOMEM. Nothing is asked afterwards, but for -TG_EAGAIN. */
TG_MUST_CHECK int client_read(struct client *c, struct mono now, struct err *err);

/* One answer of a line: a view, without the empty line that ends it. */
struct answer {
	const char *bytes;
	size_t n;
};
/* The answer at `*at` of these bytes, and moves there behind it. False: none is whole there. */
bool answer_next(const char *bytes, size_t n, size_t *at, struct answer *ret);
/* "error ...", or the same as JSON. */
bool answer_has_failed(const struct answer *a);

#endif
