/* admin/plan.c: what could be spread better, and nodes that could be emptied, as a proposal. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "admin/command.h"

#define PRESET        "dot-product"
#define SOLVER_MAX_MS 70000u /* more than any deadline of ours */

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
		output_format(out, " %s\n", m->why);
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
	output_format(out, ",\"why\":\"%s\"}", m->why);
	p->comma = ",\n";
}

static void
print_fewest(const struct printer *p, const struct scaler_fewest *f)
{
	bool is_known = !isnan(f->bound);

	if (p->json) {
		output_text(p->out, ",\"fewest\":{\"why\":");
		output_json(p->out, f->why);
		output_format(p->out, ",\"found\":%" PRIu32 ",\"bound\":", f->used);
		if (is_known)
			output_format(p->out, "%.0f", f->bound);
		else
			output_text(p->out, "null");
		output_format(p->out, ",\"took_ms\":%" PRIu64 "}", f->took_ms);
		return;
	}
	if (f->why[0] != '\0') {
		output_text(p->out, "fewest: not known, ");
		output_plain(p->out, f->why);
	} else if (f->used == 0) {
		output_text(p->out, "fewest: not found");
	} else {
		output_format(p->out, "fewest: %" PRIu32 " found", f->used);
	}
	if (f->why[0] == '\0' && is_known)
		output_format(p->out, ", at least %.0f", f->bound);
	if (f->why[0] == '\0' && is_known && f->used > 0 && f->bound > 0)
		output_format(p->out, ", gap %.1f %%", 100 * (f->used - f->bound) / f->bound);
	output_format(p->out, ", in %" PRIu64 " ms\n", f->took_ms);
}

static void
print_end(const struct printer *p, const struct scaler_plan *plan, const struct scaler_fewest *f)
{
	if (!p->json)
		output_format(p->out, "nodes in use: %" PRIu32 ", after it: %" PRIu32 "\n", plan->used,
			      plan->used_after);
	else
		output_format(p->out, "],\"nodes_used\":%" PRIu32 ",\"nodes_after\":%" PRIu32,
			      plan->used, plan->used_after);
	if (f != NULL)
		print_fewest(p, f);
	if (p->json)
		output_text(p->out, "}\n");
}

static void
print_plan(struct command_call *call, const char *scheduler, const struct scaler_fewest *f)
{
	struct printer p = {.out = call->out, .json = call->json, .comma = ""};
	struct scaler_plan plan = {.used = 0};
	int r = 0;

	output_text(call->out, call->json ? "{\"moves\":[" : "# service backend from to why\n");
	if (call->source->scaler != NULL)
		r = scaler_plan(call->source->scaler, scheduler, print_move, &p, &plan);
	if (r == -TG_ENOENT)
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "no scheduler \"%.64s\" that needs no options", scheduler);
	else if (r < 0)
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
	else
		print_end(&p, &plan, f);
}

/* A solver has its deadline: it answers. */
static bool
look(struct command_call *call)
{
	const struct command_wait *wait = &call->session->wait;
	struct scaler_fewest fewest = {.why = "it was not waited for", .bound = NAN};

	if (call->source->scaler != NULL && !scaler_fewest(call->source->scaler, &fewest) &&
	    !wait->is_late)
		return false;
	print_plan(call, wait->target, &fewest);
	return true;
}

static void
run(const struct command *c, struct command_call *call)
{
	static const struct scaler_fewest no_process = {.why = "no process for it", .bound = NAN};
	const char *scheduler = call->n > 0 ? call->arguments[0] : PRESET;
	struct command_wait *wait;
	int r;

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	r = call->source->scaler != NULL ? scaler_ask_fewest(call->source->scaler, scheduler)
					 : -TG_ENOTSUP;
	if (r == -TG_ELIMIT) {
		command_fail(call, TG_COMMAND_LIMIT, "another plan of this kind is being made");
	} else if (r == 0) {
		wait = command_wait_for(call, SOLVER_MAX_MS, look);
		wait->is_looking = true;
		snprintf(wait->target, sizeof(wait->target), "%s", scheduler);
	} else if (r == -TG_ENOTSUP || r == -TG_ENOENT) {
		print_plan(call, scheduler, NULL);
	} else {
		print_plan(call, scheduler, &no_process);
	}
}

const struct command command_plan = {
	.name = "plan",
	.usage = "[SCHEDULER]",
	.help = "which moves would spread services better, and which empty nodes; nothing is done",
	.run = run,
};
