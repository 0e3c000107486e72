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

static void
run_timeout(const struct command *c, struct command_call *call)
{
	uint64_t seconds;

	if (call->n != 1)
		command_fail_usage(c, call);
	else if (command_number(call, call->arguments[0], TG_ADMIN_TIMEOUT_MAX_S, "the timeout",
				&seconds))
		call->session->timeout_s = (unsigned)seconds;
}

const struct command command_set_timeout = {
	.name = "set timeout cli",
	.usage = "SECONDS",
	.help = "how long this connection may rest behind its prompt",
	.run = run_timeout,
};
