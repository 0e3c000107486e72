/* admin/show_config.c: the configuration in effect, defaults included. */
#include "admin/command.h"

static void
run(const struct command *c, struct command_call *call)
{
	const struct conf_service *service = NULL;
	size_t i;

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	if (call->n == 1) {
		if (!command_find_service(call, call->arguments[0], &i))
			return;
		service = &call->source->conf->services[i];
	}
	command_print_conf(call, NULL, call->source->conf, service);
}

const struct command command_show_config = {
	.name = "show config",
	.usage = "[SERVICE]",
	.help = "the configuration in effect, defaults included",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
};
