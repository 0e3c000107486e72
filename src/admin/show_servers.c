/*
 * admin/show_servers.c: the three columns of every backend: what is configured,
 * what is ordered (by operators, by its agent), what is observed; and what comes of them.
 *
 * As text it is the format of HAProxy's state files, version 1.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "admin/command.h"
#include "admin/show_votes.h"
#include "admin/stat.h"
#include "base/log.h"

/* HAProxy's numbers. */
enum op_state { OP_STOPPED = 0, OP_RUNNING = 2, OP_STOPPING = 3 };
#define ADMIN_FORCED_MAINT 0x01
#define ADMIN_FORCED_DRAIN 0x08
#define CHECK_CONFIGURED   0x02
#define CHECK_ENABLED      0x04
#define CHECK_PAUSED       0x08
#define CHECK_AGENT        0x10
enum check_verdict { VERDICT_UNKNOWN = 0, VERDICT_FAILED = 2, VERDICT_PASSED = 3 };

static const unsigned check_numbers[TG_CHECK_COUNT] = {
	[TG_CHECK_NONE] = 1,          [TG_CHECK_UNCHECKED] = 0,   [TG_CHECK_RESOLVE] = 5,
	[TG_CHECK_SOCKET] = 5,        [TG_CHECK_L4_OK] = 6,       [TG_CHECK_L4_TIMEOUT] = 7,
	[TG_CHECK_L4_REFUSED] = 8,    [TG_CHECK_L7_TIMEOUT] = 12, [TG_CHECK_L7_INVALID] = 13,
	[TG_CHECK_L7_OK] = 15,        [TG_CHECK_L7_STATUS] = 17,  [TG_CHECK_EXEC_FAIL] = 18,
	[TG_CHECK_EXEC_TIMEOUT] = 19, [TG_CHECK_EXEC_OK] = 20,
};

/* All there is of one backend. */
struct server {
	const struct admin_source *s;
	const struct conf_service *service;
	const struct conf_backend *conf;
	const struct health_status *health;
	const struct agent_status *agent; /* NULL: none */
	const struct steer_entry *steer;
	struct serving_state state;
	size_t i_service;
	size_t i_backend;
};

static struct server
server_of(const struct admin_source *s, size_t service, size_t backend)
{
	unsigned i = (unsigned)service;
	unsigned j = (unsigned)backend;

	return (struct server){
		.s = s,
		.service = &s->conf->services[service],
		.conf = &s->conf->services[service].backends[backend],
		.health = health_status(s->health, i, j),
		.agent = health_agent_status(s->health, i, j),
		.steer = steer_get(s->steer, i, j),
		.state = source_serving_state(s, service, backend),
		.i_service = service,
		.i_backend = backend,
	};
}

/* as HAProxy writes it */

static unsigned
admin_flags(const struct server *v)
{
	if ((v->steer->order.told & TG_ORDER_ADMIN) == 0)
		return 0;
	return v->steer->order.admin == TG_ADMIN_MAINT   ? ADMIN_FORCED_MAINT
	       : v->steer->order.admin == TG_ADMIN_DRAIN ? ADMIN_FORCED_DRAIN
							 : 0;
}

static enum op_state
op_state(const struct server *v)
{
	if (v->state.health != TG_HEALTH_UP || !v->state.has_addr)
		return OP_STOPPED;
	return serving_is_wanted(v->conf, &v->state) ? OP_RUNNING : OP_STOPPING;
}

static enum check_verdict
verdict_of(const struct server *v)
{
	if (!mono_is_set(v->health->last_end))
		return VERDICT_UNKNOWN;
	return check_result_is_pass(v->health->last.result) ? VERDICT_PASSED : VERDICT_FAILED;
}

static unsigned
check_flags(const struct server *v)
{
	if (v->service->health.type == TG_HEALTH_NONE)
		return 0;
	return CHECK_CONFIGURED | (v->steer->is_unchecked ? CHECK_PAUSED : CHECK_ENABLED);
}

static const char head[] =
	"# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
	"srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
	"srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
	"srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n";

