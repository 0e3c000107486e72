/* admin/show_errors.c: the last bytes that could not be read, by HAProxy's command. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "base/log.h"
#include "http/message.h"

#define COLUMNS 70u

/* Which are shown: the id of the question is one of these, and not looked at by the proxy. */
enum filter { FILTER_NONE = 0, FILTER_REQUESTS = 1, FILTER_RESPONSES = 2 };

static bool
is_request(const struct msg_capture *m)
{
	return m->service == TG_SESSION_NONE;
}

static bool
is_shown(const struct command_call *call, const struct msg_capture *m)
{
	uint64_t filter = call->session->asking.question.id;

	return filter == FILTER_NONE || (filter == FILTER_REQUESTS) == is_request(m);
}

static const char *
client_of(const struct msg_capture *m, char *buf, size_t size)
{
	char ip[TG_ADDR_STRLEN];

	ip_format(&m->client_ip, ip, sizeof(ip));
	snprintf(buf, size, ip_is_v4(&m->client_ip) ? "%s:%u" : "[%s]:%u", ip,
		 (unsigned)m->client_port);
	return buf;
}

/* One byte, so that it can be read: at most 4. */
static size_t
escape(char *to, unsigned char c)
{
	static const char letters[] = {['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\'};
	static const char digits[] = "0123456789abcdef";

	to[0] = '\\';
	if (c < sizeof(letters) && letters[c] != '\0') {
		to[1] = letters[c];
		return 2;
	}
	if (c >= ' ' && c <= '~') {
		to[0] = (char)c;
		return 1;
	}
	to[1] = 'x';
	to[2] = digits[c >> 4];
	to[3] = digits[c & 15];
	return 4;
}

/* Lines as they came, each with the place of its first byte, cut where they are long. */
static void
print_bytes(struct output *out, const struct msg_capture *m)
{
	uint32_t at = 0;

	while (at < m->n) {
		uint32_t from = at;
		char line[COLUMNS + 8];
		size_t n = 0;

		do
			n += escape(line + n, (unsigned char)m->bytes[at]);
		while (m->bytes[at++] != '\n' && at < m->n && n < COLUMNS);
		output_format(out, "  %05" PRIu32 "%s ", from,
			      from == 0 || m->bytes[from - 1] == '\n' ? " " : "+");
		output_add(out, line, n);
		output_text(out, "\n");
	}
}

static const char *
name_of(const struct command_call *call, uint32_t slot, enum segment_kind kind)
{
	const char *name = source_name(call->source, slot, kind);

	return name != NULL ? name : "<none>";
}

static void
print_text(struct command_call *call, const struct msg_capture *m)
{
	const char *listener = name_of(call, m->listener, TG_SLOT_LISTENER);
	char when[32];
	char client[TG_ADDR_STRLEN + 16];

	log_time(when, sizeof(when), (struct wall){m->when_us});
	if (is_request(m))
		output_format(call->out, "[%s] listener %.128s: invalid request: %s\n", when,
			      listener, http_fault_str(m->fault));
	else
		output_format(call->out,
			      "[%s] service %.128s, backend %.128s: invalid response: %s\n", when,
			      name_of(call, m->service, TG_SLOT_SERVICE),
			      name_of(call, m->backend, TG_SLOT_BACKEND), http_fault_str(m->fault));
	output_format(call->out,
		      "  listener %.128s, src %s, worker %" PRIu32 ", len %" PRIu32
		      ", error at position %" PRIu32 ":\n",
		      listener, client_of(m, client, sizeof(client)), m->worker, m->total,
		      m->position);
	print_bytes(call->out, m);
}

static void
print_name(struct output *out, const char *key, const char *name)
{
	output_format(out, "\"%s\":", key);
	if (name != NULL)
		output_json(out, name);
	else
		output_text(out, "null");
	output_text(out, ",");
}

static void
print_json(struct command_call *call, const struct msg_capture *m)
{
	const struct admin_source *source = call->source;
	struct output *out = call->out;
	char when[32];
	char client[TG_ADDR_STRLEN + 16];

	log_time(when, sizeof(when), (struct wall){m->when_us});
	output_text(out, out->n == call->session->wait.before ? "[{" : ",\n{");
	print_name(out, "when", when);
	print_name(out, "kind", is_request(m) ? "request" : "response");
	print_name(out, "reason", http_fault_str(m->fault));
	print_name(out, "listener", source_name(source, m->listener, TG_SLOT_LISTENER));
	print_name(out, "service", source_name(source, m->service, TG_SLOT_SERVICE));
	print_name(out, "backend", source_name(source, m->backend, TG_SLOT_BACKEND));
	print_name(out, "client", client_of(m, client, sizeof(client)));
	output_format(out,
		      "\"worker\":%" PRIu32 ",\"length\":%" PRIu32 ",\"position\":%" PRIu32
		      ",\"bytes\":",
		      m->worker, m->total, m->position);
	output_json_bytes(out, m->bytes, m->n);
	output_text(out, "}");
}

static void
on_capture(const struct command *c, struct command_call *call, const struct msg_capture *m)
{
	(void)c;
	if (!is_shown(call, m))
		return;
	if (call->json)
		print_json(call, m);
	else
		print_text(call, m);
}

static void
on_end(const struct command *c, struct command_call *call, uint32_t n)
{
	(void)c;
	(void)n;
	if (call->json)
		output_text(call->out, call->out->n > call->session->wait.before ? "]\n" : "[]\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	enum filter filter = FILTER_NONE;

	if (call->n == 1 && strcmp(call->arguments[0], "request") == 0)
		filter = FILTER_REQUESTS;
	else if (call->n == 1 && strcmp(call->arguments[0], "response") == 0)
		filter = FILTER_RESPONSES;
	if (call->n > 1 || (call->n == 1 && filter == FILTER_NONE))
		command_fail_usage(c, call);
	else
		command_ask(c, call, TG_ASK_CAPTURES, (uint64_t)filter);
}

const struct command command_show_errors = {
	.name = "show errors",
	.usage = "[request|response]",
	.help = "the last requests and answers that could not be read, by listener and service",
	.rights = TG_RIGHTS_OPERATOR,
	.run = run,
	.on_capture = on_capture,
	.on_end = on_end,
};
