/*
 * net/listen.h: bound, listening stream sockets.
 *
 * Every socket is non-blocking and close-on-exec. Errors name what failed;
 * the caller adds whose address it was.
 */
#ifndef TG_NET_LISTEN_H
#define TG_NET_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"
#include "conf/conf.h"

/* How an IPv6 socket treats IPv4. */
enum listen_family {
	TG_LISTEN_AS_GIVEN = 0, /* IPv6 addresses take IPv6 alone */
	TG_LISTEN_BOTH = 1,	/* [::] takes IPv4 too, or IPv4 alone on a machine without IPv6 */
	TG_LISTEN_FAMILY_COUNT
};

/*
 * Whether listen_open() of this IPv4 or IPv6 address would share it with a
 * stranger: SO_REUSEPORT lets any process of the same user in, silently. Binds
 * without it and closes again. 0, or -TG_EIO ("address already in use", ...).
 */
TG_MUST_CHECK int listen_probe(const struct addr *a, enum listen_family family, struct err *err);

/* One more socket on this address: SO_REUSEPORT, and for those it accepts TCP_NODELAY and `tcp`. */
TG_MUST_CHECK int listen_open(const struct addr *a, enum listen_family family, unsigned backlog,
			      const struct conf_tcp *tcp, int *ret_fd, struct err *err);

/* The two steps of it. Bound, not listening: no client gets there yet. */
TG_MUST_CHECK int listen_bind(const struct addr *a, enum listen_family family, int *ret_fd,
			      struct err *err);
/* Also for one that listens, to change how it does. `tcp` NULL: a unix socket. -TG_EIO, errno. */
TG_MUST_CHECK int listen_begin(int fd, unsigned backlog, const struct conf_tcp *tcp);
/* Whether this socket is bound as listen_open() or listen_open_unix() would do it. */
bool listen_is_at(int fd, const struct addr *a, enum listen_family family);

/*
 * A unix socket with these permissions from its first moment on. A socket file
 * nobody listens on is replaced; one that answers, and any other file, is an
 * error. Changes the umask for a moment: not beside threads.
 */
TG_MUST_CHECK int listen_open_unix(const struct addr *a, unsigned backlog, mode_t mode, int *ret_fd,
				   struct err *err);

/* Which file a unix socket made, to remove that file and no other. */
struct listen_file {
	struct addr addr; /* len 0: none */
	dev_t device;
	ino_t inode;
};
/* `a` was just opened with listen_open_unix(). */
struct listen_file listen_file_of(const struct addr *a);
/* Removes the file if it still is the same one. */
void listen_file_remove(const struct listen_file *file);

#endif
