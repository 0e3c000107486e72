/*
 * Any bytes as the head of a request, in one piece and in many: all agree. What
 * is accepted is sane, its target has one normal form, and what would be
 * forwarded of it is a request again.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "fuzz/heads.h"
#include "http/target.h"

static struct http1_parser *parser;

/* Normal form, in a block of exactly the room it is promised. n 0: refused. */
static char *
normal_target(struct slice target, struct slice method, size_t *ret_n)
{
	char *out = malloc(target.n + 1);
	struct http_target t;
	size_t path_n = 0;

	must(out != NULL);
	*ret_n = 0;
	if (http_target_read(target, method, &t) != HTTP_FAULT_NONE)
		return out;
	*ret_n = http_target_write(&t, out, &path_n);
	must(*ret_n <= target.n + 1 && path_n <= *ret_n);
	must(*ret_n == 0 || out[0] == '/' || out[0] == '*');
	if (t.form == HTTP_TARGET_ABSOLUTE)
		must(http_host_is_valid(t.authority));
	return out;
}

static void
check_host(struct slice host)
{
	char name[256];
	size_t n;

	if (!http_host_is_valid(host))
		return;
	n = http_host_name(host, name, sizeof(name));
	must(n > 0 && n <= host.n);
	must(http_host_is_valid((struct slice){name, n}));
}

/* Method, normal target and the fields that are kept, as a request of its own. */
static void
check_forwarded(const struct http_head *head, const char *target, size_t target_n)
{
	static const struct http1_limits limits = {
		.head_bytes = 1 << 16, .uri_bytes = 1 << 16, .headers = FUZZ_HEADERS};
	static char text[1 << 16];
	struct http_head first = *head;
	struct http_field fields[FUZZ_HEADERS];
	struct outcome o;
	size_t n = 0;

	if (head->n_fields > 0)
		memcpy(fields, head->fields, head->n_fields * sizeof(fields[0]));
	n += (size_t)snprintf(text, sizeof(text), "%.*s %.*s HTTP/1.%d\r\n", (int)head->method.n,
			      head->method.p, (int)target_n, target, head->minor);
	for (size_t i = 0; i < first.n_fields; i++) {
		if (fields[i].dropped)
			continue;
		memcpy(text + n, fields[i].line.p, fields[i].line.n);
		n += fields[i].line.n;
	}
	memcpy(text + n, "\r\n", 2);
	o = parse_whole(parser, REQUEST, text, n + 2, &limits);
	must(o.result == HTTP1_HEAD && o.n == n + 2);
	must(slice_equal(o.head.method, first.method));
	must(o.head.has_content_length == first.has_content_length &&
	     o.head.content_length == first.content_length);
	must(o.head.host.n == first.host.n);
	for (size_t i = 0; i < o.head.n_fields; i++)
		must(!o.head.fields[i].dropped);
}

static void
check_request(const struct http_head *head, const char *data, size_t n)
{
	size_t target_n;
	size_t again_n;
	char *target;
	char *again;

	check_fields(head, data, n);
	must_lie_in(head->method, data, n);
	must_lie_in(head->target, data, n);
	must_lie_in(head->host, data, n);
	must(http_is_token(head->method) && head->minor <= 1 && !head->is_answer);
	must(head->body != HTTP_BODY_UNTIL_CLOSE);
	must(head->body != HTTP_BODY_CHUNKED || (head->minor == 1 && !head->has_content_length));
	check_host(head->host);
	target = normal_target(head->target, head->method, &target_n);
	again = normal_target((struct slice){target, target_n}, head->method, &again_n);
	must(target_n == again_n && memcmp(target, again, target_n) == 0);
	if (target_n > 0)
		check_forwarded(head, target, target_n);
	free(target);
	free(again);
}

/* Of a method that is not common llhttp gets all of the head, not its fields alone: it says the same. */
static void
check_whole(const struct http_head *head, const char *data, size_t n)
{
	static const struct http1_limits limits = {
		.head_bytes = 1 << 15, .uri_bytes = 1 << 15, .headers = FUZZ_HEADERS};
	size_t at = (size_t)(head->method.p + head->method.n - data);
	struct http_target target;
	struct outcome o;
	char *text;

	if (head->target.p[0] != '/' ||
	    http_target_read(head->target, head->method, &target) != HTTP_FAULT_NONE)
		return;
	text = malloc(4 + n - at);
	must(text != NULL);
	memcpy(text, "COPY", 4);
	memcpy(text + 4, data + at, n - at);
	o = parse_whole(parser, REQUEST, text, 4 + n - at, &limits);
	must(o.result == HTTP1_HEAD && o.head.n_fields == head->n_fields &&
	     o.head.body == head->body && o.head.content_length == head->content_length &&
	     o.head.keep_alive == head->keep_alive);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const struct http1_limits limits[] = {
		{.head_bytes = 32768, .uri_bytes = 8192, .headers = FUZZ_HEADERS},
		{.head_bytes = 64, .uri_bytes = 16, .headers = 2},
		{.head_bytes = 48, .uri_bytes = 200, .headers = 3},
	};
	const char *data = (const char *)input;

	if (parser == NULL)
		parser = http1_parser_new(FUZZ_HEADERS);
	must(parser != NULL);
	if (len > 8192)
		return 0;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct outcome o = parse_all_ways(parser, REQUEST, data, len, &limits[i]);

		if (o.result != HTTP1_HEAD)
			continue;
		check_request(&o.head, data, len);
		check_whole(&o.head, data, len);
	}
	return 0;
}
