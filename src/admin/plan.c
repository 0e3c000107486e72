/* admin/plan.c: nodes that could be emptied, as a proposal. */
#include <inttypes.h>

#include "admin/command.h"

#define PRESET "dot-product"

struct printer {
	struct output *out;
	bool json;
	const char *comma;
};

static void
print_move(void *user, const struct scaler_move *m)
{
	struct printer *p = user;
	struct output *out = p->out;

	if (!p->json) {
		output_plain(out, m->service);
		output_format(out, " %s ", m->backend);
		output_plain(out, m->from);
		output_text(out, " ");
		output_plain(out, m->to);
		output_text(out, "\n");
		return;
	}
	output_text(out, p->comma);
	output_text(out, "{\"service\":");
	output_json(out, m->service);
	output_text(out, ",\"backend\":");
	output_json(out, m->backend);
	output_text(out, ",\"from\":");
	output_json(out, m->from);
	output_text(out, ",\"to\":");
	output_json(out, m->to);
	output_text(out, "}");
	p->comma = ",\n";
}

static void
print_end(const struct printer *p, const struct scaler_plan *plan)
{
	if (p->json)
		output_format(p->out, "],\"nodes_used\":%" PRIu32 ",\"nodes_after\":%" PRIu32 "}\n",
			      plan->used, plan->used_after);
	else
		output_format(p->out, "nodes in use: %" PRIu32 ", after it: %" PRIu32 "\n", plan->used,
			      plan->used_after);
}

static void
run(const struct command *c, struct command_call *call)
{
	struct printer p = {.out = call->out, .json = call->json, .comma = ""};
	const char *scheduler = call->n > 0 ? call->arguments[0] : PRESET;
	struct scaler_plan plan = {.used = 0};
	int r = 0;

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	output_text(call->out, call->json ? "{\"moves\":[" : "# service backend from to\n");
	if (call->source->scaler != NULL)
		r = scaler_plan(call->source->scaler, scheduler, print_move, &p, &plan);
	if (r == -TG_ENOENT)
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "no scheduler \"%.64s\" that needs no options", scheduler);
	else if (r < 0)
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
	else
		print_end(&p, &plan);
}

const struct command command_plan = {
	.name = "plan",
	.usage = "[SCHEDULER]",
	.help = "which nodes could be emptied, and by which moves; nothing is done",
	.run = run,
};
