/*
 * proc/lines.h: each worker's line to the process that signs (MSG_SIGNER), until the worker has it.
 */
#ifndef TG_PROC_LINES_H
#define TG_PROC_LINES_H

#include "base/err.h"

/* Storage is the caller's, zeroed first; lines_fini(). */
struct lines {
	int *fds; /* [n]; -1: there is none, or the worker has it */
	unsigned n;
};

/* Of one of `n_workers`; it replaces the one before. Takes `fd` over, on failure too. -TG_ENOMEM. */
TG_MUST_CHECK int lines_put(struct lines *lines, unsigned n_workers, unsigned worker, int fd);
/* Each to `give`, which takes it over, on failure too; ends at the first failure. */
TG_MUST_CHECK int lines_give(struct lines *lines, int (*give)(void *arg, unsigned worker, int fd),
			     void *arg);
/* Closes what nobody has. It is zeroed then. */
void lines_fini(struct lines *lines);

#endif
