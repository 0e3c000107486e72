/*
 * loop/fork.h: a new process that executes a program, or a function of ours, and which step failed.
 */
#ifndef TG_LOOP_FORK_H
#define TG_LOOP_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct fork_order {
	char *const *argv; /* argv[0]: a path; both lists end with NULL; not used with `work` */
	char *const *envp;
	int input_fd; /* becomes standard input; -1: the null device */
	int output_fd;
	int error_fd;
	bool outlives; /* this process, once it has executed the program; else it is killed with it */
	/* In the new process, before exec: only what is async-signal-safe. 0, or a number above 0 that says
	 * which step failed, with errno. NULL: nothing to do. */
	int (*prepare)(void *user);
	void *user;
	/* In place of a program, in a copy of this process with the descriptors 0 to 2 alone: what it returns is the exit
	 * status. Of a process with one thread only. NULL: a program. */
	int (*work)(void *work_user);
	void *work_user;
};

/* Why a program was not executed. */
struct fork_failure {
	int step;  /* of prepare(); 0: exec, or what comes before prepare() */
	int error; /* errno */
};

/*
 * The new process leads a process group of its own, has default signals, these three
 * descriptors and no other. Descriptors 0 to 2 of this process are open; the given ones stay the
 * caller's. Returns when the new process has given up its copies of all others, or after 100 ms.
 * *ret_report ends when the program is executed; a failure is read from it
 * with fork_failed(). It does not block, and the caller closes it. -1: errno.
 */
TG_MUST_CHECK pid_t fork_program(const struct fork_order *order, int *ret_report);
/* False: it was executed, or ended by a signal before it was, or has done neither yet. */
bool fork_failed(int report_fd, struct fork_failure *ret);

/* From now on each new process has these supplementary groups in place of ours, and no capability: what this process alone is to
 * reach it does not. Takes CAP_SETGID among those permitted, in effect or not. Once, before any other thread; `groups` outlive all
 * that follows. */
void fork_give_groups(const gid_t *groups, size_t n);

/* For a new process before it executes anything: it is killed when the thread that forked it
 * ends. `parent`: the process of that thread. False: errno. Async-signal-safe. */
bool process_die_with(pid_t parent);

#endif
