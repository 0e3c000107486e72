/* admin/help.c: what can be said to the control socket. */
#include "admin/command.h"

static void
run(const struct command *c, const struct admin_source *s, struct output *out, size_t n,
    const char *const *arguments)
{
	(void)s;
	(void)arguments;
	if (n > 0) {
		command_fail_usage(out, c);
		return;
	}
	output_text(out, "One command per line, or several with ';' between them:\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s%s%s", commands[i]->name,
			 commands[i]->usage[0] != '\0' ? " " : "", commands[i]->usage);
		output_format(out, "  %-24s %s\n", line, commands[i]->help);
	}
}

const struct command command_help = {
	.name = "help",
	.usage = "",
	.help = "list the commands",
	.run = run,
};
