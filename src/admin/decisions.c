/* admin/decisions.c: why there are as many backends as there are, from the records of decisions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "autoscale/record.h"

#define SHOWN_N 10u

/* Whole seconds, rounded up. */
static uint64_t
seconds(uint64_t ms)
{
	return ms / 1000 + (ms % 1000 != 0);
}

static void
print_mode(struct output *out, enum scaler_mode mode)
{
	static const char *const what[TG_SCALER_MODE_COUNT] = {
		[TG_SCALER_ON] = "",
		[TG_SCALER_PAUSED] = "the number stays",
		[TG_SCALER_DRY_RUN] = "decisions are told, and nothing is done",
	};

	if (mode != TG_SCALER_ON)
		output_format(out, "  mode: %s: %s\n", scaler_mode_str(mode), what[mode]);
}

/* What is asked for cannot be started. */
static void
print_failures(struct command_call *call, const struct scaler_status *st)
{
	struct output *out = call->out;
	int64_t now_ms = (int64_t)(call->source->now.us / 1000);
	const struct fleet_failures *f = &st->failures;

	if (f->name[0] == '\0')
		return;
	output_format(out, "  starts: %u failed in a row; the last one that did: %s, %" PRIu64 " s ago: ",
		      f->in_row, f->name, now_ms > f->at_ms ? (uint64_t)(now_ms - f->at_ms) / 1000 : 0);
	output_plain(out, f->why);
	output_text(out, "\n");
	if (f->in_row > 0 && st->retry_ms > 0)
		output_format(out, "  next start: in %" PRIu64 " s at the earliest\n",
			      seconds(st->retry_ms));
	else if (f->in_row > 0)
		output_text(out, "  next start: now\n");
	output_format(out, "  requests: %" PRIu64 " refused with 503 while starts failed%s\n",
		      st->refused, st->is_refusing && f->in_row > 0 ? ", and those that come" : "");
}

/* What no decision is about: the number stays. */
static void
print_present(struct command_call *call, unsigned service)
{
	struct scaler_status st;

	if (!scaler_status(call->source->scaler, service, &st))
		return;
	print_mode(call->out, st.mode);
	if (st.list_failure[0] != '\0') {
		output_text(call->out, "  provider: cannot list what runs: ");
		output_plain(call->out, st.list_failure);
		output_text(call->out, "\n");
	}
	print_failures(call, &st);
	if (st.is_refusing && st.failures.in_row == 0)
		output_text(call->out, "  requests: those that come are refused with 503: "
				       "none is ready, and none will be started\n");
}

/* Before a provider has told what runs, nothing is decided. */
static void
fail_undecided(struct command_call *call, unsigned service)
{
	struct scaler_status st;
	bool is_unlisted = scaler_status(call->source->scaler, service, &st) &&
			   st.list_failure[0] != '\0';

	command_fail(call, TG_COMMAND_NOT_FOUND, "nothing is decided for \"%.128s\" yet%s%s",
		     call->arguments[0], is_unlisted ? ": its provider cannot list what runs: " : "",
		     is_unlisted ? st.list_failure : "");
}

static void
print_node(void *user, const struct scaler_verdict *verdict)
{
	struct output *out = user;

	output_text(out, "    ");
	output_plain(out, verdict->node);
	output_text(out, ": ");
	output_plain(out, verdict->text);
	output_text(out, "\n");
}

/* Nor what is decided and has no place yet. */
static void
print_waiting(struct command_call *call, unsigned service)
{
	struct output *out = call->out;
	char next[TG_NODE_NAME] = "";
	struct scaler_status st;

	if (!scaler_status(call->source->scaler, service, &st) || st.counts.waiting == 0)
		return;
	output_format(out, "  waiting: %u for room on a node\n", st.counts.waiting);
	if (scaler_next_place(call->source->scaler, service, print_node, out, next) < 0)
		output_text(out, "    no memory to say why\n");
}

/* Where others could decide too. */
static void
print_leader(struct command_call *call, unsigned service)
{
	struct scaler_status st;

	if (!scaler_status(call->source->scaler, service, &st) || st.instance[0] == '\0')
		return;
	output_format(call->out, "  instance: %s %s; leader %s, epoch %" PRIu64 ", others %" PRIu64 "\n",
		      st.instance, store_authority_str(st.authority),
		      st.leader[0] != '\0' ? st.leader : "-", st.epoch, st.others);
}

