/*
 * admin/command.h: the commands of the control socket.
 *
 * One command is one file with one const struct command, listed in commands.c.
 * A line holds commands separated by ';'. Each answer ends with an empty line.
 * An answer that failed is one line: "error <code>: <text>".
 */
#ifndef TG_ADMIN_COMMAND_H
#define TG_ADMIN_COMMAND_H

#include <stddef.h>

#include "admin/output.h"
#include "admin/source.h"

#define TG_ADMIN_ARGUMENTS_MAX 16u

#define TG_COMMAND_ERRORS(X)                                            \
	X(UNKNOWN, "unknown-command", "no such command")                \
	X(USAGE, "usage", "the command is used wrongly")                \
	X(LIMIT, "limit", "a limit of the control socket is reached")

enum command_error {
#define TG_COMMAND_ERROR_ENUM(id, word, help) TG_COMMAND_##id,
	TG_COMMAND_ERRORS(TG_COMMAND_ERROR_ENUM)
#undef TG_COMMAND_ERROR_ENUM
	TG_COMMAND_ERROR_COUNT
};

struct command {
	const char *name;  /* its words: "show stat" */
	const char *usage; /* its arguments: "[json]"; "" when it has none */
	const char *help;
	/* Writes the answer, or calls command_fail(). Must not wait. `arguments` are the words after
	 * the name, valid during the call. */
	void (*run)(const struct command *c, const struct admin_source *s, struct output *out,
		    size_t n, const char *const *arguments);
};

extern const struct command command_help;
extern const struct command command_show_info;
extern const struct command command_show_reasons;
extern const struct command command_show_stat;

/* Sorted by name, NULL at the end. */
extern const struct command *const commands[];

/* The answer becomes this failure, whatever was written to it. */
void command_fail(struct output *out, enum command_error code, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* The same, saying how `c` is used. */
void command_fail_usage(struct output *out, const struct command *c);
/* Whether the arguments are none (*ret_json false) or "json"; else fails. */
bool command_wants_json(const struct command *c, struct output *out, size_t n,
			const char *const *arguments, bool *ret_json);

/* Runs every command of a line, which is taken apart in place; answers and their empty lines go to
 * `out`. */
void command_run_line(const struct admin_source *s, char *line, struct output *out);

#endif
