/* admin/show_autoscale.c: services that are scaled: what is wanted, what there is, and why. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "admin/command.h"
#include "steer/scales.h"

/* One service. */
struct view {
	struct command_call *call;
	unsigned service;
	struct scaler_status status;
	uint64_t by_state[TG_FLEET_STATE_COUNT];
	const char *comma;
};

static void
count_member(void *user, const struct fleet_member *m)
{
	struct view *v = user;

	if (m->state < TG_FLEET_STATE_COUNT)
		v->by_state[m->state]++;
}

/* False: it is not scaled. */
static bool
look(struct view *v, struct command_call *call, size_t service)
{
	const struct scaler *scaler = call->source->scaler;

	*v = (struct view){.call = call, .service = (unsigned)service, .comma = ""};
	if (scaler == NULL || !scaler_status(scaler, v->service, &v->status))
		return false;
	if (v->status.fleet != NULL)
		fleet_walk(v->status.fleet, count_member, v);
	return true;
}

static const char *
name_of(const struct view *v)
{
	return v->call->source->conf->services[v->service].name;
}

static const struct steer_order *
order_of(const struct view *v, enum steer_scale what)
{
	return steer_scales_get(steer_scales(v->call->source->steer), v->service, what);
}

/* Milliseconds since then, on the clock of the scaler. */
static uint64_t
age_ms(const struct view *v, int64_t since_ms)
{
	int64_t now_ms = (int64_t)(v->call->source->now.us / 1000);

	return now_ms > since_ms ? (uint64_t)(now_ms - since_ms) : 0;
}

static const char *
address_of(const struct fleet_member *m, char *buf, size_t size)
{
	return m->has_addr ? addr_format(&m->addr, buf, size) : "-";
}

/*** Text ***/

static const char list_head[] = "# service mode number desired proposed ready pending down "
				"draining min max failures guard\n";

static void
print_number(struct output *out, const struct scaler_status *st)
{
	if (st->has_manual)
		output_number(out, st->manual);
	else
		output_text(out, "auto");
}

static void
print_row(const struct view *v)
{
	struct output *out = v->call->out;
	const struct scaler_status *st = &v->status;

	output_text(out, name_of(v));
	output_format(out, " %s ", scaler_mode_str(st->mode));
	print_number(out, st);
	output_format(out,
		      " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
		      " %" PRIu32 " %" PRIu32 " %u %s\n",
		      st->desired, st->proposed, st->counts.ready, st->counts.pending,
		      st->counts.down, st->counts.draining, st->min, st->max, st->failures.in_row,
		      st->guard != NULL ? st->guard : "-");
}

/* Behind what is ordered; nothing where nothing is. */
static void
print_author(struct output *out, const struct steer_order *order)
{
	char when[32];

	if (order->value[0] != '\0') {
		log_time(when, sizeof(when), order->note.when);
		output_format(out, " %s by %s%s%s", when, order->note.who,
			      order->note.why[0] != '\0' ? ": " : "", order->note.why);
	}
	output_text(out, "\n");
}

static void
print_member(void *user, const struct fleet_member *m)
{
	struct view *v = user;
	char address[TG_ADDR_STRLEN];

	output_format(v->call->out, "%s %s %" PRIu64 " %s %" PRId64 "\n", m->name,
		      fleet_state_str(m->state), age_ms(v, m->since_ms) / 1000,
		      address_of(m, address, sizeof(address)), m->in_flight);
}

static void
print_orders(const struct view *v)
{
	struct output *out = v->call->out;

	output_format(out, "mode: %s", scaler_mode_str(v->status.mode));
	print_author(out, order_of(v, TG_STEER_SCALE_MODE));
	output_text(out, "number: ");
	print_number(out, &v->status);
	print_author(out, order_of(v, TG_STEER_SCALE_NUMBER));
}