static void
print_plan_line(void *user, const char *text)
{
	struct output *out = user;

	output_plain(out, text);
	output_text(out, "\n");
}

struct plan_lines {
	struct output *out;
	const char *comma;
};

static void
print_plan_json(void *user, const char *text)
{
	struct plan_lines *lines = user;

	output_text(lines->out, lines->comma);
	output_json(lines->out, text);
	lines->comma = ",\n";
}

static void
explain_table(struct command_call *call, unsigned service)
{
	struct plan_lines lines = {.out = call->out, .comma = "["};
	int r;

	r = call->json ? scaler_show_plan(call->source->scaler, service, print_plan_json, &lines)
		       : scaler_show_plan(call->source->scaler, service, print_plan_line, call->out);
	if (r == 0 && call->json)
		output_text(call->out, "]\n");
	if (r == -TG_ENOTSUP)
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "the module of \"%.128s\" has no table; one that has: planner",
			     call->arguments[0]);
	else if (r < 0)
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "no plan is made for \"%.128s\" yet: requests are missing to learn from",
			     call->arguments[0]);
}

static void
run_explain(const struct command *c, struct command_call *call)
{
	bool is_table = call->n == 2 && strcmp(call->arguments[1], "--table") == 0;
	struct scaler_status st;
	size_t service;
	char *record;
	char *text;

	if (call->n != 1 && !is_table) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_scaled(call, call->arguments[0], &service))
		return;
	if (scaler_status(call->source->scaler, (unsigned)service, &st) &&
	    st.authority == TG_STORE_FOLLOWS) {
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "\"%.128s\" is decided by %s (epoch %" PRIu64 "): ask there",
			     call->arguments[0], st.leader, st.epoch);
		return;
	}
	if (is_table) {
		explain_table(call, (unsigned)service);
		return;
	}
	record = scaler_last_record(call->source->scaler, (unsigned)service);
	if (record == NULL) {
		fail_undecided(call, (unsigned)service);
		return;
	}
	if (call->json) {
		output_text(call->out, record);
		output_text(call->out, "\n");
	} else if ((text = record_explain(record, strlen(record))) != NULL) {
		output_text(call->out, text);
		print_leader(call, (unsigned)service);
		print_present(call, (unsigned)service);
		print_waiting(call, (unsigned)service);
		free(text);
	} else {
		command_fail(call, TG_COMMAND_LIMIT, "no memory for the text");
	}
	free(record);
}

struct printer {
	struct command_call *call;
	const char *comma;
};

static void
print_record(void *user, const char *json)
{
	struct printer *p = user;
	struct output *out = p->call->out;
	char *line;

	if (p->call->json) {
		output_text(out, p->comma);
		output_text(out, json);
		p->comma = ",\n";
		return;
	}
	line = record_line(json, strlen(json));
	output_plain(out, line != NULL ? line : json);
	output_text(out, "\n");
	free(line);
}

static void
run_decisions(const struct command *c, struct command_call *call)
{
	struct printer p = {.call = call, .comma = ""};
	uint64_t n = SHOWN_N;
	size_t service;

	if (call->n != 1 && call->n != 2) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_scaled(call, call->arguments[0], &service) ||
	    (call->n == 2 && !command_number(call, call->arguments[1], TG_STORE_RECORDS_MAX, "number", &n)))
		return;
	output_text(call->out, call->json ? "[" : "");
	store_decisions(call->source->store, call->arguments[0], n, print_record,
			&p);
	output_text(call->out, call->json ? "]\n" : "");
}

const struct command command_explain = {
	.name = "explain",
	.usage = "SERVICE [--table]",
	.help = "why it has as many backends as it has: the last decision, its mode, starts that fail, and "
		"what waits for a node; with --table what its module keeps at each load (planner)",
	.run = run_explain,
};

const struct command command_show_decisions = {
	.name = "show decisions",
	.usage = "SERVICE [N]",
	.help = "the last decisions on a service, the newest last; 10",
	.run = run_decisions,
};
