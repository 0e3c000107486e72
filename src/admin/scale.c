/* admin/scale.c: how many backends a service has by order, and whether its autoscaler acts. */
#include "admin/command.h"
#include "steer/scales.h"

static void
order(const struct command *c, struct command_call *call, enum steer_scale what)
{
	struct err err;
	size_t service;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (command_find_scaled(call, call->arguments[0], &service) &&
		 steer_scales_set(steer_scales(call->source->steer), (unsigned)service, what,
				  call->arguments[1], &call->note, &err) < 0)
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
}

static void
run_number(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_SCALE_NUMBER);
}

static void
run_mode(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_SCALE_MODE);
}

const struct command command_autoscale = {
	.name = "autoscale",
	.usage = "SERVICE pause|resume|dry-run [why WORDS]",
	.help = "keep the number of backends; change it again; only tell what would be done",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_mode,
};

const struct command command_scale = {
	.name = "scale",
	.usage = "SERVICE N|auto [why WORDS]",
	.help = "so many backends, whatever is decided, until it is auto again, or without state_file tidegate ends",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_number,
};
