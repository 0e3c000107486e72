/* admin/add_server.c: backends that come and go while tidegate runs, by HAProxy's commands. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/reload.h"
#include "admin/removable.h"

#define ENTRY_MAX 8192u

/* What is said of a new server. */
struct entry {
	const char *name;
	const char *address;
	bool is_backup;
	bool is_enabled;
	uint64_t weight; /* UINT64_MAX: not said */
	uint64_t limit;
};

/* The word at *i, and those it takes; false: fails. */
static bool
take_word(struct command_call *call, size_t *i, struct entry *entry)
{
	const char *word = call->arguments[*i];
	const char *value = *i + 1 < call->n ? call->arguments[*i + 1] : "";

	if (strcmp(word, "check") == 0 || strcmp(word, "disabled") == 0)
		return true; /* as it is anyway */
	if (strcmp(word, "enabled") == 0)
		return entry->is_enabled = true;
	if (strcmp(word, "backup") == 0)
		return entry->is_backup = true;
	(*i)++;
	if (strcmp(word, "weight") == 0)
		return command_number(call, value, TG_ORDER_WEIGHT_MAX, "the weight",
				      &entry->weight);
	if (strcmp(word, "maxconn") == 0)
		return command_number(call, value, TG_ORDER_LIMIT_MAX, "maxconn", &entry->limit);
	command_fail(call, TG_COMMAND_VALUE,
		     "\"%.64s\" cannot be said of a new server; allowed: check, enabled, disabled, "
		     "backup, weight N, maxconn N; the rest is its service's",
		     word);
	return false;
}

/* One of several slots would be several servers, which nobody could name. */
static bool
is_one_place(struct command_call *call, const char *address)
{
	struct endpoint endpoint;
	struct err err;

	if (endpoint_parse(address, TG_ENDPOINT_NAMES, &endpoint, &err) < 0) {
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
		return false;
	}
	if (endpoint.kind != TG_ENDPOINT_SRV)
		return true;
	command_fail(call, TG_COMMAND_VALUE,
		     "\"%.64s\" is several servers: it belongs into the configuration", address);
	return false;
}

/* In quotes, as the configuration has it. */
static void
add_quoted(struct output *out, const char *s)
{
	output_text(out, "\"");
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			output_text(out, "\\");
		if (s[0] == '$' && s[1] == '{')
			output_text(out, "$");
		output_add(out, s, 1);
	}
	output_text(out, "\"");
}

static void
write_entry(struct output *out, const struct entry *entry)
{
	output_text(out, "name = ");
	add_quoted(out, entry->name);
	output_text(out, "; address = ");
	add_quoted(out, entry->address);
	output_text(out, ";");
	if (entry->weight != UINT64_MAX)
		output_format(out, " weight = %" PRIu64 ";", entry->weight);
	if (entry->limit != 0)
		output_format(out, " max_connections = %" PRIu64 ";", entry->limit);
	if (entry->is_backup)
		output_text(out, " backup = true;");
	output_add(out, "", 1);
}

static void
ask_new(struct command_call *call, const char *service, const struct entry *entry)
{
	struct reload_order order = {
		.what = RELOAD_ADD, .service = service, .backend = entry->name};
	struct output text;

	output_init(&text, ENTRY_MAX);
	write_entry(&text, entry);
	order.text = text.bytes;
	order.is_enabled = entry->is_enabled;
	if (text.is_full)
		command_fail(call, TG_COMMAND_LIMIT, "too long an address or a name");
	else
		reload_ask(call, &order, "New server registered.");
	output_fini(&text);
}

/* The service of a server that is not there yet. */
static bool
find_place(struct command_call *call, const char *target, const char **ret_service,
	   const char **ret_name)
{
	const char *slash = strchr(target, '/');
	const struct conf_service *service;
	char name[256];
	size_t i;

	if (slash == NULL || slash[1] == '\0' || (size_t)(slash - target) >= sizeof(name)) {
		command_fail(call, TG_COMMAND_VALUE,
			     "\"%.128s\" is not of the form SERVICE/BACKEND", target);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(slash - target), target);
	if (!command_find_service(call, name, &i))
		return false;
	service = &call->source->conf->services[i];
	for (size_t j = 0; j < service->n_backends; j++) {
		if (strcmp(service->backends[j].name, slash + 1) != 0 &&
		    strcmp(service->backends[j].entry_name, slash + 1) != 0)
			continue;
		command_fail(call, TG_COMMAND_CONFLICT, "\"%.128s\" is there already", target);
		return false;
	}
	*ret_service = service->name;
	*ret_name = slash + 1;
	return true;
}

