/* admin/set_cert.c: another certificate in the place of one that runs, by HAProxy's commands. */
#include <string.h>

#include "admin/reload.h"

static void
ask(const struct command *c, struct command_call *call, enum reload_what what, const char *text,
    const char *done)
{
	struct reload_order order = {.what = what, .service = "", .text = text};

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	order.backend = call->arguments[0];
	reload_ask(call, &order, done);
}

/* What operators send has no end that C knows. */
static void
run_set(const struct command *c, struct command_call *call)
{
	struct output text;

	if (call->payload == NULL) {
		command_fail(
			call, TG_COMMAND_USAGE,
			"a payload is wanted: `set cert FILE <<`, then certificate, chain and key in PEM, then "
			"an empty line");
		return;
	}
	output_init(&text, TG_RELOAD_ORDER_MAX);
	output_add(&text, call->payload, call->payload_n);
	output_add(&text, "", 1);
	if (text.is_full)
		command_fail(call, TG_COMMAND_LIMIT, "the certificate has more than %u bytes",
			     TG_RELOAD_ORDER_MAX);
	else
		ask(c, call, RELOAD_SET_CERTIFICATE, text.bytes, NULL);
	if (text.bytes != NULL)
		explicit_bzero(text.bytes, text.n);
	output_fini(&text);
}

static void
run_commit(const struct command *c, struct command_call *call)
{
	ask(c, call, RELOAD_COMMIT_CERTIFICATE, "", "Success!");
}

static void
run_abort(const struct command *c, struct command_call *call)
{
	ask(c, call, RELOAD_ABORT_CERTIFICATE, "", NULL);
}

const struct command command_set_cert = {
	.name = "set cert",
	.usage = "FILE <<",
	.help = "certificate, chain and key (PEM, as payload) in the place of those of FILE, at the next commit",
	.rights = TG_RIGHTS_ADMIN,
	.takes_payload = true,
	.run = run_set,
};

const struct command command_set_ssl_cert = {
	.name = "set ssl cert",
	.usage = "FILE <<",
	.help = "the same as `set cert`",
	.rights = TG_RIGHTS_ADMIN,
	.takes_payload = true,
	.run = run_set,
};

const struct command command_commit_cert = {
	.name = "commit cert",
	.usage = "FILE [why WORDS]",
	.help = "new connections get what was set, until FILE changes or the next reload",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_commit,
};

const struct command command_commit_ssl_cert = {
	.name = "commit ssl cert",
	.usage = "FILE [why WORDS]",
	.help = "the same as `commit cert`",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_commit,
};

const struct command command_abort_cert = {
	.name = "abort cert",
	.usage = "FILE",
	.help = "forget what was set",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_abort,
};

const struct command command_abort_ssl_cert = {
	.name = "abort ssl cert",
	.usage = "FILE",
	.help = "the same as `abort cert`",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_abort,
};
