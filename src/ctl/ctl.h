/*
 * ctl/ctl.h: commands that tidectl has itself, beside those it sends.
 *
 * A command is one const struct ctl_command, listed in commands.c.
 */
#ifndef TG_CTL_CTL_H
#define TG_CTL_CTL_H

#include <stddef.h>

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* a command failed, or its answer did not come */
	EXIT_USAGE = 2,
	EXIT_NO_CONNECTION = 3,
};

/* Of a line to the daemon, with its newline and NUL. */
#define TG_CTL_LINE_MAX 16384u

struct ctl_command {
	const char *name;
	const char *usage;   /* what stands behind it */
	const char *help;    /* one line */
	const char *options; /* for completion: those without a value, with spaces between */
	const char *valued;  /* those with one */
	/* Whether a command for the daemon follows its options. */
	int takes_command;
	/* `argv` from the name on, as main() gets it; an exit status. */
	int (*run)(const char *socket, int argc, char **argv);
};

extern const struct ctl_command ctl_top;
extern const struct ctl_command ctl_watch;

/* NULL at the end. */
extern const struct ctl_command *const ctl_commands[];
/* NULL: tidectl has none of that name. */
const struct ctl_command *ctl_find(const char *name);

/* The words as one line with its newline, into TG_CTL_LINE_MAX bytes. -1: too long, or a newline
 * inside. */
int ctl_join(int n, char **words, char *line);
/* The usage of `c` on standard error: EXIT_USAGE; or on standard output: EXIT_OK. */
int ctl_usage(const struct ctl_command *c, int exit_status);

#endif
