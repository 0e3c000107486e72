/* admin/commands.c: the list of commands, and from a line to their answers. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "base/log.h"

/* clang-format off: one a line */
const struct command *const commands[] = {
	&command_abort_cert,
	&command_abort_ssl_cert,
	&command_acme_run,
	&command_add_server,
	&command_autoscale,
	&command_clear_counters,
	&command_clear_counters_all,
	&command_commit_cert,
	&command_commit_ssl_cert,
	&command_del_acme_challenge,
	&command_del_server,
	&command_disable_health,
	&command_disable_server,
	&command_drain,
	&command_enable_health,
	&command_enable_server,
	&command_events,
	&command_explain,
	&command_get_weight,
	&command_help,
	&command_plan,
	&command_prompt,
	&command_quit,
	&command_reload,
	&command_reload_dry,
	&command_reload_dry_run,
	&command_save_config,
	&command_scale,
	&command_set_acme_challenge,
	&command_set_cert,
	&command_set_log_level,
	&command_set_maxconn_frontend,
	&command_set_maxconn_global,
	&command_set_maxconn_listener,
	&command_set_maxconn_server,
	&command_set_server,
	&command_set_ssl_cert,
	&command_set_timeout,
	&command_set_weight,
	&command_show_acme,
	&command_show_activity,
	&command_show_autoscale,
	&command_show_backend,
	&command_show_cert,
	&command_show_config,
	&command_show_decisions,
	&command_show_errors,
	&command_show_events,
	&command_show_hooks,
	&command_show_info,
	&command_show_latency,
	&command_show_nodes,
	&command_show_placement,
	&command_show_pools,
	&command_show_reasons,
	&command_show_servers_conn,
	&command_show_servers_state,
	&command_show_sess,
	&command_show_stat,
	&command_show_state,
	&command_show_store,
	&command_show_version,
	&command_shutdown,
	&command_shutdown_session,
	&command_shutdown_sessions,
	&command_undrain,
	&command_upgrade,
	&command_wait,
	NULL,
};
/* clang-format on */

static const char *const error_words[TG_COMMAND_ERROR_COUNT] = {
#define ERROR_WORD(id, word, help) [TG_COMMAND_##id] = word,
	TG_COMMAND_ERRORS(ERROR_WORD)
#undef ERROR_WORD
};

/* Where the answer under way begins: a failure replaces it, not those before it. */
static size_t
answer_start(const struct output *out)
{
	size_t n = out->n;

	while (n > 0 && !(n >= 2 && out->bytes[n - 1] == '\n' && out->bytes[n - 2] == '\n'))
		n--;
	return n;
}

static void
write_failure(struct output *out, bool json, enum command_error code, const char *text)
{
	output_cut(out, answer_start(out));
	if (!json) {
		output_format(out, "error %s: %s\n", error_words[code], text);
		return;
	}
	output_format(out, "{\"error\":\"%s\",\"text\":", error_words[code]);
	output_json(out, text);
	output_text(out, "}\n");
}

void
command_fail(struct command_call *call, enum command_error code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_failure(call->out, call->json, code, text);
}

void
command_refuse(struct output *out, enum command_error code, const char *text)
{
	write_failure(out, false, code, text);
	output_text(out, "\n");
}

void
command_fail_usage(const struct command *c, struct command_call *call)
{
	command_fail(call, TG_COMMAND_USAGE, "%s%s%s", c->name, c->usage[0] != '\0' ? " " : "",
		     c->usage);
}

bool
command_has_none(const struct command *c, struct command_call *call)
{
	if (call->n == 0)
		return true;
	command_fail_usage(c, call);
	return false;
}

bool
command_find_service(struct command_call *call, const char *name, size_t *ret)
{
	const struct conf_service *service = conf_find_service(call->source->conf, name);

	if (service != NULL) {
		*ret = service->index;
		return true;
	}
	command_fail(call, TG_COMMAND_NOT_FOUND,
		     "no service \"%.128s\"; \"show backend\" lists them", name);
	return false;
}

bool
command_find_scaled(struct command_call *call, const char *name, size_t *ret)
{
	if (!command_find_service(call, name, ret))
		return false;
	if (call->source->scaler != NULL && scaler_has(call->source->scaler, (unsigned)*ret) &&
	    conf_is_scaled(&call->source->conf->services[*ret]))
		return true;
	command_fail(call, TG_COMMAND_CONFLICT,
		     "service \"%.128s\" is not scaled; \"show autoscale\" lists those that are",
		     name);
	return false;
}

