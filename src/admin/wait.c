/* admin/wait.c: a session that rests, or until a backend can be deleted; HAProxy's command. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/removable.h"

static bool
is_out_of_use(const struct steer_target *t)
{
	const struct backend_order *order = &steer_get(t->steer, t->service, t->backend)->order;

	return (order->told & TG_ORDER_ADMIN) != 0 && order->admin != TG_ADMIN_READY;
}

static uint64_t
in_flight(const struct command_call *call, const struct steer_target *t)
{
	return source_in_flight(call->source,
				source_backend_slot(call->source, t->service, t->backend));
}

bool
removable_find(struct command_call *call, const char *name, struct steer_target *ret)
{
	const struct conf_backend *backend;

	if (!command_find_backend(call, name, ret))
		return false;
	backend = &call->source->conf->services[ret->service].backends[ret->backend];
	if (backend->slots == 1)
		return true;
	command_fail(call, TG_COMMAND_CONFLICT,
		     "\"%.128s\" is one of %u slots of the name \"%.128s\", which are one entry of "
		     "the configuration: edit it, and \"reload\"",
		     name, backend->slots, backend->entry_name);
	return false;
}

enum removable
removable_look(struct command_call *call, const char *name)
{
	struct steer_target t;

	if (!removable_find(call, name, &t))
		return TG_REMOVABLE_NEVER;
	if (!is_out_of_use(&t)) {
		command_fail(call, TG_COMMAND_CONFLICT,
			     "\"%.128s\" is in use: \"disable server %.128s\" or \"drain %.128s\" "
			     "first",
			     name, name, name);
		return TG_REMOVABLE_NEVER;
	}
	return in_flight(call, &t) > 0 ? TG_REMOVABLE_BUSY : TG_REMOVABLE_YES;
}

void
removable_fail_busy(struct command_call *call, enum command_error code, const char *name)
{
	struct steer_target t;

	if (command_find_backend(call, name, &t))
		command_fail(call, code,
			     "in flight on \"%.128s\": %" PRIu64 "; \"wait TIME srv-removable "
			     "%.128s\", or \"shutdown sessions server %.128s\"",
			     name, in_flight(call, &t), name, name);
}

static bool
rest(struct command_call *call)
{
	if (!call->session->wait.is_late)
		return false;
	output_text(call->out, call->json ? "{\"done\":true}\n" : "Done.\n");
	return true;
}

static bool
look(struct command_call *call)
{
	const struct command_wait *wait = &call->session->wait;
	enum removable removable = removable_look(call, wait->target);

	if (removable == TG_REMOVABLE_BUSY && !wait->is_late)
		return false;
	if (removable == TG_REMOVABLE_BUSY)
		removable_fail_busy(call, TG_COMMAND_TIMEOUT, wait->target);
	else if (removable == TG_REMOVABLE_YES)
		output_text(call->out, call->json ? "{\"done\":true}\n" : "Done.\n");
	return true;
}

/* Without a unit it is milliseconds, as HAProxy has it. */
static bool
read_time(struct command_call *call, const char *text, uint64_t *ret_ms)
{
	struct err err;

	if (text[strspn(text, "0123456789")] == '\0')
		return command_number(call, text, TG_ADMIN_WAIT_MAX_MS, "the time", ret_ms);
	if (conf_duration_parse(text, ret_ms, &err) < 0) {
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
		return false;
	}
	if (*ret_ms <= TG_ADMIN_WAIT_MAX_MS)
		return true;
	command_fail(call, TG_COMMAND_VALUE, "\"%.64s\" is more than an hour", text);
	return false;
}

static void
run(const struct command *c, struct command_call *call)
{
	const char *const *words = call->arguments;
	struct command_wait *wait;
	uint64_t ms;

	if (call->n != 1 && (call->n != 3 || strcmp(words[1], "srv-removable") != 0)) {
		command_fail_usage(c, call);
		return;
	}
	if (!read_time(call, words[0], &ms))
		return;
	if (call->n == 1) {
		command_wait_for(call, ms, rest);
		return;
	}
	if (strlen(words[2]) >= TG_ADMIN_TARGET_SIZE) {
		command_fail(call, TG_COMMAND_NOT_FOUND, "no backend \"%.128s\"", words[2]);
		return;
	}
	wait = command_wait_for(call, ms, look);
	wait->is_looking = true;
	snprintf(wait->target, sizeof(wait->target), "%s", words[2]);
}

const struct command command_wait = {
	.name = "wait",
	.usage = "TIME [srv-removable SERVICE/BACKEND]",
	.help = "rest before the next command of the line, or until the server can be deleted",
	.run = run,
};
