/* admin/decisions.c: why there are as many backends as there are, from the records of decisions. */
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "autoscale/record.h"

#define SHOWN_N 10u

static void
run_explain(const struct command *c, struct command_call *call)
{
	size_t service;
	char *record;
	char *text;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_scaled(call, call->arguments[0], &service))
		return;
	record = scaler_last_record(call->source->scaler, (unsigned)service);
	if (record == NULL) {
		command_fail(call, TG_COMMAND_NOT_FOUND, "nothing is decided for \"%.128s\" yet",
			     call->arguments[0]);
		return;
	}
	if (call->json) {
		output_text(call->out, record);
		output_text(call->out, "\n");
	} else if ((text = record_explain(record, strlen(record))) != NULL) {
		output_text(call->out, text);
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
	.usage = "SERVICE",
	.help = "why it has as many backends as it has: the last decision",
	.run = run_explain,
};

const struct command command_show_decisions = {
	.name = "show decisions",
	.usage = "SERVICE [N]",
	.help = "the last decisions on a service, the newest last; 10",
	.run = run_decisions,
};
