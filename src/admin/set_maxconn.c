/* admin/set_maxconn.c: how many there may be at a time, by HAProxy's commands. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "steer/limits.h"

static void
order(struct command_call *call, uint32_t listener, const char *value)
{
	struct err err;

	if (steer_limits_set(steer_limits(call->source->steer), listener, value, &call->note,
			     &err) < 0)
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
}

/* The proxy would hold to what its files allow, whatever is ordered. */
static bool
is_possible(struct command_call *call, const char *value)
{
	uint64_t most = source_gauge(&segment_shared(call->source->segment, 0)->limit_max);

	/* What is no number is told of where it is taken. */
	if (most == 0 || value[strspn(value, "0123456789")] != '\0' ||
	    strtoull(value, NULL, 10) <= most)
		return true;
	command_fail(call, TG_COMMAND_VALUE,
		     "maxconn \"%.64s\" is more than the limit of open files leaves; allowed: 1 to "
		     "%" PRIu64 "; 0: as configured",
		     value, most);
	return false;
}

static void
run_global(const struct command *c, struct command_call *call)
{
	if (call->n != 1)
		command_fail_usage(c, call);
	else if (is_possible(call, call->arguments[0]))
		order(call, TG_LIMIT_OF_ALL, call->arguments[0]);
}

static void
run_listener(const struct command *c, struct command_call *call)
{
	uint32_t listener;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (command_find_listener(call, call->arguments[0], &listener))
		order(call, listener, call->arguments[1]);
}

static void
run_server(const struct command *c, struct command_call *call)
{
	struct steer_target target;

	if (call->n != 2)
		command_fail_usage(c, call);
	else if (command_find_backend(call, call->arguments[0], &target))
		command_order(call, &target, TG_STEER_LIMIT, call->arguments[1]);
}

const struct command command_set_maxconn_frontend = {
	.name = "set maxconn frontend",
	.usage = "LISTENER N [why WORDS]",
	.help = "HAProxy's word for `set maxconn listener`",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_listener,
};

const struct command command_set_maxconn_global = {
	.name = "set maxconn global",
	.usage = "N [why WORDS]",
	.help = "client connections at a time, of all listeners; 0: as configured",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_global,
};

const struct command command_set_maxconn_listener = {
	.name = "set maxconn listener",
	.usage = "LISTENER N [why WORDS]",
	.help = "client connections at a time of one listener; 0: only the limit of all",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_listener,
};

const struct command command_set_maxconn_server = {
	.name = "set maxconn server",
	.usage = "SERVICE/BACKEND N [why WORDS]",
	.help = "streams at a time, as `set server SERVICE/BACKEND maxconn N`",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_server,
};