static void
run_add(const struct command *c, struct command_call *call)
{
	struct entry entry = {.weight = UINT64_MAX};
	const char *service;

	if (call->n < 2) {
		command_fail_usage(c, call);
		return;
	}
	entry.address = call->arguments[1];
	for (size_t i = 2; i < call->n; i++) {
		if (!take_word(call, &i, &entry))
			return;
	}
	if (find_place(call, call->arguments[0], &service, &entry.name) &&
	    is_one_place(call, entry.address))
		ask_new(call, service, &entry);
}

const struct command command_add_server = {
	.name = "add server",
	.usage = "SERVICE/BACKEND ADDRESS [enabled] [backup] [weight N] [maxconn N] [check] "
		 "[why WORDS]",
	.help = "a new backend, in maintenance until `enable server`",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_add,
};

/* Out of use already. */
static void
ask_delete(struct command_call *call, const char *target)
{
	const struct conf *conf = call->source->conf;
	struct reload_order order = {.what = RELOAD_DELETE, .text = ""};
	struct steer_target t;

	if (!command_find_backend(call, target, &t))
		return;
	order.service = conf->services[t.service].name;
	order.backend = conf->services[t.service].backends[t.backend].name;
	reload_ask(call, &order, "Server deleted.");
}

/* Deletes it when nothing runs on it any more; then the answer is the parent's. */
static bool
go_on_drained(struct command_call *call)
{
	const struct command_wait *wait = &call->session->wait;
	enum removable removable = removable_look(call, wait->target);
	bool (*before)(struct command_call *) = wait->go_on;

	if (removable == TG_REMOVABLE_BUSY && !wait->is_late)
		return false;
	if (removable == TG_REMOVABLE_BUSY)
		removable_fail_busy(call, TG_COMMAND_TIMEOUT, wait->target);
	if (removable != TG_REMOVABLE_YES)
		return true;
	ask_delete(call, wait->target);
	return wait->go_on == before;
}

/* What maintenance or a drain before has said stays. */
static bool
put_out_of_use(struct command_call *call, const struct steer_target *t)
{
	const struct backend_order *order = &steer_get(t->steer, t->service, t->backend)->order;
	struct err err;

	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin != TG_ADMIN_READY)
		return true;
	if (steer_set(t, TG_STEER_STATE, "drain", &call->note, &err) == 0)
		return true;
	command_fail(call, TG_COMMAND_CONFLICT, "%s", err.text);
	return false;
}

/* Longer than the deadline: what is cut ends a moment later. */
#define CUT_MS 5000u

static void
drain(struct command_call *call, const char *target, const char *deadline)
{
	const struct admin_actions *actions = &call->source->actions;
	uint64_t ms = call->source->conf->shutdown_grace_ms;
	struct command_wait *wait;
	struct steer_target t;
	struct err err;

	if (deadline != NULL && conf_duration_parse(deadline, &ms, &err) < 0) {
		command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
		return;
	}
	if (ms > TG_ADMIN_WAIT_MAX_MS) {
		command_fail(call, TG_COMMAND_VALUE, "the deadline is more than an hour away");
		return;
	}
	if (!removable_find(call, target, &t) || !put_out_of_use(call, &t))
		return;
	if (deadline != NULL && actions->cut(actions->user, t.service, t.backend, ms) < 0) {
		command_fail(call, TG_COMMAND_LIMIT, "no memory");
		return;
	}
	wait = command_wait_for(call, deadline != NULL ? ms + CUT_MS : ms, go_on_drained);
	wait->is_looking = true;
	snprintf(wait->target, sizeof(wait->target), "%s", target);
}

static void
run_del(const struct command *c, struct command_call *call)
{
	const char *const *words = call->arguments;
	bool is_drain = call->n >= 2 && strcmp(words[1], "drain") == 0;
	bool has_deadline = call->n == 4 && strcmp(words[2], "deadline") == 0;
	enum removable removable;

	if (call->n != 1 && !(is_drain && (call->n == 2 || has_deadline))) {
		command_fail_usage(c, call);
		return;
	}
	if (strlen(words[0]) >= TG_ADMIN_TARGET_SIZE) {
		command_fail(call, TG_COMMAND_NOT_FOUND, "no backend \"%.128s\"", words[0]);
		return;
	}
	if (is_drain) {
		drain(call, words[0], has_deadline ? words[3] : NULL);
		return;
	}
	removable = removable_look(call, words[0]);
	if (removable == TG_REMOVABLE_BUSY)
		removable_fail_busy(call, TG_COMMAND_CONFLICT, words[0]);
	else if (removable == TG_REMOVABLE_YES)
		ask_delete(call, words[0]);
}

const struct command command_del_server = {
	.name = "del server",
	.usage = "SERVICE/BACKEND [drain [deadline TIME]] [why WORDS]",
	.help = "a backend that is out of use and has no streams goes, or is drained first",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_del,
};
