/* admin/scale.c: how many backends a service has by order, and whether its autoscaler acts. */
#include "admin/command.h"
#include "steer/scales.h"

/* What comes of an order where it cannot be told to others; NULL: they hear of it. */
static const char *
what_comes(const struct command_call *call, unsigned service)
{
	struct scaler_status st;

	if (!scaler_status(call->source->scaler, service, &st) || st.instance[0] == '\0' ||
	    !st.is_cut_off)
		return NULL;
	if (st.authority == TG_STORE_ALONE)
		return "redis is away, and no other instance was there: this one does it now, backends "
		       "are stopped too";
	return st.authority == TG_STORE_LEADS
		       ? "redis is away, and other instances were there: what this one does not do before "
			 "its lease is over waits until redis is back"
		       : "redis is away, and other instances were there: it waits until redis is back";
}

static void
print_what_comes(struct command_call *call, unsigned service)
{
	const char *note = what_comes(call, service);

	if (note == NULL)
		return;
	output_text(call->out, call->json ? "{\"ok\":true,\"note\":" : "note: ");
	if (call->json)
		output_json(call->out, note);
	else
		output_text(call->out, note);
	output_text(call->out, call->json ? "}\n" : "\n");
}

static void
order(const struct command *c, struct command_call *call, enum steer_scale what)
{
	struct err err;
	size_t service;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (!command_find_scaled(call, call->arguments[0], &service))
		return;
	else if (steer_scales_set(steer_scales(call->source->steer), (unsigned)service, what,
				  call->arguments[1], &call->note, &err) < 0)
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
	else
		print_what_comes(call, (unsigned)service);
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
