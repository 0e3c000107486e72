/* admin/commands.c: the list of commands, and from a line to their answers. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"

const struct command *const commands[] = {
	&command_help, &command_show_info, &command_show_reasons, &command_show_stat, NULL,
};

static const char *const error_words[TG_COMMAND_ERROR_COUNT] = {
#define ERROR_WORD(id, word, help) [TG_COMMAND_##id] = word,
	TG_COMMAND_ERRORS(ERROR_WORD)
#undef ERROR_WORD
};

/* Where the answer under way begins: a failure replaces it, not those before it. */
static size_t
answer_start(const struct output *out)
{
	size_t n = out->n;

	while (n > 0 && !(n >= 2 && out->bytes[n - 1] == '\n' && out->bytes[n - 2] == '\n'))
		n--;
	return n;
}

void
command_fail(struct output *out, enum command_error code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	output_cut(out, answer_start(out));
	output_format(out, "error %s: %s\n", error_words[code], text);
}

void
command_fail_usage(struct output *out, const struct command *c)
{
	command_fail(out, TG_COMMAND_USAGE, "%s%s%s", c->name, c->usage[0] != '\0' ? " " : "",
		     c->usage);
}

bool
command_wants_json(const struct command *c, struct output *out, size_t n,
		   const char *const *arguments, bool *ret_json)
{
	*ret_json = n == 1 && strcmp(arguments[0], "json") == 0;
	if (n == 0 || *ret_json)
		return true;
	command_fail_usage(out, c);
	return false;
}

/* How many of the words are the command's name; 0: it is another one. */
static size_t
match(const struct command *c, size_t n, const char *const *words)
{
	const char *name = c->name;
	size_t i;

	for (i = 0; *name != '\0'; i++) {
		size_t len = strcspn(name, " ");

		if (i == n || strlen(words[i]) != len || strncmp(words[i], name, len) != 0)
			return 0;
		name += len;
		name += strspn(name, " ");
	}
	return i;
}

static void
run_words(const struct admin_source *s, struct output *out, size_t n, const char *const *words)
{
	for (size_t i = 0; commands[i] != NULL; i++) {
		size_t taken = match(commands[i], n, words);

		if (taken == 0)
			continue;
		commands[i]->run(commands[i], s, out, n - taken, words + taken);
		return;
	}
	command_fail(out, TG_COMMAND_UNKNOWN, "no such command; \"help\" lists them");
}

/* One command, in place. An empty one has no answer. */
static void
run_one(const struct admin_source *s, char *text, struct output *out)
{
	const char *words[TG_ADMIN_ARGUMENTS_MAX];
	char *rest = text;
	char *word;
	size_t n = 0;

	while ((word = strsep(&rest, " \t\r")) != NULL) {
		if (*word == '\0')
			continue;
		if (n == TG_ADMIN_ARGUMENTS_MAX) {
			command_fail(out, TG_COMMAND_LIMIT, "more than %u words",
				     TG_ADMIN_ARGUMENTS_MAX);
			output_text(out, "\n");
			return;
		}
		words[n++] = word;
	}
	if (n == 0)
		return;
	run_words(s, out, n, words);
	if (out->is_full)
		command_fail(out, TG_COMMAND_LIMIT, "the answer is too long");
	output_text(out, "\n");
}

void
command_run_line(const struct admin_source *s, char *line, struct output *out)
{
	char *rest = line;
	char *one;

	while ((one = strsep(&rest, ";")) != NULL) {
		/* What one answer leaves is enough for its failure, and for this. */
		if (out->n > out->max / 2) {
			command_fail(out, TG_COMMAND_LIMIT, "the answers to one line are too long");
			output_text(out, "\n");
			return;
		}
		run_one(s, one, out);
	}
}
