/*
 * provider/output.h: what a backend writes, line by line to our log.
 */
#ifndef TG_PROVIDER_OUTPUT_H
#define TG_PROVIDER_OUTPUT_H

#include "base/log.h"
#include "loop/loop.h"

#define TG_OUTPUT_LINE   1024u /* longer lines are told in parts */
#define TG_OUTPUT_LAST   160u  /* kept of the last line */
#define TG_OUTPUT_LINES  100u  /* told in a second */

/* Storage is the caller's, zeroed; output_start() to output_stop(). */
struct output {
	struct loop *loop;
	const char *service;
	const char *name;
	int fd; /* owned */
	struct watch watch;
	struct log_limit limit;
	size_t n;
	char line[TG_OUTPUT_LINE];
	char last[TG_OUTPUT_LAST]; /* "": it said nothing */
};

/* Two ends of a pipe whose writers never find it without a reader, though who read it may be gone. *ret_read does
 * not block. *ret_id tells which pipe it is: see output_find(). -TG_EIO: errno. */
TG_MUST_CHECK int output_pipe(int *ret_read, int *ret_write, uint64_t *ret_id);
/* The end to read from of a pipe that a process writes to, on descriptor 1 or 2 of it; -1: it has no such. */
int output_find(pid_t pid, uint64_t id);

/* Takes over `fd`. `service` and `name` outlive it. -TG_ENOMEM: it is closed. */
TG_MUST_CHECK int output_start(struct output *o, struct loop *loop, int fd, const char *service,
			       const char *name);
/* Reads what is left of a process that has ended, and stops. */
void output_finish(struct output *o);
/* What is not read yet stays in the pipe. */
void output_stop(struct output *o);

#endif