static void
print_counts(const struct view *v)
{
	const struct scaler_status *st = &v->status;
	struct output *out = v->call->out;

	output_format(out,
		      "desired: %" PRIu32 "\nproposed: %" PRIu32 "\nmin: %" PRIu32
		      "\nmax: %" PRIu32 "\n",
		      st->desired, st->proposed, st->min, st->max);
	for (unsigned i = 0; i < TG_FLEET_STATE_COUNT; i++)
		output_format(out, "%s: %" PRIu64 "\n", fleet_state_str(i), v->by_state[i]);
	output_format(out,
		      "failures: %u\nretry_ms: %" PRIu64 "\nstarts: %" PRIu64
		      "\nstart_failures: %" PRIu64 "\ndecisions: %" PRIu64 "\nups: %" PRIu64
		      "\ndowns: %" PRIu64 "\n",
		      st->failures.in_row, st->retry_ms, st->starts, st->start_failures, st->decisions,
		      st->ups, st->downs);
}

/*** What its backends do ***/

/* By name and place in a sample. */
static const struct figure_column {
	const char *name;
	size_t at;
} figures[] = {
	{"in_flight", offsetof(struct backend_sample, in_flight)},
	{"arrivals", offsetof(struct backend_sample, arrivals)},
	{"completions", offsetof(struct backend_sample, completions)},
	{"errors", offsetof(struct backend_sample, errors)},
	{"service_time", offsetof(struct backend_sample, service_time)},
	{"service_p50", offsetof(struct backend_sample, service_p50)},
	{"service_p95", offsetof(struct backend_sample, service_p95)},
	{"service_p99", offsetof(struct backend_sample, service_p99)},
	{"cpu", offsetof(struct backend_sample, cpu)},
	{"memory", offsetof(struct backend_sample, memory)},
};
#define N_FIGURES (sizeof(figures) / sizeof(figures[0]))

/* `unknown` for what is not known. */
static void
print_figure(struct output *out, const struct backend_sample *sample,
	     const struct figure_column *column, const char *unknown)
{
	double value;

	memcpy(&value, (const char *)sample + column->at, sizeof(value));
	if (isnan(value))
		output_text(out, unknown);
	else
		output_format(out, "%.4g", value);
}

static void
print_samples(const struct view *v)
{
	const struct conf_service *conf = &v->call->source->conf->services[v->service];
	const struct backend_sample *samples =
		scaler_samples(v->call->source->scaler, v->service);
	struct output *out = v->call->out;

	output_text(out, "# backend");
	for (size_t i = 0; i < N_FIGURES; i++)
		output_format(out, " %s", figures[i].name);
	output_text(out, "\n");
	for (size_t j = 0; samples != NULL && j < conf->n_backends; j++) {
		output_text(out, conf->backends[j].name);
		for (size_t i = 0; i < N_FIGURES; i++) {
			output_text(out, " ");
			print_figure(out, &samples[j], &figures[i], "-");
		}
		output_text(out, "\n");
	}
}

static void
json_samples(const struct view *v)
{
	const struct conf_service *conf = &v->call->source->conf->services[v->service];
	const struct backend_sample *samples =
		scaler_samples(v->call->source->scaler, v->service);
	struct output *out = v->call->out;

	output_text(out, ",\"backends\":[");
	for (size_t j = 0; samples != NULL && j < conf->n_backends; j++) {
		output_text(out, j > 0 ? ",\n{\"name\":" : "{\"name\":");
		output_json(out, conf->backends[j].name);
		for (size_t i = 0; i < N_FIGURES; i++) {
			output_format(out, ",\"%s\":", figures[i].name);
			print_figure(out, &samples[j], &figures[i], "null");
		}
		output_text(out, "}");
	}
	output_text(out, "]");
}

/*** Text of one ***/

static void
print_failure(const struct view *v)
{
	const struct fleet_failures *f = &v->status.failures;
	struct output *out = v->call->out;

	output_text(out, "last_failure: ");
	if (f->name[0] == '\0') {
		output_text(out, "-");
	} else {
		output_format(out, "%s %" PRIu64 " s ago: ", f->name, age_ms(v, f->at_ms) / 1000);
		output_plain(out, f->why);
	}
	output_format(out, "\nrefused: %" PRIu64 "\n", v->status.refused);
	if (v->status.list_failure[0] != '\0') {
		output_text(out, "list: cannot list what runs: ");
		output_plain(out, v->status.list_failure);
		output_text(out, "\n");
	}
}

