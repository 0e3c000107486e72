/*
 * proc/inherited.h: listening sockets that were open before us.
 *
 * An older parent gives its own (proc/upgrade.h), or a service manager those it
 * opened for us (proc/activation.h). Each is used by what the
 * configuration has at the same address and for the same use; who waits on it
 * is served as if nothing had happened. Nothing is believed of a descriptor
 * that the kernel does not confirm.
 */
#ifndef TG_PROC_INHERITED_H
#define TG_PROC_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ipc/msg.h"
#include "net/listen.h"

struct inherited_socket {
	int fd; /* -1: taken */
	enum give_use use;
	struct listen_file file; /* that whose sockets these were would remove; unset: none */
};

/* Storage is the caller's; zeroed: none. */
struct inherited {
	struct inherited_socket *list;
	size_t n;
};

/* Takes `fd` over, on failure too. -TG_EINVAL: not a listening stream socket, or not the one of
 * that file; -TG_ENOMEM. */
TG_MUST_CHECK int inherited_add(struct inherited *in, int fd, const struct msg_give *give,
				struct err *err);

/* How many there are at this address. */
size_t inherited_count(const struct inherited *in, const struct addr *a, enum listen_family family,
		       enum give_use use);
/* The next of them, in the order they came; false: no more. The descriptor is the caller's. */
bool inherited_take(struct inherited *in, const struct addr *a, enum listen_family family,
		    enum give_use use, struct inherited_socket *ret);

/* Names what nobody took, in the log. */
void inherited_warn_unused(const struct inherited *in);
/* Closes what nobody took. */
void inherited_close(struct inherited *in);
/* Removes the socket files of what nobody took: whose they were serves no more. */
void inherited_remove_files(const struct inherited *in);
/* Closes and frees; removes nothing. */
void inherited_fini(struct inherited *in);

#endif