static void
print_text(struct output *out, const struct server *v)
{
	const struct conf_endpoint *e = &v->conf->endpoint;
	const struct conf_health_check *check = &v->service->health;
	unsigned run = v->health->verdict.run;
	unsigned port = v->steer->check_port != 0 ? v->steer->check_port : check->port;
	char host[TG_ADDR_STRLEN];

	output_format(out, "%" PRIu32 " %s %zu %s %s %u %u ", source_service_id(v->s, v->i_service),
		      v->service->name, v->i_backend + 1, v->conf->name,
		      source_host(v->health, host, sizeof(host)), (unsigned)op_state(v),
		      admin_flags(v));
	output_format(out, "%" PRIu64 " %u %" PRIu64 " %u %u %u %u %u ",
		      stat_backend_weight(v->s, v->i_service, v->i_backend), v->conf->weight,
		      mono_diff_us(v->s->now, v->health->since) / 1000000,
		      check_numbers[v->health->last.result], (unsigned)verdict_of(v),
		      v->state.health == TG_HEALTH_UP ? check->rise + check->fall - 1 - run : run,
		      check_flags(v),
		      v->agent != NULL ? CHECK_CONFIGURED | CHECK_ENABLED | CHECK_AGENT : 0);
	output_format(out, "0 0 %s %u %s 0 %u - - %u\n",
		      e->kind == TG_ENDPOINT_NAME ? e->host : "-",
		      v->health->has_addr ? addr_port(&v->health->addr) : 0,
		      e->kind == TG_ENDPOINT_SRV ? e->host : "-", port, v->service->agent.port);
}

/* as JSON */

static void
print_text_member(struct output *out, const char *key, const char *value)
{
	output_format(out, ",\"%s\":", key);
	output_json(out, value);
}

static const char *
print_share(struct output *out, const char *comma, const char *key, double share)
{
	if (isnan(share))
		return comma;
	output_format(out, "%s\"%s\":%.4g", comma, key, share);
	return ",";
}

/* As long as it is good. */
static const char *
print_load(struct output *out, const struct server *v)
{
	const char *comma = "";
	double cpu;
	double memory;

	if (!health_agent_load(v->s->health, (unsigned)v->i_service, (unsigned)v->i_backend, &cpu,
			       &memory))
		return comma;
	comma = print_share(out, comma, "cpu", cpu);
	return print_share(out, comma, "memory", memory);
}

static void
print_agent(struct output *out, const struct server *v)
{
	const struct backend_order *order = &v->agent->order;
	const char *comma;

	output_text(out, ",\"agent\":{");
	comma = print_load(out, v);
	if ((order->told & TG_ORDER_ADMIN) != 0) {
		output_format(out, "%s\"state\":", comma);
		output_json(out, steer_admin_str((enum backend_admin)order->admin));
		comma = ",";
	}
	if ((order->told & TG_ORDER_WEIGHT) != 0) {
		if (order->weight != TG_ORDER_AS_CONF) {
			output_format(out, "%s\"weight\":%" PRIu32, comma, order->weight);
			comma = ",";
		}
		output_format(out, "%s\"weight_permille\":%" PRIu32, comma, order->weight_permille);
		comma = ",";
	}
	if ((order->told & TG_ORDER_LIMIT) != 0 && order->limit != TG_ORDER_AS_CONF) {
		output_format(out, "%s\"max_connections\":%" PRIu32, comma, order->limit);
		comma = ",";
	}
	if ((order->told & TG_ORDER_DOWN) != 0) {
		output_format(out, "%s\"down\":%s", comma, order->is_down != 0 ? "true" : "false");
		comma = ",";
	}
	if (agent_is_silent(v->agent))
		output_format(out, "%s\"silent_s\":%" PRIu64, comma,
			      mono_diff_us(v->s->now, v->agent->heard) / 1000000);
	output_text(out, "}");
}

static void
print_configured(struct output *out, const struct server *v)
{
	output_text(out, ",\"configured\":{\"address\":");
	output_json(out, v->conf->address_text);
	output_format(out, ",\"weight\":%u,\"backup\":%s,\"max_connections\":%u}", v->conf->weight,
		      v->conf->tier > 0 ? "true" : "false",
		      conf_backend_limit(v->service, v->conf));
}

