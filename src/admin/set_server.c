/* admin/set_server.c: one property of one backend, by HAProxy's command. */
#include <stdio.h>
#include <string.h>

#include "admin/command.h"

/* "ADDRESS" alone keeps the port, unless there is "port N"; others are whole. */
static bool
complete_addr(struct command_call *call, const struct steer_target *target, const char *text,
	      const char *port_text, char *buf, size_t size)
{
	const struct health_status *status =
		health_status(call->source->health, target->service, target->backend);
	uint64_t port = status->has_addr ? addr_port(&status->addr) : 0;
	struct ip ip;

	if (port_text != NULL && !command_number(call, port_text, UINT16_MAX, "the port", &port))
		return false;
	if (ip_parse(text, strlen(text), &ip) < 0) {
		snprintf(buf, size, "%s", text);
		return true;
	}
	if (port == 0) {
		command_fail(call, TG_COMMAND_VALUE, "\"%.64s\" needs a port behind it", text);
		return false;
	}
	snprintf(buf, size, ip_is_v4(&ip) ? "%s:%u" : "[%s]:%u", text, (unsigned)port);
	return true;
}

static void
set_addr(const struct command *c, struct command_call *call, const struct steer_target *target)
{
	const char *const *words = call->arguments;
	const char *port = NULL;
	char text[TG_STEER_VALUE_SIZE];

	if (call->n == 5 && strcmp(words[3], "port") == 0)
		port = words[4];
	else if (call->n != 3) {
		command_fail_usage(c, call);
		return;
	}
	if (complete_addr(call, target, words[2], port, text, sizeof(text)))
		command_order(call, target, TG_STEER_ADDR, text);
}

static void
run(const struct command *c, struct command_call *call)
{
	const char *const *words = call->arguments;
	struct steer_target target;
	enum steer_property property;

	if (call->n < 3 || !steer_property_find(words[1], &property)) {
		command_fail_usage(c, call);
		return;
	}
	if (!command_find_backend(call, words[0], &target))
		return;
	if (property == TG_STEER_ADDR)
		set_addr(c, call, &target);
	else if (call->n == 3)
		command_order(call, &target, property, words[2]);
	else
		command_fail_usage(c, call);
}

const struct command command_set_server = {
	.name = "set server",
	.usage = "SERVICE/BACKEND weight N|N%, state ready|drain|maint, maxconn N, "
		 "addr ADDRESS [port N], check-port N, or checks on|off; [why WORDS]",
	.help = "order one property of a backend",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
};
