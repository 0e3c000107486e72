/*
 * provider/mark.h: by what the processes of a service are known, whoever started them: variables of
 * their environment. Programs that show a title overwrite these; the same variables are in the sealed memory file
 * that is their standard input, at its end.
 */
#ifndef TG_PROVIDER_MARK_H
#define TG_PROVIDER_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/arena.h"
#include "provider/provider.h"

/* Whose processes. */
struct mark_owner {
	const char *run;
	const char *service;
	uid_t uid; /* they are started as */
};

/* One process as its environment tells. A value. */
struct mark {
	char name[TG_INSTANCE_NAME];
	struct addr addr;
	uint64_t output; /* inode of the pipe it writes to */
	pid_t pid; /* of the backend itself, whose environment others may have inherited */
};

/* A new process's environment. */
struct mark_environment {
	char **list;
	char *pid; /* in the list: filled in by the new process, with mark_set_pid() */
};

/* The mark, PATH and `variables`, whose {port}, {name} and {service} are replaced. Memory of
 * `arena`. -TG_ENOMEM. */
TG_MUST_CHECK int mark_make_environment(struct arena *arena, const struct mark_owner *owner,
					const struct mark *mark, char *const *variables, size_t n,
					struct mark_environment *ret);
/* Whether PATH is one of them. */
bool mark_has_path(char *const *variables, size_t n);
/* Of this process. Async-signal-safe. */
void mark_set_pid(const struct mark_environment *e);
/* A file for mark_keep(), to be the standard input of the new process. -1: errno. */
int mark_open_file(void);
/* Of this process, after mark_set_pid(): writes its mark to its standard input, which is then at its end and never
 * changes. Async-signal-safe. False: errno. */
bool mark_keep(const struct mark_environment *e);
/* `text` with {port}, {name} and {service} replaced. NULL: no memory. */
char *mark_replace(struct arena *arena, const char *text, const struct mark_owner *owner,
		   const struct mark *mark);

/* An environment, variables ended by NUL, in any order; the first of a name counts. False: it has not
 * all of them, or they are not of this owner. */
bool mark_parse(const char *bytes, size_t n, const struct mark_owner *owner, struct mark *ret);

/* All processes of this machine's that bear a mark of this owner; `pid` differs from mark->pid for those
 * that inherited it. `pid_fd` was open before it was read, and is closed after. -TG_EIO: errno. */
TG_MUST_CHECK int mark_scan(const struct mark_owner *owner,
			    void (*found)(void *user, const struct mark *mark, pid_t pid, int pid_fd),
			    void *user);

#endif
