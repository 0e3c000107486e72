/* admin/daemon.c: the end of tidegate, and its next version. */
#include <string.h>

#include "admin/reload.h"

static void
run_shutdown(const struct command *c, struct command_call *call)
{
	const struct admin_actions *actions = &call->source->actions;
	bool at_once = call->n == 1 && strcmp(call->arguments[0], "now") == 0;

	if (call->n > 1 ||
	    (call->n == 1 && !at_once && strcmp(call->arguments[0], "graceful") != 0))
		command_fail_usage(c, call);
	else if (actions->stop(actions->user, at_once) < 0)
		command_fail(call, TG_COMMAND_LIMIT, "the parent cannot be told");
}

const struct command command_shutdown = {
	.name = "shutdown",
	.usage = "[graceful|now]",
	.help = "the end: what runs is finished within shutdown_grace, or cut now",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_shutdown,
};

static void
run_upgrade(const struct command *c, struct command_call *call)
{
	struct reload_order order = {
		.what = RELOAD_UPGRADE, .service = "", .backend = "", .text = ""};

	if (command_has_none(c, call))
		reload_ask(call, &order, NULL);
}

const struct command command_upgrade = {
	.name = "upgrade",
	.usage = "",
	.help = "start the program and the configuration anew, and let it take over, or say why not",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_upgrade,
};
