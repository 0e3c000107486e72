/*
 * loop/process.h: programs that are run, listened to and waited for, without
 * blocking the loop but for the moment in which they begin.
 *
 * A program runs in a process group of its own, with default signals and no other
 * descriptor of ours than it is given. Standard output and error are read to their end, the
 * first bytes of them kept. When the program ends, or is killed, all of its group is. It is
 * killed too when the thread that runs the loop ends. What left the group goes on, but for that of a guard.
 */
#ifndef TG_LOOP_PROCESS_H
#define TG_LOOP_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

#define TG_PROCESS_OUTPUT_MAX 96u

/* How it ended. */
struct process_end {
	int error;	    /* errno: it could not be executed; 0: it was */
	int status;	    /* exit status; 0 when killed */
	int signal;	    /* that killed it; 0: none */
	const char *output; /* its first bytes, not terminated; valid inside the callback */
	size_t output_n;
	bool is_cut; /* there was more output than was kept */
	const char *errors; /* the same of standard error, where that was asked for apart */
	size_t errors_n;
};

struct process;
struct process_pool;

/* From the loop, once, unless it is killed before. The process is gone with the return. */
typedef void process_end_cb(void *user, const struct process_end *end);

/* At most `max` programs, those included that were killed and are not gone yet. Owned by the
 * caller; `loop` outlives it. Descriptors 0 to 2 of this process are open. NULL: no memory. */
struct process_pool *process_pool_new(struct loop *loop, unsigned max);
/* Kills what runs and waits for it, 1 s at most. NULL allowed. */
void process_pool_free(struct process_pool *pool);

/* What is to be run. */
struct process_order {
	char *const *argv; /* argv[0]: a path; both lists end with NULL and are needed during the call only */
	char *const *envp;
	int input_fd;      /* its standard input; stays the caller's. -1: the null device */
	size_t output_max; /* kept of its output; 0: TG_PROCESS_OUTPUT_MAX */
	bool has_errors;   /* standard error apart, TG_PROCESS_OUTPUT_MAX of it; else it is output too */
	process_end_cb *end;
	void *user;
	int (*work)(void *work_user); /* in place of a program: see loop/fork.h */
	void *work_user;
	bool is_guard; /* SIGTERM, in place of SIGKILL, ends `work` with what it started: see proc/guard.h */
};

/* That it cannot be executed is told by `end`. -TG_ELIMIT: the pool is full; -TG_ENOMEM; -TG_EIO: no
 * process or descriptor, errno says why. */
TG_MUST_CHECK int process_run(struct process_pool *pool, const struct process_order *order,
			      struct process **ret);
/* The same with no input and little output. */
TG_MUST_CHECK int process_start(struct process_pool *pool, char *const *argv, char *const *envp,
				process_end_cb *end, void *user, struct process **ret);
/* Kills it; `end` is not called. Clears the pointer; NULL inside allowed. */
void process_kill(struct process **process);

/* Why it did not end well: "exit status 1"; "" where it did. */
void process_end_why(const struct process_end *end, char *why, size_t size);
/* Why process_run() failed with `rc`; errno is as it left it. */
void process_run_why(int rc, char *why, size_t size);
/* Where programs look for others: our own PATH, or where we have none the usual one. */
const char *process_path(void);

/* Programs running or not gone yet. */
unsigned process_pool_count(const struct process_pool *pool);

#endif