bool
command_find_listener(struct command_call *call, const char *name, uint32_t *ret)
{
	const struct conf *conf = call->source->conf;

	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (strcmp(conf->listeners[i].name, name) == 0) {
			*ret = (uint32_t)i;
			return true;
		}
	}
	command_fail(call, TG_COMMAND_NOT_FOUND,
		     "no listener \"%.128s\"; \"show stat -1 1 -1\" lists them", name);
	return false;
}

bool
command_find_backend(struct command_call *call, const char *text, struct steer_target *ret)
{
	const char *slash = strchr(text, '/');
	char service[256];
	size_t i;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(service)) {
		command_fail(call, TG_COMMAND_VALUE,
			     "\"%.128s\" is not of the form SERVICE/BACKEND", text);
		return false;
	}
	memcpy(service, text, (size_t)(slash - text));
	service[slash - text] = '\0';
	if (!command_find_service(call, service, &i))
		return false;
	if (steer_find(call->source->steer, service, slash + 1, ret))
		return true;
	command_fail(call, TG_COMMAND_NOT_FOUND,
		     "no backend \"%.128s\" in service \"%.64s\"; \"show servers state %.64s\" "
		     "lists them",
		     slash + 1, service, service);
	return false;
}

void
command_order(struct command_call *call, const struct steer_target *target,
	      enum steer_property property, const char *value)
{
	struct err err;
	int rc = steer_set(target, property, value, &call->note, &err);

	if (rc < 0)
		command_fail(call, rc == -TG_EEXIST ? TG_COMMAND_CONFLICT : TG_COMMAND_VALUE, "%s",
			     err.text);
}

bool
command_number(struct command_call *call, const char *text, uint64_t max, const char *what,
	       uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long long n = strtoull(text, NULL, 10);

	if (digits > 0 && digits <= 18 && text[digits] == '\0' && n <= max) {
		*ret = n;
		return true;
	}
	command_fail(call, TG_COMMAND_VALUE, "%s \"%.64s\" is not a number from 0 to %llu", what,
		     text, (unsigned long long)max);
	return false;
}

void
command_print_conf(struct command_call *call, const struct output *remarks, const struct conf *conf,
		   const struct conf_service *service)
{
	char *text = NULL;
	size_t n = 0;
	bool is_whole = remarks == NULL || !remarks->is_full;
	FILE *file = is_whole ? open_memstream(&text, &n) : NULL;

	if (file != NULL && remarks != NULL && remarks->n > 0)
		fwrite(remarks->bytes, 1, remarks->n, file);
	if (file != NULL && service != NULL)
		conf_print_service(service, file);
	else if (file != NULL)
		conf_print(conf, file);
	if (file == NULL || fclose(file) != 0) {
		free(text);
		command_fail(call, TG_COMMAND_LIMIT, "no memory for the text");
		return;
	}
	if (call->json) {
		output_text(call->out, "{\"config\":");
		output_json(call->out, text);
		output_text(call->out, "}\n");
	} else {
		output_add(call->out, text, n);
	}
	free(text);
}

void
command_print_note(struct output *out, const struct conf_note *note)
{
	char when[32];

	log_time(when, sizeof(when), (struct wall){.us = note->when_us});
	output_text(out, "{\"when\":");
	output_json(out, when);
	output_text(out, ",\"who\":");
	output_json(out, note->who);
	output_text(out, ",\"why\":");
	output_json(out, note->why != NULL ? note->why : "");
	output_text(out, "}");
}

/* How many of the words are the command's name; 0: it is another one. */
static size_t
match(const struct command *c, size_t n, const char *const *words)
{
	const char *name = c->name;
	size_t i;

	for (i = 0; *name != '\0'; i++) {
		size_t len = strcspn(name, " ");

		if (i == n || strlen(words[i]) != len || strncmp(words[i], name, len) != 0)
			return 0;
		name += len;
		name += strspn(name, " ");
	}
	return i;
}

