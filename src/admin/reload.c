/* admin/reload.c: the configuration anew, and how answers of the parent are told. */
#include "admin/reload.h"

#include <string.h>

#include "conf/compare.h"

/* The next line of a text that has some more; empty ones are left out, as one ends an answer. */
static bool
next_line(const char **at, const char *end, size_t *ret_n)
{
	const char *lf;

	while (*at < end && **at == '\n')
		(*at)++;
	if (*at == end)
		return false;
	lf = memchr(*at, '\n', (size_t)(end - *at));
	*ret_n = (size_t)((lf != NULL ? lf : end) - *at);
	return true;
}

static void
print_lines(struct output *out, const char *at, const char *end)
{
	size_t n;

	for (; next_line(&at, end, &n); at += n) {
		output_add(out, at, n);
		output_text(out, "\n");
	}
}

static bool
tells_nothing(const char *line, size_t n)
{
	return n == strlen(TG_CONF_SAME) && memcmp(line, TG_CONF_SAME, n) == 0;
}

/* A list of what is different is empty when nothing is. */
static void
print_json_lines(struct output *out, const char *at, const char *end)
{
	const char *comma = "";
	size_t n;

	output_text(out, "[");
	for (; next_line(&at, end, &n); at += n) {
		if (tells_nothing(at, n))
			continue;
		output_text(out, comma);
		output_json_bytes(out, at, n);
		comma = ",\n";
	}
	output_text(out, "]}\n");
}

static void
write_done(struct command_call *call, const struct command_wait *wait)
{
	const char *end = wait->text + wait->text_n;

	if (call->json) {
		output_text(call->out, "{\"done\":true,\"changes\":");
		print_json_lines(call->out, wait->text, end);
	} else if (wait->done != NULL) {
		output_text(call->out, wait->done);
		output_text(call->out, "\n");
	} else {
		print_lines(call->out, wait->text, end);
	}
}

/* The first line is the failure's own, the others stand behind it. */
static void
write_refused(struct command_call *call, const struct command_wait *wait)
{
	const char *end = wait->text + wait->text_n;
	const char *at = wait->text;
	size_t n;

	if (!next_line(&at, end, &n)) {
		command_fail(call, TG_COMMAND_REFUSED, "the parent does not say why");
		return;
	}
	command_fail(call, TG_COMMAND_REFUSED, "%.*s", (int)n, at);
	if (call->json) {
		output_cut(call->out, call->out->n - strlen("}\n"));
		output_text(call->out, ",\"errors\":");
		print_json_lines(call->out, wait->text, end);
	} else {
		print_lines(call->out, at + n, end);
	}
}

static bool
go_on(struct command_call *call)
{
	const struct command_wait *wait = &call->session->wait;

	if (wait->is_answered && wait->is_done)
		write_done(call, wait);
	else if (wait->is_answered)
		write_refused(call, wait);
	else if (wait->is_late)
		command_fail(call, TG_COMMAND_TIMEOUT,
			     "no answer within %u s; it may still be done: the log tells",
			     TG_ADMIN_RELOAD_MS / 1000);
	else
		return false;
	return true;
}

void
reload_ask(struct command_call *call, struct reload_order *order, const char *done)
{
	const struct admin_actions *actions = &call->source->actions;
	struct command_wait *wait;
	uint32_t id;
	int rc;

	order->who = call->note.who;
	order->why = call->note.why;
	order->when_us = call->note.when.us;
	rc = actions->reload(actions->user, order, &id);
	if (rc < 0) {
		command_fail(call, TG_COMMAND_LIMIT, "%s",
			     rc == -TG_ELIMIT
				     ? "too many changes are under way, or this is too long"
				     : "the parent cannot be told");
		return;
	}
	wait = command_wait_for(call, TG_ADMIN_RELOAD_MS, go_on);
	wait->reload = id;
	wait->done = done;
}

static void
ask_file(const struct command *c, struct command_call *call, enum reload_what what)
{
	struct reload_order order = {.what = what, .service = "", .backend = "", .text = ""};

	if (command_has_none(c, call))
		reload_ask(call, &order, NULL);
}

static void
run_reload(const struct command *c, struct command_call *call)
{
	ask_file(c, call, RELOAD_FILE);
}

static void
run_compare(const struct command *c, struct command_call *call)
{
	ask_file(c, call, RELOAD_COMPARE);
}

const struct command command_reload = {
	.name = "reload",
	.usage = "[why WORDS]",
	.help = "read the configuration file anew and go over to it, whole or not at all",
	.rights = TG_RIGHTS_ADMIN,
	.run = run_reload,
};

const struct command command_reload_dry = {
	.name = "reload --dry-run",
	.usage = "",
	.help = "what `reload` would change, or why it would not",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_compare,
};

const struct command command_reload_dry_run = {
	.name = "reload dry-run",
	.usage = "",
	.help = "the same as `reload --dry-run`",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_compare,
};
