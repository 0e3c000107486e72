/* admin/set_log_level.c: what all processes log, until tidegate ends. */
#include "admin/command.h"
#include "base/log.h"

/* At whichever level is the more talkative, so that the change itself is seen. */
static void
tell(const struct command_call *call, enum log_level before, enum log_level after)
{
	log_write(TG_LOG_INFO, "log level ordered", "level=%s before=%s who=%s why=%s",
		  log_level_str(after), log_level_str(before), call->note.who, call->note.why);
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_actions *actions = &call->source->actions;
	enum log_level before = log_level();
	enum log_level after;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	if (!log_level_find(call->arguments[0], &after)) {
		command_fail(call, TG_COMMAND_VALUE,
			     "level \"%.64s\" is not allowed; allowed: error, warn, info or debug",
			     call->arguments[0]);
		return;
	}
	if (before > after)
		tell(call, before, after);
	if (actions->set_log_level(actions->user, after) < 0) {
		command_fail(call, TG_COMMAND_LIMIT, "the parent cannot be told");
		return;
	}
	if (before <= after)
		tell(call, before, after);
}

const struct command command_set_log_level = {
	.name = "set log level",
	.usage = "error|warn|info|debug [why WORDS]",
	.help = "what all processes log, until tidegate ends",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
};
