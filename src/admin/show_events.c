/* admin/show_events.c: what the keeper had to tell, so far and from now on. */
#include <inttypes.h>

#include "admin/command.h"

static uint64_t
first_of(const struct events *events, uint64_t wanted)
{
	uint64_t next = events_next(events);
	uint64_t kept = next - 1 < TG_EVENTS_KEPT ? next - 1 : TG_EVENTS_KEPT;

	return next - (wanted < kept ? wanted : kept);
}

static void
print_json(struct output *out, const char *comma, uint64_t number, const char *line, size_t n)
{
	output_format(out, "%s{\"number\":%" PRIu64 ",\"line\":", comma, number);
	output_json_bytes(out, line, n > 0 ? n - 1 : 0);
	output_text(out, "}");
}

static void
print_last(struct command_call *call, uint64_t wanted)
{
	const struct events *events = call->source->events;
	const char *comma = "";

	if (call->json)
		output_text(call->out, "[");
	for (uint64_t i = first_of(events, wanted); i < events_next(events); i++) {
		size_t n;
		const char *line = events_line(events, i, &n);

		if (line == NULL)
			continue;
		if (call->json)
			print_json(call->out, comma, i, line, n);
		else
			output_add(call->out, line, n);
		comma = ",\n";
	}
	if (call->json)
		output_text(call->out, "]\n");
}

static void
run_show(const struct command *c, struct command_call *call)
{
	uint64_t wanted = TG_EVENTS_KEPT;

	if (call->n > 1)
		command_fail_usage(c, call);
	else if (call->n == 0 ||
		 command_number(call, call->arguments[0], TG_EVENTS_KEPT, "the number", &wanted))
		print_last(call, wanted);
}

const struct command command_show_events = {
	.name = "show events",
	.usage = "[N]",
	.help = "the last lines of the logs of parent and keeper: health, names, orders, state, reloads",
	.run = run_show,
};

static void
run_events(const struct command *c, struct command_call *call)
{
	if (!command_has_none(c, call))
		return;
	if (call->json) {
		command_fail(call, TG_COMMAND_USAGE, "a stream has no end, and no JSON around it");
		return;
	}
	call->session->events_from = events_next(call->source->events);
}

const struct command command_events = {
	.name = "events",
	.usage = "",
	.help = "the lines of the logs of parent and keeper as they come, until the client ends",
	.run = run_events,
};
