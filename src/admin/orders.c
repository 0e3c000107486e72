/* admin/orders.c: whether a backend gets new streams, and whether it is checked. */
#include <string.h>

#include "admin/command.h"

static void
order(const struct command *c, struct command_call *call, enum steer_property property,
      const char *value)
{
	struct steer_target target;

	if (call->n != 1)
		command_fail_usage(c, call);
	else if (command_find_backend(call, call->arguments[0], &target))
		command_order(call, &target, property, value);
}

static void
run_ready(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_STATE, "ready");
}

static void
cut(struct command_call *call, const struct steer_target *target, uint64_t after_ms)
{
	const struct admin_actions *actions = &call->source->actions;

	if (actions->cut(actions->user, target->service, target->backend, after_ms) < 0)
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
}

/* With "deadline TIME" behind the backend. */
static void
drain_until(struct command_call *call, const char *time)
{
	struct steer_target target;
	struct err err;
	uint64_t ms;

	if (conf_duration_parse(time, &ms, &err) < 0) {
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
		return;
	}
	if (!command_find_backend(call, call->arguments[0], &target))
		return;
	command_order(call, &target, TG_STEER_STATE, "drain");
	cut(call, &target, ms);
}

static void
run_drain(const struct command *c, struct command_call *call)
{
	if (call->n == 3 && strcmp(call->arguments[1], "deadline") == 0)
		drain_until(call, call->arguments[2]);
	else
		order(c, call, TG_STEER_STATE, "drain");
}

static void
run_shutdown(const struct command *c, struct command_call *call)
{
	struct steer_target target;

	if (call->n != 1)
		command_fail_usage(c, call);
	else if (command_find_backend(call, call->arguments[0], &target))
		cut(call, &target, 0);
}

static void
run_maint(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_STATE, "maint");
}

static void
run_check(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_CHECKS, "on");
}

static void
run_uncheck(const struct command *c, struct command_call *call)
{
	order(c, call, TG_STEER_CHECKS, "off");
}

#define ONE_BACKEND "SERVICE/BACKEND [why WORDS]"

const struct command command_drain = {
	.name = "drain",
	.usage = "SERVICE/BACKEND [deadline TIME] [why WORDS]",
	.help = "no new streams; what runs is finished, or ended at the deadline",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_drain,
};

const struct command command_undrain = {
	.name = "undrain",
	.usage = ONE_BACKEND,
	.help = "new streams again, when its checks pass",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_ready,
};

const struct command command_disable_server = {
	.name = "disable server",
	.usage = ONE_BACKEND,
	.help = "maintenance: no new streams, and nobody expects it to be well",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_maint,
};

const struct command command_enable_server = {
	.name = "enable server",
	.usage = ONE_BACKEND,
	.help = "the end of maintenance and of a drain",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_ready,
};

const struct command command_disable_health = {
	.name = "disable health",
	.usage = ONE_BACKEND,
	.help = "no checks; it stays as they left it",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_uncheck,
};

const struct command command_enable_health = {
	.name = "enable health",
	.usage = ONE_BACKEND,
	.help = "checks again, one at once",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_check,
};

const struct command command_shutdown_sessions = {
	.name = "shutdown sessions server",
	.usage = ONE_BACKEND,
	.help = "end what runs on it; what can be said again goes to another",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_shutdown,
};
