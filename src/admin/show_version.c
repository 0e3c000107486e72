/* admin/show_version.c: which tidegate answers. */
#include "admin/command.h"

static void
run(const struct command *c, struct command_call *call)
{
	if (!command_has_none(c, call))
		return;
	output_text(call->out,
		    call->json ? "{\"version\":\"" PACKAGE_VERSION "\"}\n" : PACKAGE_VERSION "\n");
}

const struct command command_show_version = {
	.name = "show version",
	.usage = "",
	.help = "the version that runs",
	.run = run,
};
