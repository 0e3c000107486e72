/* admin/show_nodes.c: places where backends can be started, and what they have left. */
#include <inttypes.h>

#include "admin/command.h"

struct printer {
	struct output *out;
	bool json;
	const char *comma;
};

static const char head[] = "# node state cpu cpu_free memory memory_free backends orphans labels reason\n";

/* Thousandths; what is not known is a '-'. */
static void
print_cpu(struct output *out, int64_t capacity, int64_t milli)
{
	if (capacity == 0)
		output_text(out, " -");
	else
		output_format(out, " %.3f", (double)milli / 1000);
}

static void
print_memory(struct output *out, int64_t capacity, int64_t bytes)
{
	if (capacity == 0)
		output_text(out, " -");
	else
		output_format(out, " %" PRId64, bytes);
}

static void
print_labels(struct output *out, const struct conf_labels *labels)
{
	output_text(out, labels->n > 0 ? " " : " -");
	for (size_t i = 0; i < labels->n; i++) {
		output_text(out, i > 0 ? "," : "");
		output_plain(out, labels->list[i].key);
		output_text(out, "=");
		output_plain(out, labels->list[i].text);
	}
}

static const char *
state_of(const struct scaler_node *node)
{
	if (node->is_departing)
		return "departing";
	return node->closed != NULL ? "closed" : "open";
}

static void
print_reason(struct output *out, const struct scaler_node *node)
{
	const char *reason = node->closed != NULL ? node->closed : node->note;

	output_text(out, " ");
	output_plain(out, reason[0] != '\0' || node->kept_for[0] != '\0' ? reason : "-");
	if (node->kept_for[0] == '\0')
		return;
	output_text(out, reason[0] != '\0' ? "; room is kept for " : "room is kept for ");
	output_plain(out, node->kept_for);
}

static void
print_text(struct output *out, const struct scaler_node *node)
{
	output_plain(out, node->name);
	output_format(out, " %s", state_of(node));
	print_cpu(out, node->cpu_milli, node->cpu_milli);
	print_cpu(out, node->cpu_milli, node->free_cpu_milli);
	print_memory(out, node->memory_bytes, node->memory_bytes);
	print_memory(out, node->memory_bytes, node->free_memory_bytes);
	output_format(out, " %" PRIu32 " %" PRIu32, node->backends, node->orphans);
	print_labels(out, node->labels);
	print_reason(out, node);
	output_text(out, "\n");
}

static void
json_number(struct output *out, const char *key, bool is_known, int64_t value)
{
	if (is_known)
		output_format(out, ",\"%s\":%" PRId64, key, value);
	else
		output_format(out, ",\"%s\":null", key);
}

static void
json_labels(struct output *out, const struct conf_labels *labels)
{
	output_text(out, ",\"labels\":{");
	for (size_t i = 0; i < labels->n; i++) {
		output_text(out, i > 0 ? "," : "");
		output_json(out, labels->list[i].key);
		output_text(out, ":");
		output_json(out, labels->list[i].text);
	}
	output_text(out, "}");
}

static void
print_json(struct output *out, const struct scaler_node *node)
{
	bool has_cpu = node->cpu_milli != 0;
	bool has_memory = node->memory_bytes != 0;

	output_text(out, "{\"node\":");
	output_json(out, node->name);
	output_format(out, ",\"open\":%s,\"departing\":%s",
		      node->closed == NULL && !node->is_departing ? "true" : "false",
		      node->is_departing ? "true" : "false");
	json_number(out, "cpu_milli", has_cpu, node->cpu_milli);
	json_number(out, "cpu_free_milli", has_cpu, node->free_cpu_milli);
	json_number(out, "memory", has_memory, node->memory_bytes);
	json_number(out, "memory_free", has_memory, node->free_memory_bytes);
	json_number(out, "backends", true, node->backends);
	json_number(out, "orphans", true, node->orphans);
	json_labels(out, node->labels);
	output_text(out, ",\"reason\":");
	output_json(out, node->closed != NULL ? node->closed : "");
	output_text(out, ",\"note\":");
	output_json(out, node->note);
	output_text(out, ",\"kept_for\":");
	output_json(out, node->kept_for);
	output_text(out, "}");
}

static void
print_node(void *user, const struct scaler_node *node)
{
	struct printer *p = user;

	if (!p->json) {
		print_text(p->out, node);
		return;
	}
	output_text(p->out, p->comma);
	print_json(p->out, node);
	p->comma = ",\n";
}

static void
run(const struct command *c, struct command_call *call)
{
	struct printer p = {.out = call->out, .json = call->json, .comma = ""};

	if (!command_has_none(c, call))
		return;
	output_text(call->out, call->json ? "[" : head);
	if (call->source->scaler != NULL &&
	    scaler_nodes(call->source->scaler, print_node, &p) < 0) {
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
		return;
	}
	if (call->json)
		output_text(call->out, "]\n");
}

const struct command command_show_nodes = {
	.name = "show nodes",
	.usage = "",
	.help = "places where backends can be started: what they have, what is left, what is there; and containers of ours that nobody has",
	.run = run,
};