/* Takes "why" and what stands behind it off the words. */
static void
take_reason(struct command_call *call)
{
	char *why = call->note.why;
	size_t size = sizeof(call->note.why);
	size_t at = 0;

	for (size_t i = 0; i < call->n; i++) {
		if (strcmp(call->arguments[i], "why") != 0)
			continue;
		for (size_t k = i + 1; k < call->n && at < size; k++)
			at += (size_t)snprintf(why + at, size - at, "%s%s", at > 0 ? " " : "",
					       call->arguments[k]);
		call->n = i;
		break;
	}
	/* It is shown on terminals. */
	for (; *why != '\0'; why++) {
		if (*why < ' ' || *why > '~')
			*why = '?';
	}
}

struct command_wait *
command_wait_for(struct command_call *call, uint64_t ms, bool (*go_on)(struct command_call *call))
{
	struct command_wait *wait = &call->session->wait;

	*wait = (struct command_wait){
		.go_on = go_on,
		.until = mono_add_ms(call->source->now, ms),
		.json = call->json,
		.note = call->note,
		.rest = wait->rest,
		.before = wait->before,
	};
	return wait;
}

/* All of an answer is written, but for its empty line. */
static void
end_answer(struct command_call *call, size_t before)
{
	if (call->out->is_full)
		command_fail(call, TG_COMMAND_LIMIT, "the answer is too long");
	if (call->json && call->out->n == before)
		output_text(call->out, "{\"ok\":true}\n");
	output_text(call->out, "\n");
}

static void
run_command(const struct command *c, struct command_call *call)
{
	if (call->session->rights < c->rights) {
		command_fail(call, TG_COMMAND_DENIED,
			     "\"%s\" needs the rights of %s; this socket has %s", c->name,
			     conf_rights_str(c->rights), conf_rights_str(call->session->rights));
		return;
	}
	if (c->rights > TG_RIGHTS_VIEWER && call->source->is_holding) {
		command_fail(call, TG_COMMAND_UPGRADE,
			     "a new tidegate is taking over: connect again");
		return;
	}
	if (call->payload != NULL && !c->takes_payload) {
		command_fail(call, TG_COMMAND_USAGE, "\"%s\" takes no payload", c->name);
		return;
	}
	if (c->rights > TG_RIGHTS_VIEWER)
		take_reason(call);
	c->run(c, call);
}

static void
run_words(struct command_call *call, size_t n, const char *const *words)
{
	const struct command *command = NULL;

	if (n > 1 && strcmp(words[n - 1], "json") == 0) {
		call->json = true;
		n--;
	}
	for (size_t i = 0; commands[i] != NULL; i++) {
		size_t taken = match(commands[i], n, words);

		/* "shutdown" begins "shutdown sessions server", too. */
		if (taken > call->n_name) {
			command = commands[i];
			call->n_name = taken;
		}
	}
	if (command != NULL) {
		call->n = n - call->n_name;
		call->arguments = words + call->n_name;
		run_command(command, call);
		return;
	}
	command_fail(call, TG_COMMAND_UNKNOWN, "no such command; \"help\" lists them");
}

static struct command_call
begin_call(struct admin_source *s, struct command_session *session, struct output *out)
{
	struct command_call call = {.source = s, .session = session, .out = out};

	call.note.when = s->wall;
	snprintf(call.note.who, sizeof(call.note.who), "%s", session->who);
	return call;
}

/* One command, in place. An empty one has no answer, unless it is to have a payload. */
static void
run_one(struct admin_source *s, struct command_session *session, char *text, bool is_last,
	struct output *out)
{
	const char *words[TG_ADMIN_ARGUMENTS_MAX];
	struct command_call call = begin_call(s, session, out);
	char *rest = text;
	char *word;
	size_t n = 0;

	while ((word = strsep(&rest, " \t\r")) != NULL) {
		if (*word == '\0')
			continue;
		if (n == TG_ADMIN_ARGUMENTS_MAX) {
			command_fail(&call, TG_COMMAND_LIMIT, "more than %u words",
				     TG_ADMIN_ARGUMENTS_MAX);
			output_text(out, "\n");
			return;
		}
		words[n++] = word;
	}
	if (is_last) {
		call.payload = session->payload;
		call.payload_n = session->payload_n;
	}
	if (n == 0 && call.payload == NULL)
		return;
	session->wait.before = out->n;
	if (n == 0)
		command_fail(&call, TG_COMMAND_USAGE, "a payload needs a command before it");
	else
		run_words(&call, n, words);
	if (session->wait.go_on == NULL)
		end_answer(&call, session->wait.before);
}

