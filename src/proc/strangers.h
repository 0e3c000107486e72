/*
 * proc/strangers.h: processes that become ours when who started them ends: backends of a keeper
 * that was killed, and what they leave behind.
 *
 * The parent is their new parent as the nearest subreaper, see prctl(2). What programs of a provider of
 * type "exec" started on their own account is none of these: TIDEGATE_EXEC in its environment says so.
 */
#ifndef TG_PROC_STRANGERS_H
#define TG_PROC_STRANGERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* From now on they come to this process. */
TG_MUST_CHECK int strangers_adopt(struct err *err);
/* SIGCHLD came. `ours` (0: none) are waited for by who started them. */
void strangers_reap(const pid_t *ours, size_t n);
/*
 * Kills every child of this process, what they leave to it in turn, and every process whose environment says it is a
 * backend of `run` (NULL: of none), and waits for them. *ret_n: how many there were at first. False: some are not gone in time.
 */
bool strangers_end(const char *run, unsigned timeout_ms, unsigned *ret_n);

#endif
