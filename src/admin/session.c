/* admin/session.c: how long a client of the control socket stays. */
#include "admin/command.h"

static void
run_prompt(const struct command *c, struct command_call *call)
{
	if (command_has_none(c, call))
		call->session->is_interactive = !call->session->is_interactive;
}

const struct command command_prompt = {
	.name = "prompt",
	.usage = "",
	.help = "stay for more lines, with a prompt; again: answer one and close",
	.run = run_prompt,
};

static void
run_quit(const struct command *c, struct command_call *call)
{
	if (command_has_none(c, call))
		call->session->is_over = true;
}

const struct command command_quit = {
	.name = "quit",
	.usage = "",
	.help = "close the connection",
	.run = run_quit,
};