static void
print_order(struct output *out, enum steer_property property, const struct steer_order *order)
{
	char text[32];

	output_format(out, "\"%s\":{\"value\":", steer_property_str(property));
	output_json(out, order->value);
	log_time(text, sizeof(text), order->note.when);
	print_text_member(out, "when", text);
	print_text_member(out, "who", order->note.who);
	print_text_member(out, "why", order->note.why);
	output_text(out, "}");
}

static void
print_administrative(struct output *out, const struct server *v)
{
	const char *comma = "";

	output_text(out, ",\"administrative\":{");
	if (v->conf->added.who != NULL) {
		output_text(out, "\"added\":");
		command_print_note(out, &v->conf->added);
		comma = ",";
	}
	for (unsigned i = 0; i < TG_STEER_PROPERTY_COUNT; i++) {
		if (v->steer->orders[i].value[0] == '\0')
			continue;
		output_text(out, comma);
		print_order(out, (enum steer_property)i, &v->steer->orders[i]);
		comma = ",";
	}
	output_text(out, "}");
	if (v->agent != NULL)
		print_agent(out, v);
}

static void
print_observed(struct output *out, const struct server *v)
{
	static const char *const words[TG_BACKEND_HEALTH_COUNT] = {
		[TG_HEALTH_CHECKING] = "checking",
		[TG_HEALTH_UP] = "up",
		[TG_HEALTH_DOWN] = "down",
	};
	char text[TG_ADDR_STRLEN];

	output_text(out, ",\"observed\":{\"state\":");
	output_json(out, words[v->state.health]);
	if (v->health->has_addr)
		print_text_member(out, "address",
				  addr_format(&v->health->addr, text, sizeof(text)));
	if (v->health->next != NULL)
		print_text_member(out, "moves_to",
				  addr_format(v->health->next, text, sizeof(text)));
	print_text_member(out, "check", check_result_str(v->health->last.result));
	print_text_member(out, "reason", v->health->last.text);
	output_format(out, ",\"seconds\":%" PRIu64,
		      mono_diff_us(v->s->now, v->health->since) / 1000000);
	if (v->service->health.share != TG_SHARE_OFF)
		show_votes_backend_json(out, v->s, v->service, v->conf, v->health);
	output_text(out, "}");
}

static void
print_json(struct output *out, const struct server *v)
{
	output_text(out, "{\"service\":");
	output_json(out, v->service->name);
	print_text_member(out, "backend", v->conf->name);
	print_configured(out, v);
	print_administrative(out, v);
	print_observed(out, v);
	output_format(
		out,
		",\"effective\":{\"wanted\":%s,\"weight\":%" PRIu64 ",\"max_connections\":%" PRIu32
		",\"in_flight\":%" PRIu64 "}}",
		serving_is_wanted(v->conf, &v->state) ? "true" : "false",
		stat_backend_weight(v->s, v->i_service, v->i_backend),
		serving_limit(v->service, v->conf, &v->state.order),
		source_in_flight(v->s, source_backend_slot(v->s, v->i_service, v->i_backend)));
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct conf *conf = call->source->conf;
	struct output *out = call->out;
	size_t first = 0;
	size_t end = conf->n_services;
	const char *comma = "";

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	if (call->n == 1) {
		if (!command_find_service(call, call->arguments[0], &first))
			return;
		end = first + 1;
	}
	output_text(out, call->json ? "[" : "1\n");
	if (!call->json)
		output_text(out, head);
	for (size_t i = first; i < end; i++) {
		for (size_t j = 0; j < conf->services[i].n_backends; j++) {
			struct server v = server_of(call->source, i, j);

			if (call->json) {
				output_text(out, comma);
				print_json(out, &v);
				comma = ",\n";
			} else {
				print_text(out, &v);
			}
		}
	}
	if (call->json)
		output_text(out, "]\n");
}

const struct command command_show_servers_state = {
	.name = "show servers state",
	.usage = "[SERVICE]",
	.help = "of each backend: what is configured, ordered and observed",
	.run = run,
};
