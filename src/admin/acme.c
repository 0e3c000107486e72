/* admin/acme.c: certificates by ACME: what came of them, runs by order, and what authorities are answered. */
#include "acme/acme.h"

#include "admin/command.h"
#include "base/log.h"

/*** show acme ***/

static void
print_time(struct output *out, struct wall t)
{
	char text[32];

	(void)log_time(text, sizeof(text), t);
	if (t.us != 0)
		output_format(out, "%.19sZ", text);
	else
		output_text(out, "-");
}

static void
print_text(struct output *out, const struct acme_status *s)
{
	output_plain(out, s->name);
	output_format(out, " %s ", acme_state_str(s->state));
	print_time(out, s->facts.is_there ? s->facts.to : (struct wall){0});
	output_text(out, " ");
	print_time(out, s->next);
	output_format(out, " %llu %llu ", (unsigned long long)s->done,
		      (unsigned long long)s->failed);
	print_time(out, s->done_at);
	output_text(out, " ");
	output_plain(out, s->why[0] != '\0' ? s->why : "-");
	output_text(out, " ");
	output_plain(out, s->error[0] != '\0' ? s->error : "-");
	output_text(out, "\n");
}

static void
print_json_time(struct output *out, const char *key, struct wall t)
{
	output_format(out, ",\"%s\":", key);
	if (t.us == 0) {
		output_text(out, "null");
		return;
	}
	output_text(out, "\"");
	print_time(out, t);
	output_text(out, "\"");
}

static void
print_json(struct output *out, const struct acme_status *s, bool is_first)
{
	output_text(out, is_first ? "[{\"name\":" : ",\n{\"name\":");
	output_json(out, s->name);
	output_format(out, ",\"state\":\"%s\"", acme_state_str(s->state));
	print_json_time(out, "not_after", s->facts.is_there ? s->facts.to : (struct wall){0});
	print_json_time(out, "next", s->next);
	output_format(out, ",\"done\":%llu,\"failed\":%llu", (unsigned long long)s->done,
		      (unsigned long long)s->failed);
	print_json_time(out, "done_at", s->done_at);
	output_text(out, ",\"why\":");
	output_json(out, s->why);
	output_text(out, ",\"error\":");
	if (s->error[0] != '\0')
		output_json(out, s->error);
	else
		output_text(out, "null");
	print_json_time(out, "error_at", s->error[0] != '\0' ? s->error_at : (struct wall){0});
	output_text(out, "}");
}

static void
run_show(const struct command *c, struct command_call *call)
{
	const struct acme *acme = call->source->acme;
	struct output *out = call->out;
	size_t n = acme_count(acme);
	struct acme_status status;

	if (!command_has_none(c, call))
		return;
	if (!call->json)
		output_text(out, "# name state not_after next done failed done_at why error\n");
	for (size_t i = 0; i < n; i++) {
		acme_status(acme, i, &status);
		if (call->json)
			print_json(out, &status, i == 0);
		else
			print_text(out, &status);
	}
	if (call->json)
		output_text(out, n > 0 ? "]\n" : "[]\n");
}

/*** Orders ***/

static void
fail(struct command_call *call, int rc, const struct err *err)
{
	enum command_error code = TG_COMMAND_VALUE;

	if (rc == -TG_ENOENT)
		code = TG_COMMAND_NOT_FOUND;
	else if (rc == -TG_ELIMIT)
		code = TG_COMMAND_LIMIT;
	command_fail(call, code, "%s", err->text);
}

static void
run_run(const struct command *c, struct command_call *call)
{
	struct err err;
	int rc;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	rc = acme_run(call->source->acme, call->arguments[0], &err);
	if (rc < 0)
		fail(call, rc, &err);
}

static void
run_set(const struct command *c, struct command_call *call)
{
	struct err err;
	int rc;

	if (call->n != 2) {
		command_fail_usage(c, call);
		return;
	}
	rc = acme_set_challenge(call->source->acme, call->arguments[0], call->arguments[1], &err);
	if (rc < 0)
		fail(call, rc, &err);
}

static void
run_del(const struct command *c, struct command_call *call)
{
	struct err err;
	int rc;

	if (call->n != 1) {
		command_fail_usage(c, call);
		return;
	}
	rc = acme_del_challenge(call->source->acme, call->arguments[0], &err);
	if (rc < 0)
		fail(call, rc, &err);
}

const struct command command_show_acme = {
	.name = "show acme",
	.usage = "",
	.help = "certificates by ACME: state, when each ends, when its command is run next, its last failure",
	.run = run_show,
};

const struct command command_acme_run = {
	.name = "acme run",
	.usage = "NAME",
	.help = "run the command that gets this certificate, as soon as it can be",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_run,
};

const struct command command_set_acme_challenge = {
	.name = "set acme-challenge",
	.usage = "TOKEN KEY-AUTHORIZATION",
	.help = "what an authority that asks for this token is answered, for an hour at most",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_set,
};

const struct command command_del_acme_challenge = {
	.name = "del acme-challenge",
	.usage = "TOKEN",
	.help = "answer it no more",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_del,
};
