/* admin/set_server.c: one property of one backend, by HAProxy's command. */
#include <stdio.h>
#include <string.h>

#include "admin/weight.h"

static void
set_state(struct command_call *call, const struct steer_target *target, const char *text)
{
	for (unsigned i = 0; i < TG_BACKEND_ADMIN_COUNT; i++) {
		if (strcmp(text, steer_admin_str((enum backend_admin)i)) == 0) {
			steer_set_admin(target, (enum backend_admin)i);
			return;
		}
	}
	command_fail(call, TG_COMMAND_VALUE, "state \"%.64s\" is not one of ready, drain, maint",
		     text);
}

static void
set_limit(struct command_call *call, const struct steer_target *target, const char *text)
{
	uint64_t value;

	if (command_number(call, text, TG_ORDER_LIMIT_MAX, "maxconn", &value))
		steer_set_limit(target, (uint32_t)value);
}

static void
set_check_port(struct command_call *call, const struct steer_target *target, const char *text)
{
	uint64_t value;

	if (command_number(call, text, UINT16_MAX, "the port", &value))
		steer_set_check_port(target, (uint16_t)value);
}

/* "ADDRESS" alone keeps the port; "ADDRESS:PORT" and "unix:/path" are whole. */
static bool
parse_addr(struct command_call *call, const char *text, uint16_t port, struct addr *ret)
{
	struct endpoint endpoint;
	struct err err;
	char whole[TG_ADDR_STRLEN];
	struct ip ip;

	if (ip_parse(text, strlen(text), &ip) == 0) {
		if (port == 0) {
			command_fail(call, TG_COMMAND_VALUE, "\"%.64s\" needs a port behind it",
				     text);
			return false;
		}
		snprintf(whole, sizeof(whole), ip_is_v4(&ip) ? "%s:%u" : "[%s]:%u", text, port);
		text = whole;
	}
	if (endpoint_parse(text, 0, &endpoint, &err) == 0) {
		*ret = endpoint.addr;
		return true;
	}
	command_fail(call, TG_COMMAND_VALUE, "%s", err.text);
	return false;
}

static void
set_addr(struct command_call *call, const struct steer_target *target, const char *text,
	 const char *port_text)
{
	const struct conf_service *service = &call->source->conf->services[target->service];
	const struct conf_backend *backend = &service->backends[target->backend];
	const struct health_status *status =
		health_status(call->source->health, target->service, target->backend);
	uint64_t port = status->has_addr ? addr_port(&status->addr) : 0;
	struct addr addr;

	if (conf_backend_has_name(backend)) {
		command_fail(call, TG_COMMAND_CONFLICT, "where \"%.128s\" is, its name says",
			     backend->name);
		return;
	}
	if (port_text != NULL && !command_number(call, port_text, UINT16_MAX, "the port", &port))
		return;
	if (!parse_addr(call, text, (uint16_t)port, &addr))
		return;
	steer_set_addr(target, &addr);
}

typedef void set_value(struct command_call *call, const struct steer_target *target,
		       const char *text);

static const struct property {
	const char *name;
	set_value *set;
} properties[] = {
	{"check-port", set_check_port},
	{"maxconn", set_limit},
	{"state", set_state},
	{"weight", weight_order},
};

static void
run(const struct command *c, struct command_call *call)
{
	const char *const *words = call->arguments;
	struct steer_target target;

	if (call->n < 3) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_backend(call, words[0], &target))
		return;
	if (strcmp(words[1], "addr") == 0 &&
	    (call->n == 3 || (call->n == 5 && strcmp(words[3], "port") == 0))) {
		set_addr(call, &target, words[2], call->n == 5 ? words[4] : NULL);
		return;
	}
	for (size_t i = 0; call->n == 3 && i < sizeof(properties) / sizeof(properties[0]); i++) {
		if (strcmp(words[1], properties[i].name) == 0) {
			properties[i].set(call, &target, words[2]);
			return;
		}
	}
	command_fail_usage(c, call);
}

const struct command command_set_server = {
	.name = "set server",
	.usage = "SERVICE/BACKEND weight N|N%, state ready|drain|maint, maxconn N, "
		 "addr ADDRESS [port N], or check-port N; [why WORDS]",
	.help = "order one property of a backend",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
};
