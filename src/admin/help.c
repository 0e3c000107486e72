/* admin/help.c: what can be said to a control socket. */
#include <stdio.h>

#include "admin/command.h"

static void
print_json(struct output *out)
{
	for (size_t i = 0; commands[i] != NULL; i++) {
		output_text(out, i == 0 ? "[{\"name\":" : ",\n{\"name\":");
		output_json(out, commands[i]->name);
		output_text(out, ",\"usage\":");
		output_json(out, commands[i]->usage);
		output_text(out, ",\"rights\":");
		output_json(out, conf_rights_str(commands[i]->rights));
		output_text(out, commands[i]->takes_payload ? ",\"payload\":true" : "");
		output_text(out, ",\"help\":");
		output_json(out, commands[i]->help);
		output_text(out, "}");
	}
	output_text(out, "]\n");
}

static void
print_text(struct output *out)
{
	output_text(out,
		    "One command per line, or several with ';' between them; \"json\" behind a "
		    "command asks for JSON:\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		char line[160];

		snprintf(line, sizeof(line), "%s%s%s", commands[i]->name,
			 commands[i]->usage[0] != '\0' ? " " : "", commands[i]->usage);
		output_format(out, "  %-24s %s\n", line, commands[i]->help);
	}
}

static void
run(const struct command *c, struct command_call *call)
{
	if (!command_has_none(c, call))
		return;
	if (call->json)
		print_json(call->out);
	else
		print_text(call->out);
}

const struct command command_help = {
	.name = "help",
	.usage = "",
	.help = "list the commands",
	.run = run,
};