static void
print_lead(const struct view *v)
{
	const struct scaler_status *st = &v->status;

	if (st->instance[0] == '\0')
		return;
	output_format(v->call->out, "\ninstance: %s %s\nleader: %s\nepoch: %" PRIu64 "\nothers: %" PRIu64,
		      st->instance, store_authority_str(st->authority),
		      st->leader[0] != '\0' ? st->leader : "-", st->epoch, st->others);
}

static void
print_text(struct view *v)
{
	const struct scaler_status *st = &v->status;
	const struct store *store = v->call->source->store;
	struct output *out = v->call->out;

	output_text(out, "service: ");
	output_text(out, name_of(v));
	output_format(out, "\nmodule: %s\nprovider: %s\n", st->module, st->provider);
	print_orders(v);
	print_counts(v);
	print_failure(v);
	output_text(out, "reason: ");
	output_plain(out, st->reason[0] != '\0' ? st->reason : "-");
	output_format(out, "\nguard: %s\nstore: %s ", st->guard != NULL ? st->guard : "-",
		      store_kind(store));
	output_plain(out, store_is_well(store) ? "well" : store_why(store));
	print_lead(v);
	output_text(out, "\n# member state seconds address in_flight\n");
	if (st->fleet != NULL)
		fleet_walk(st->fleet, print_member, v);
	print_samples(v);
}

/*** JSON ***/

static void
json_text(struct output *out, const char *before, const char *key, const char *value)
{
	output_format(out, "%s\"%s\":", before, key);
	output_json(out, value);
}

static void
json_number(struct output *out, const char *key, uint64_t value)
{
	output_format(out, ",\"%s\":%" PRIu64, key, value);
}

static void
json_member(void *user, const struct fleet_member *m)
{
	struct view *v = user;
	struct output *out = v->call->out;
	char address[TG_ADDR_STRLEN];

	output_text(out, v->comma);
	json_text(out, "{", "name", m->name);
	json_text(out, ",", "state", fleet_state_str(m->state));
	json_number(out, "state_ms", age_ms(v, m->since_ms));
	if (m->has_addr)
		json_text(out, ",", "address", address_of(m, address, sizeof(address)));
	output_format(out, ",\"in_flight\":%" PRId64 "}", m->in_flight);
	v->comma = ",\n";
}

/* Null where the autoscaler decides. */
static void
json_orders(const struct view *v)
{
	static const char *const keys[TG_STEER_SCALE_COUNT] = {
		[TG_STEER_SCALE_NUMBER] = "number_order",
		[TG_STEER_SCALE_MODE] = "mode_order",
	};
	struct output *out = v->call->out;

	json_text(out, ",", "mode", scaler_mode_str(v->status.mode));
	output_text(out, ",\"number\":");
	if (v->status.has_manual)
		output_number(out, v->status.manual);
	else
		output_text(out, "null");
	for (unsigned i = 0; i < TG_STEER_SCALE_COUNT; i++) {
		const struct steer_order *order = order_of(v, (enum steer_scale)i);
		struct conf_note note = {.who = order->note.who,
					 .why = order->note.why,
					 .when_us = order->note.when.us};

		if (order->value[0] == '\0')
			continue;
		output_format(out, ",\"%s\":", keys[i]);
		command_print_note(out, &note);
	}
}

static void
json_counts(const struct view *v)
{
	const struct scaler_status *st = &v->status;
	struct output *out = v->call->out;

	json_number(out, "desired", st->desired);
	json_number(out, "proposed", st->proposed);
	json_number(out, "min", st->min);
	json_number(out, "max", st->max);
	json_number(out, "ready", st->counts.ready);
	json_number(out, "pending", st->counts.pending);
	json_number(out, "down", st->counts.down);
	json_number(out, "draining", st->counts.draining);
	json_number(out, "failures", st->failures.in_row);
	json_number(out, "retry_ms", st->retry_ms);
	json_number(out, "starts", st->starts);
	json_number(out, "start_failures", st->start_failures);
	json_number(out, "decisions", st->decisions);
	json_number(out, "ups", st->ups);
	json_number(out, "downs", st->downs);
}

