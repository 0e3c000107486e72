/*
 * proc/handed.h: listening sockets that the parent has sent (MSG_LISTEN), until workers have them.
 */
#ifndef TG_PROC_HANDED_H
#define TG_PROC_HANDED_H

#include <stddef.h>

#include "ipc/channel.h"

/* Storage is the caller's, zeroed first; handed_fini(). */
struct handed {
	struct handed_socket {
		struct msg_listen of;
		int fd; /* -1: a worker has it */
	} * list;
	size_t n;
};

/* Takes the descriptor of the message over. -TG_EPROTO: there is no such worker; -TG_ENOMEM. */
TG_MUST_CHECK int handed_add(struct handed *h, unsigned n_workers, struct message *m);
/* Each to `give`, which takes it over, on failure too; ends at the first failure. */
TG_MUST_CHECK int handed_give(struct handed *h,
			      int (*give)(void *arg, const struct msg_listen *of, int fd),
			      void *arg);
/* Closes what nobody has. It is zeroed then. */
void handed_fini(struct handed *h);

#endif
