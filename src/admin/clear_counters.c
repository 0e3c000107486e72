/* admin/clear_counters.c: statistics begin anew, for those who read them here. */
#include "admin/cleared.h"
#include "admin/command.h"
#include "base/log.h"

static void
tell(const struct command_call *call, const char *what)
{
	log_write(TG_LOG_INFO, "counters cleared", "what=%s who=%s why=%s", what, call->note.who,
		  call->note.why);
}

static void
run_maxima(const struct command *c, struct command_call *call)
{
	if (!command_has_none(c, call))
		return;
	cleared_set_maxima(call->source);
	tell(call, "maxima");
}

static void
run_all(const struct command *c, struct command_call *call)
{
	if (!command_has_none(c, call))
		return;
	cleared_set_maxima(call->source);
	cleared_set_sums(call->source);
	tell(call, "all");
}

const struct command command_clear_counters = {
	.name = "clear counters",
	.usage = "",
	.help = "the highest values of `show stat` begin anew",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_maxima,
};

const struct command command_clear_counters_all = {
	.name = "clear counters all",
	.usage = "",
	.help = "all counters of `show stat` and `show info` begin anew; those of /metrics go on",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_all,
};
