/* admin/show_placement.c: where backends are, and where the next one would go, or why nowhere. */
#include <inttypes.h>

#include "admin/command.h"

/* One service. */
struct view {
	struct command_call *call;
	unsigned service;
	const char *comma;
	char next[TG_NODE_NAME];
};

static const char *
name_of(const struct view *v)
{
	return v->call->source->conf->services[v->service].name;
}

static const char *
node_of(const struct fleet_member *m)
{
	return m->has_node && m->node[0] != '\0' ? m->node : NULL;
}

/*** Text ***/

/* As it is, and if it waits whether room is kept for it. */
static const char *
state_of(const struct fleet_member *m)
{
	if (!m->is_waiting)
		return fleet_state_str(m->state);
	return m->nominated[0] != '\0' ? "nominated" : "waiting";
}

static const char head[] = "# service backend state node\n";

static void
print_member(void *user, const struct fleet_member *m)
{
	struct view *v = user;
	struct output *out = v->call->out;
	const char *node = m->nominated[0] != '\0' ? m->nominated : node_of(m);

	output_text(out, name_of(v));
	output_format(out, " %s %s ", m->name, state_of(m));
	output_plain(out, node != NULL ? node : "-");
	output_text(out, "\n");
}

static void
print_verdict(void *user, const struct scaler_verdict *verdict)
{
	struct view *v = user;
	struct output *out = v->call->out;

	output_text(out, "  ");
	output_plain(out, verdict->node);
	output_text(out, ": ");
	output_plain(out, verdict->text);
	if (verdict->orphans > 0)
		output_format(out, "; orphans there: %" PRIu32, verdict->orphans);
	output_text(out, "\n");
}

static int
print_text(struct view *v, const struct scaler_status *status)
{
	struct output *out = v->call->out;
	int r;

	fleet_walk(status->fleet, print_member, v);
	output_text(out, name_of(v));
	output_format(out, " next by %s\n", v->call->source->conf->services[v->service].scheduler);
	r = scaler_next_place(v->call->source->scaler, v->service, print_verdict, v, v->next);
	output_text(out, "  -> ");
	output_plain(out, v->next[0] != '\0' ? v->next : "nowhere");
	output_text(out, "\n");
	return r;
}

/*** JSON ***/

static void
json_member(void *user, const struct fleet_member *m)
{
	struct view *v = user;
	struct output *out = v->call->out;

	output_text(out, v->comma);
	output_text(out, "{\"backend\":");
	output_json(out, m->name);
	output_format(out, ",\"state\":\"%s\",\"waiting\":%s,\"node\":", fleet_state_str(m->state),
		      m->is_waiting ? "true" : "false");
	if (node_of(m) != NULL)
		output_json(out, node_of(m));
	else
		output_text(out, "null");
	output_text(out, ",\"nominated\":");
	if (m->nominated[0] != '\0')
		output_json(out, m->nominated);
	else
		output_text(out, "null");
	output_text(out, "}");
	v->comma = ",\n";
}

static void
json_verdict(void *user, const struct scaler_verdict *verdict)
{
	struct view *v = user;
	struct output *out = v->call->out;

	output_text(out, v->comma);
	output_text(out, "{\"node\":");
	output_json(out, verdict->node);
	output_text(out, ",\"why\":");
	output_json(out, verdict->text);
	output_format(out, ",\"orphans\":%" PRIu32 "}", verdict->orphans);
	v->comma = ",";
}

static int
print_json(struct view *v, const struct scaler_status *status)
{
	struct output *out = v->call->out;
	int r;

	output_text(out, "{\"service\":");
	output_json(out, name_of(v));
	output_text(out, ",\"scheduler\":");
	output_json(out, v->call->source->conf->services[v->service].scheduler);
	output_text(out, ",\"backends\":[");
	v->comma = "";
	fleet_walk(status->fleet, json_member, v);
	output_text(out, "],\"nodes\":[");
	v->comma = "";
	r = scaler_next_place(v->call->source->scaler, v->service, json_verdict, v, v->next);
	output_text(out, "],\"next\":");
	if (v->next[0] != '\0')
		output_json(out, v->next);
	else
		output_text(out, "null");
	output_text(out, "}");
	return r;
}

/*** The command ***/

/* False: it has no nodes. */
static bool
print_one(struct command_call *call, unsigned service, int *ret_rc)
{
	const struct scaler *scaler = call->source->scaler;
	struct view v = {.call = call, .service = service, .comma = ""};
	struct scaler_status status;

	if (scaler == NULL || !scaler_has_nodes(scaler, service) ||
	    !scaler_status(scaler, service, &status) || status.fleet == NULL)
		return false;
	*ret_rc = call->json ? print_json(&v, &status) : print_text(&v, &status);
	return true;
}

static void
print_all(struct command_call *call)
{
	size_t n = call->source->conf->n_services;
	bool is_first = true;
	int rc = 0;

	output_text(call->out, call->json ? "[" : head);
	for (size_t i = 0; i < n && rc == 0; i++) {
		size_t before = call->out->n;

		if (call->json && !is_first)
			output_text(call->out, ",\n");
		if (print_one(call, (unsigned)i, &rc))
			is_first = false;
		else
			output_cut(call->out, before);
	}
	if (rc < 0)
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
	else if (call->json)
		output_text(call->out, "]\n");
}

static void
print_named(struct command_call *call)
{
	size_t service;
	int rc = 0;

	if (!command_find_scaled(call, call->arguments[0], &service))
		return;
	output_text(call->out, call->json ? "[" : head);
	if (!print_one(call, (unsigned)service, &rc))
		command_fail(call, TG_COMMAND_CONFLICT,
			     "backends of \"%.128s\" are on no nodes: its provider has one place",
			     call->arguments[0]);
	else if (rc < 0)
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
	else if (call->json)
		output_text(call->out, "]\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	if (call->n > 1)
		command_fail_usage(c, call);
	else if (call->n == 1)
		print_named(call);
	else
		print_all(call);
}

const struct command command_show_placement = {
	.name = "show placement",
	.usage = "[SERVICE]",
	.help = "on which nodes backends are, where the next one would go, and why not elsewhere",
	.run = run,
};
