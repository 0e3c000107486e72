/*
 * proc/sockets.h: what the parent opens with its privileges for its children.
 *
 * The listening sockets stay open here over the death of a child, so nobody
 * who connects meanwhile is refused.
 */
#ifndef TG_PROC_SOCKETS_H
#define TG_PROC_SOCKETS_H

#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"
#include "net/listen.h"
#include "proc/privileges.h"

/* Storage is the caller's; sockets_open() to sockets_close(). */
struct sockets {
	int *fd; /* [listener * workers + worker]; unix listeners share one number */
	size_t n_listeners;
	unsigned workers;
	struct listen_file *files; /* one per listener; unset for TCP */
	struct control_socket {
		int fd;
		struct listen_file file; /* unset for TCP */
	} * controls; /* by conf->admin.controls */
	size_t n_controls;
	int log_fd; /* access log; -1: standard output, or none */
};

/* All of them or none. The error names listener and address. */
TG_MUST_CHECK int sockets_open(const struct conf *conf, const struct privileges *p,
			       struct sockets *ret, struct err *err);
int sockets_listener_fd(const struct sockets *s, size_t listener, unsigned worker);
/* Closes what listens, so that new clients are refused; keeps the files. Idempotent. */
void sockets_stop_listening(struct sockets *s);
/* Closes all and removes the socket files that are ours. Zeroed is allowed. */
void sockets_close(struct sockets *s);

#endif