static void
run_rest(struct admin_source *s, struct command_session *session, char *rest, struct output *out)
{
	struct command_wait *wait = &session->wait;
	char *one;

	wait->is_paused = false;
	while (wait->go_on == NULL && !wait->is_paused && (one = strsep(&rest, ";")) != NULL) {
		/* What one answer leaves is enough for its failure, and for this. */
		if (out->n > out->max / 2 || out->is_full) {
			command_refuse(out, TG_COMMAND_LIMIT,
				       "the answers to one line are too long");
			return;
		}
		wait->rest = rest;
		run_one(s, session, one, rest == NULL, out);
		wait->is_paused = wait->go_on == NULL && rest != NULL && source_turn_is_over(s);
	}
}

void
command_run_line(struct admin_source *s, struct command_session *session, char *line,
		 struct output *out)
{
	session->wait = (struct command_wait){.go_on = NULL};
	run_rest(s, session, line, out);
}

/* The call that waits. */
static struct command_call
later_call(struct admin_source *s, struct command_session *session, struct output *out)
{
	struct command_call call = {.source = s, .session = session, .out = out};

	call.json = session->wait.json;
	call.note = session->wait.note;
	return call;
}

bool
command_go_on(struct admin_source *s, struct command_session *session, struct output *out)
{
	struct command_call call = later_call(s, session, out);
	struct command_wait *wait = &session->wait;

	if (wait->is_paused) {
		run_rest(s, session, wait->rest, out);
		return wait->go_on == NULL && !wait->is_paused;
	}
	wait->is_late = s->now.us >= wait->until.us;
	if (!wait->go_on(&call))
		return false;
	wait->go_on = NULL;
	command_stop_asking(s, session);
	end_answer(&call, wait->before);
	run_rest(s, session, wait->rest, out);
	return wait->go_on == NULL && !wait->is_paused;
}

/* what the proxy is asked */

static void
fail_proxy(struct command_call *call, enum asking_end why)
{
	static const char *const words[] = {
		[ASKING_DONE] = "",
		[ASKING_NO_PROXY] = "there is no proxy now: it is being started again",
		[ASKING_LOST] = "the proxy went away before it had answered",
		[ASKING_LATE] = "the proxy takes too long to answer",
	};

	command_fail(call, TG_COMMAND_PROXY, "%s", words[why]);
}

static bool
has_heard_all(struct command_call *call)
{
	const struct command_wait *wait = &call->session->wait;

	if (call->out->is_full)
		return true; /* which is said for any command */
	if (!wait->is_answered && !wait->is_late)
		return false;
	if (!wait->is_answered)
		fail_proxy(call, ASKING_LATE);
	else if (wait->why != ASKING_DONE)
		fail_proxy(call, wait->why);
	else
		wait->command->on_end(wait->command, call, wait->n_found);
	return true;
}

void
command_ask(const struct command *c, struct command_call *call, enum question_kind kind,
	    uint64_t id)
{
	const struct admin_actions *actions = &call->source->actions;
	struct asking *asking = &call->session->asking;

	command_wait_for(call, TG_ADMIN_ASK_MS, has_heard_all)->command = c;
	asking->question = (struct msg_question){.id = id, .kind = (uint32_t)kind};
	actions->ask(actions->user, asking);
}

void
command_stop_asking(const struct admin_source *s, struct command_session *session)
{
	if (session->asking.is_queued)
		s->actions.cancel(s->actions.user, &session->asking);
}

void
command_hear_session(struct admin_source *s, struct command_session *session, struct output *out,
		     const struct msg_session *m)
{
	struct command_call call = later_call(s, session, out);

	session->wait.command->on_session(session->wait.command, &call, m);
	session->wait.n_heard++;
}

void
command_hear_capture(struct admin_source *s, struct command_session *session, struct output *out,
		     const struct msg_capture *m)
{
	struct command_call call = later_call(s, session, out);

	session->wait.command->on_capture(session->wait.command, &call, m);
	session->wait.n_heard++;
}

void
command_hear_end(struct command_session *session, enum asking_end why, uint32_t n)
{
	session->wait.is_answered = true;
	session->wait.why = why;
	session->wait.n_found = n;
}
