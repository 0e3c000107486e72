/*
 * proc/spawn.h: a new process of ours: fork, become something, exec.
 *
 * Until exec it is a copy of the parent, which has one thread; a step that fails
 * comes back through a pipe that exec closes.
 */
#ifndef TG_PROC_SPAWN_H
#define TG_PROC_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

/* Descriptors that are needed up to exec lie above those of the new process. */
#define TG_SPAWN_HIGH_FD 16

enum spawn_step {
	SPAWN_NONE = 0,
	SPAWN_DESCRIPTORS = 1,
	SPAWN_PRIVILEGES = 2,
	SPAWN_DEATH_SIGNAL = 3,
	SPAWN_EXEC = 4,
	SPAWN_STEP_COUNT
};

/* What is to become of it. */
struct spawn {
	const char *name; /* for errors */
	int channel;      /* becomes TG_CHANNEL_FD; stays the caller's here */
	/* In the new process, all signals blocked: everything up to exec. Returns only on failure,
	 * with errno. */
	enum spawn_step (*become)(const struct spawn *s, pid_t parent);
};

/* Returns once the program runs. The error says which step failed. */
TG_MUST_CHECK int spawn(const struct spawn *s, pid_t *ret_pid, struct err *err);

/* For `become`: the channel in its place, and all above it close-on-exec. -1: errno. */
TG_MUST_CHECK int spawn_arrange_channel(const struct spawn *s);

#endif