/* Null: no start, or the last list, has not failed. */
static void
json_failure(const struct view *v)
{
	const struct fleet_failures *f = &v->status.failures;
	struct output *out = v->call->out;

	output_text(out, ",\"last_failure\":");
	if (f->name[0] == '\0') {
		output_text(out, "null");
	} else {
		json_text(out, "{", "name", f->name);
		json_number(out, "ago_ms", age_ms(v, f->at_ms));
		json_text(out, ",", "reason", f->why);
		output_text(out, "}");
	}
	json_number(out, "refused", v->status.refused);
	output_format(out, ",\"refusing\":%s", v->status.is_refusing ? "true" : "false");
	if (v->status.list_failure[0] != '\0')
		json_text(out, ",", "list_failure", v->status.list_failure);
	else
		output_text(out, ",\"list_failure\":null");
}

static void
json_states(const struct view *v)
{
	struct output *out = v->call->out;

	output_text(out, ",\"states\":{");
	for (unsigned i = 0; i < TG_FLEET_STATE_COUNT; i++)
		output_format(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", fleet_state_str(i),
			      v->by_state[i]);
	output_text(out, "}");
}

static void
json_guards(const struct view *v)
{
	struct output *out = v->call->out;

	json_text(out, ",", "reason", v->status.reason);
	output_text(out, ",\"guard\":");
	if (v->status.guard != NULL)
		output_json(out, v->status.guard);
	else
		output_text(out, "null");
	output_text(out, ",\"by_guard\":{");
	for (unsigned i = 0; i < TG_GUARD_COUNT; i++)
		output_format(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", guard_str(i),
			      v->status.by_guard[i]);
	output_text(out, "}");
}

static void
json_store(const struct view *v)
{
	const struct store *store = v->call->source->store;
	struct output *out = v->call->out;

	json_text(out, ",\"store\":{", "kind", store_kind(store));
	output_format(out, ",\"well\":%s", store_is_well(store) ? "true" : "false");
	json_text(out, ",", "why", store_why(store));
	output_text(out, "}");
}

/* Null: there is nobody else. */
static void
json_lead(const struct view *v)
{
	const struct scaler_status *st = &v->status;
	struct output *out = v->call->out;

	if (st->instance[0] == '\0') {
		output_text(out, ",\"lead\":null");
		return;
	}
	json_text(out, ",\"lead\":{", "instance", st->instance);
	json_text(out, ",", "role", store_authority_str(st->authority));
	json_text(out, ",", "leader", st->leader);
	json_number(out, "epoch", st->epoch);
	json_number(out, "others", st->others);
	output_text(out, "}");
}

static void
print_json(struct view *v)
{
	struct output *out = v->call->out;

	json_text(out, "{", "service", name_of(v));
	json_text(out, ",", "module", v->status.module);
	json_text(out, ",", "provider", v->status.provider);
	json_orders(v);
	json_counts(v);
	json_failure(v);
	json_states(v);
	json_guards(v);
	json_store(v);
	json_lead(v);
	output_text(out, ",\"members\":[");
	if (v->status.fleet != NULL)
		fleet_walk(v->status.fleet, json_member, v);
	output_text(out, "]");
	json_samples(v);
	output_text(out, "}");
}

/*** The command ***/

static void
print_one(struct command_call *call)
{
	struct view v;
	size_t service;

	if (!command_find_scaled(call, call->arguments[0], &service) || !look(&v, call, service))
		return;
	if (!call->json) {
		print_text(&v);
		return;
	}
	output_text(call->out, "[");
	print_json(&v);
	output_text(call->out, "]\n");
}

static void
print_all(struct command_call *call)
{
	const char *comma = "";

	output_text(call->out, call->json ? "[" : list_head);
	for (size_t i = 0; i < call->source->conf->n_services; i++) {
		struct view v;

		if (!look(&v, call, i))
			continue;
		if (!call->json) {
			print_row(&v);
			continue;
		}
		output_text(call->out, comma);
		print_json(&v);
		comma = ",\n";
	}
	if (call->json)
		output_text(call->out, "]\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	if (call->n > 1)
		command_fail_usage(c, call);
	else if (call->n == 1)
		print_one(call);
	else
		print_all(call);
}

const struct command command_show_autoscale = {
	.name = "show autoscale",
	.usage = "[SERVICE]",
	.help = "services that are scaled: what is wanted, what there is, and why",
	.run = run,
};
