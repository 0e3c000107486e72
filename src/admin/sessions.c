/* admin/sessions.c: what runs now: one line per client connection, told by the workers; and its end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "base/log.h"

#define ID_DIGITS_MAX 16u

/* "0x" and up to 16 digits, as it is shown. */
static bool
read_id(struct command_call *call, const char *text, uint64_t *ret)
{
	const char *digits = text + 2;
	size_t n;
	uint64_t id = 0;

	if (strncmp(text, "0x", 2) != 0)
		digits = "";
	n = strspn(digits, "0123456789abcdef");
	if (n == 0 || n > ID_DIGITS_MAX || digits[n] != '\0') {
		command_fail(call, TG_COMMAND_VALUE,
			     "\"%.64s\" is no id of a session; \"show sess\" lists them", text);
		return false;
	}
	for (; *digits != '\0'; digits++)
		id = id * 16 + (uint64_t)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
	*ret = id;
	return true;
}

static const char *
protocol_of(const struct msg_session *m)
{
	static const struct ip unknown;

	if (memcmp(&m->client_ip, &unknown, sizeof(unknown)) == 0)
		return "unix_stream";
	return ip_is_v4(&m->client_ip) ? "tcpv4" : "tcpv6";
}

static const char *
client_of(const struct msg_session *m, char *buf, size_t size)
{
	char ip[TG_ADDR_STRLEN];

	if (strcmp(protocol_of(m), "unix_stream") == 0)
		return "unix";
	ip_format(&m->client_ip, ip, sizeof(ip));
	snprintf(buf, size, ip_is_v4(&m->client_ip) ? "%s:%u" : "[%s]:%u", ip,
		 (unsigned)m->client_port);
	return buf;
}

/* A line of HAProxy's beginning. */
static void
print_text(struct command_call *call, const struct msg_session *m)
{
	const char *service = source_name(call->source, m->service, TG_SLOT_SERVICE);
	const char *backend = source_name(call->source, m->backend, TG_SLOT_BACKEND);
	char client[TG_ADDR_STRLEN + 16];
	char request[TG_SESSION_REQUEST * 4 + 3];

	output_format(call->out, "0x%" PRIx64 ": proto=%s src=%s fe=%.128s be=%.128s srv=%.128s ",
		      m->id, protocol_of(m), client_of(m, client, sizeof(client)),
		      source_name(call->source, m->listener, TG_SLOT_LISTENER),
		      service != NULL ? service : "<NONE>", backend != NULL ? backend : "<none>");
	output_format(call->out,
		      "worker=%" PRIu32 " phase=%s age=%" PRIu64 "ms rqage=%" PRIu64
		      "ms tries=%" PRIu32 " in=%" PRIu64 " out=%" PRIu64,
		      m->worker, session_phase_str(m->phase), m->age_us / 1000,
		      m->request_us / 1000, m->tries, m->bytes_in, m->bytes_out);
	if (m->over != 0)
		output_format(call->out, " over=0x%" PRIx64, m->over);
	if (m->carrier != 0)
		output_format(call->out, " carrier=0x%" PRIx64, m->carrier);
	if (m->request_n > 0) {
		size_t n = log_text_escape(request, sizeof(request), m->request, m->request_n);

		output_text(call->out, " request=");
		output_add(call->out, request, n);
	}
	output_text(call->out, "\n");
}

static void
print_name(struct output *out, const char *key, const char *name)
{
	output_format(out, ",\"%s\":", key);
	if (name != NULL)
		output_json(out, name);
	else
		output_text(out, "null");
}

/* 0: null. */
static void
print_id(struct output *out, const char *key, uint64_t id)
{
	if (id != 0)
		output_format(out, ",\"%s\":\"0x%" PRIx64 "\"", key, id);
	else
		output_format(out, ",\"%s\":null", key);
}

static void
print_json(struct command_call *call, const struct msg_session *m)
{
	const struct admin_source *source = call->source;
	struct output *out = call->out;
	char client[TG_ADDR_STRLEN + 16];

	output_format(out, "%s{\"id\":\"0x%" PRIx64 "\"",
		      call->session->wait.n_heard == 0 ? "[" : ",\n", m->id);
	print_name(out, "client", client_of(m, client, sizeof(client)));
	print_name(out, "listener", source_name(source, m->listener, TG_SLOT_LISTENER));
	print_name(out, "service", source_name(source, m->service, TG_SLOT_SERVICE));
	print_name(out, "backend", source_name(source, m->backend, TG_SLOT_BACKEND));
	print_name(out, "phase", session_phase_str(m->phase));
	print_id(out, "over", m->over);
	print_id(out, "carrier", m->carrier);
	output_format(out,
		      ",\"worker\":%" PRIu32 ",\"age_us\":%" PRIu64 ",\"request_us\":%" PRIu64
		      ",\"tries\":%" PRIu32 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
		      ",\"request\":",
		      m->worker, m->age_us, m->request_us, m->tries, m->bytes_in, m->bytes_out);
	output_json_bytes(out, m->request, m->request_n);
	output_text(out, "}");
}

static void
on_session(const struct command *c, struct command_call *call, const struct msg_session *m)
{
	(void)c;
	if (call->json)
		print_json(call, m);
	else
		print_text(call, m);
}

static void
on_end(const struct command *c, struct command_call *call, uint32_t n)
{
	const struct msg_question *question = &call->session->asking.question;
	bool has_some = call->session->wait.n_heard > 0;

	(void)c;
	(void)n;
	if (question->kind == TG_ASK_SESSION && !has_some) {
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "no session 0x%" PRIx64 " any more; \"show sess\" lists them",
			     question->id);
		return;
	}
	if (call->json)
		output_text(call->out, has_some ? "]\n" : "[]\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	uint64_t id;

	if (call->n > 1)
		command_fail_usage(c, call);
	else if (call->n == 0 || strcmp(call->arguments[0], "all") == 0)
		command_ask(c, call, TG_ASK_SESSIONS, 0);
	else if (read_id(call, call->arguments[0], &id))
		command_ask(c, call, TG_ASK_SESSION, id);
}

const struct command command_show_sess = {
	.name = "show sess",
	.usage = "[all|ID]",
	.help = "client connections, and what is under way on each",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
	.on_session = on_session,
	.on_end = on_end,
};

static void
on_ended(const struct command *c, struct command_call *call, uint32_t n)
{
	uint64_t id = call->session->asking.question.id;

	(void)c;
	if (n == 0)
		command_fail(call, TG_COMMAND_NOT_FOUND,
			     "no session 0x%" PRIx64 " any more; \"show sess\" lists them", id);
	else
		log_write(TG_LOG_INFO, "session ended by order", "id=0x%llx who=%s",
			  (unsigned long long)id, call->note.who);
}

static void
run_end(const struct command *c, struct command_call *call)
{
	uint64_t id;

	if (call->n != 1)
		command_fail_usage(c, call);
	else if (read_id(call, call->arguments[0], &id))
		command_ask(c, call, TG_ASK_END, id);
}

const struct command command_shutdown_session = {
	.name = "shutdown session",
	.usage = "ID",
	.help = "end one client connection, and what is under way on it",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run_end,
	.on_end = on_ended,
};
