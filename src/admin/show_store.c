/* admin/show_store.c: where samples and decisions are kept, who else is there, and who leads which service. */
#include <inttypes.h>

#include "admin/command.h"
#include "admin/show_votes.h"

/* One service that is scaled. */
struct led {
	const char *service;
	struct scaler_status status;
	const struct store_shared *shared; /* NULL: nothing was heard */
	uint64_t heard_ms;                 /* since then */
};

/* False: it is not scaled. */
static bool
look(const struct admin_source *s, size_t i, struct led *ret)
{
	const struct store_shared *shared;

	ret->service = s->conf->services[i].name;
	if (s->scaler == NULL || !scaler_status(s->scaler, (unsigned)i, &ret->status))
		return false;
	shared = store_shared(s->store, ret->service);
	ret->shared = shared != NULL && shared->is_heard ? shared : NULL;
	ret->heard_ms = ret->shared != NULL && s->now.us > shared->at.us
				? mono_diff_us(s->now, shared->at) / 1000
				: 0;
	return true;
}

static void
print_service(const struct led *led, struct output *out)
{
	const struct scaler_status *st = &led->status;

	output_text(out, led->service);
	output_format(out, " %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
		      store_authority_str(st->authority), st->leader[0] != '\0' ? st->leader : "-",
		      st->epoch, led->shared != NULL ? led->shared->version : 0, st->others);
	if (led->shared != NULL)
		output_number(out, led->heard_ms);
	else
		output_text(out, "-");
	output_text(out, "\n");
}

static const char *
state_of(const struct store_connection *c)
{
	return !c->is_known ? "new" : c->is_well ? "well" : "unwell";
}

static void
print_connection(void *user, const struct store_connection *c)
{
	struct output *out = user;

	output_format(out, "%s %s %s ", c->at[0] != '\0' ? c->at : "-", c->use, state_of(c));
	output_plain(out, c->why[0] != '\0' ? c->why : "-");
	output_text(out, "\n");
}

static void
print_text(const struct admin_source *s, struct output *out)
{
	const struct store *store = s->store;
	const char *instance = store_instance(store);
	struct store_counts counts = store_counts(store);

	output_format(out, "type: %s\nhealth: ", store_kind(store));
	output_plain(out, store_is_well(store) ? "well" : store_why(store));
	output_format(out, "\ninstance: %s\nmemory: %" PRIu64 "\nlag_us: %" PRIu64,
		      instance[0] != '\0' ? instance : "-", store_memory_used(store),
		      counts.last_us);
	output_format(out,
		      "\nflushes: %" PRIu64 "\nfailures: %" PRIu64 "\ndropped: %" PRIu64
		      "\nconnects: %" PRIu64 "\nexchanges: %" PRIu64 "\ntakeovers: %" PRIu64 "\n",
		      counts.flushes, counts.failures, counts.dropped, counts.connects,
		      counts.exchanges, counts.takeovers);
	output_text(out, "# connection use state why\n");
	store_connections(store, print_connection, out);
	output_text(out, "# service role leader epoch version others heard_ms\n");
	for (size_t i = 0; i < s->conf->n_services; i++) {
		struct led led;

		if (look(s, i, &led))
			print_service(&led, out);
	}
	show_votes_text(out, s);
}

static void
json_text(struct output *out, const char *before, const char *key, const char *value)
{
	output_format(out, "%s\"%s\":", before, key);
	output_json(out, value);
}

struct json_list {
	struct output *out;
	const char *before;
};

static void
json_connection(void *user, const struct store_connection *c)
{
	struct json_list *list = user;

	output_text(list->out, list->before);
	json_text(list->out, "{", "at", c->at);
	json_text(list->out, ",", "use", c->use);
	json_text(list->out, ",", "state", state_of(c));
	json_text(list->out, ",", "why", c->why);
	output_text(list->out, "}");
	list->before = ",";
}

static void
json_others(const struct store_shared *shared, struct output *out)
{
	output_text(out, ",\"others\":[");
	for (size_t i = 0; shared != NULL && i < shared->n_others; i++) {
		output_text(out, i > 0 ? "," : "");
		output_json(out, shared->others[i].instance);
	}
	output_text(out, "]");
}

static void
json_service(const struct led *led, const char *before, struct output *out)
{
	const struct scaler_status *st = &led->status;

	output_text(out, before);
	json_text(out, "{", "service", led->service);
	json_text(out, ",", "role", store_authority_str(st->authority));
	json_text(out, ",", "leader", st->leader);
	output_format(out, ",\"epoch\":%" PRIu64 ",\"version\":%" PRIu64, st->epoch,
		      led->shared != NULL ? led->shared->version : 0);
	json_others(led->shared, out);
	output_text(out, ",\"heard_ms\":");
	if (led->shared != NULL)
		output_number(out, led->heard_ms);
	else
		output_text(out, "null");
	output_text(out, "}");
}

static void
print_json(const struct admin_source *s, struct output *out)
{
	const struct store *store = s->store;
	struct store_counts counts = store_counts(store);
	struct json_list connections = {.out = out, .before = ""};
	const char *before = "";

	json_text(out, "{", "type", store_kind(store));
	output_format(out, ",\"well\":%s", store_is_well(store) ? "true" : "false");
	json_text(out, ",", "why", store_why(store));
	json_text(out, ",", "instance", store_instance(store));
	output_format(out,
		      ",\"memory\":%" PRIu64 ",\"lag_us\":%" PRIu64 ",\"flushes\":%" PRIu64
		      ",\"failures\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"connects\":%" PRIu64
		      ",\"exchanges\":%" PRIu64 ",\"takeovers\":%" PRIu64 ",\"connections\":[",
		      store_memory_used(store), counts.last_us, counts.flushes, counts.failures,
		      counts.dropped, counts.connects, counts.exchanges, counts.takeovers);
	store_connections(store, json_connection, &connections);
	output_text(out, "],\"services\":[");
	for (size_t i = 0; i < s->conf->n_services; i++) {
		struct led led;

		if (!look(s, i, &led))
			continue;
		json_service(&led, before, out);
		before = ",\n";
	}
	output_text(out, "]");
	show_votes_json(out, s);
	output_text(out, "}\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	if (call->n > 0)
		command_fail_usage(c, call);
	else if (call->source->store == NULL)
		command_fail(call, TG_COMMAND_NOT_FOUND, "there is no store yet");
	else if (call->json)
		print_json(call->source, call->out);
	else
		print_text(call->source, call->out);
}

const struct command command_show_store = {
	.name = "show store",
	.usage = "",
	.help = "where samples and decisions are kept, and who leads which service",
	.run = run,
};
