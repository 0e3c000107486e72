/* Which fields decide about framing, persistence and hop-by-hop, and what they say. */
#include <string.h>
#include <strings.h>

#include "http/grpc.h"
#include "http/message.h"
#include "http/token.h"

/* Each option costs a walk over all fields; nobody honest names more. */
#define MAX_CONNECTION_OPTIONS 64

static bool
is_ows(char c)
{
	return c == ' ' || c == '\t';
}

/* Next element of a comma-separated list (RFC 9110 5.6.1), trimmed; false at the end. Empty elements are passed over. */
static bool
list_next(struct slice *rest, struct slice *ret)
{
	while (rest->n > 0) {
		const char *comma = memchr(rest->p, ',', rest->n);
		size_t n = comma != NULL ? (size_t)(comma - rest->p) : rest->n;
		struct slice element = {rest->p, n};

		rest->p += comma != NULL ? n + 1 : n;
		rest->n -= comma != NULL ? n + 1 : n;
		while (element.n > 0 && is_ows(element.p[0])) {
			element.p++;
			element.n--;
		}
		while (element.n > 0 && is_ows(element.p[element.n - 1]))
			element.n--;
		if (element.n > 0) {
			*ret = element;
			return true;
		}
	}
	return false;
}

/* 1*DIGIT that fits; RFC 9110 8.6. A list of equal numbers is refused too. */
static bool
parse_length(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	if (s.n == 0 || s.n > 18)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

struct seen {
	unsigned content_length;
	unsigned transfer_encoding;
	unsigned host;
	unsigned expect;
	unsigned upgrade;
	unsigned max_forwards;
	unsigned options; /* of all Connection fields */
	bool close;
	bool keep_alive;
	bool connection_upgrade;
	bool chunked;
};

/* What a Connection field may not take away: the message would mean something else without it. */
static bool
is_protected(enum http_field_id id)
{
	return id == HTTP_FIELD_HOST || id == HTTP_FIELD_CONTENT_LENGTH ||
	       id == HTTP_FIELD_TRANSFER_ENCODING || id == HTTP_FIELD_EXPECT;
}

static void
drop_named(struct http_head *head, struct slice name)
{
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		struct http_field *f = &head->fields[i];

		if (f->name.n != name.n || strncasecmp(f->name.p, name.p, name.n) != 0)
			continue;
		f->dropped = true;
		f->nominated = true;
		if (f->id == HTTP_FIELD_X_REQUEST_ID)
			head->request_id = (struct slice){NULL, 0};
		if (f->id == HTTP_FIELD_IDEMPOTENCY_KEY)
			head->has_idempotency_key = false;
	}
}

/* Gone from the head; remembered, for trailers may carry it too (RFC 9110 7.6.1). */
static bool
nominate(struct http_head *head, struct slice name)
{
	uint32_t hash = HTTP_NAME_HASH;
	size_t i;

	drop_named(head, name);
	for (i = 0; i < name.n; i++)
		hash = http_name_hash(hash, (unsigned char)name.p[i]);
	for (i = 0; i < head->n_nominated; i++) {
		if (head->nominated[i] == hash)
			return true;
	}
	if (head->n_nominated == HTTP_NOMINATED_MAX)
		return false;
	head->nominated[head->n_nominated++] = hash;
	return true;
}

static enum http_fault
read_connection(struct http_head *head, struct seen *seen, struct slice value)
{
	struct slice option;

	while (list_next(&value, &option)) {
		if (++seen->options > MAX_CONNECTION_OPTIONS)
			return HTTP_FAULT_SYNTAX;
		if (slice_equal_fold(option, SLICE("close")))
			seen->close = true;
		else if (slice_equal_fold(option, SLICE("keep-alive")))
			seen->keep_alive = true;
		else if (slice_equal_fold(option, SLICE("upgrade")))
			seen->connection_upgrade = true;
		else if (!http_is_token(option) || is_protected(http_field_id(option)))
			return HTTP_FAULT_SYNTAX;
		else if (!nominate(head, option))
			return HTTP_FAULT_SYNTAX;
	}
	return HTTP_FAULT_NONE;
}

/* Only "chunked", once, alone: no other coding is spoken here. */
static enum http_fault
read_transfer_encoding(struct seen *seen, struct slice value)
{
	struct slice coding;
	unsigned n = 0;

	while (list_next(&value, &coding)) {
		if (!slice_equal_fold(coding, SLICE("chunked")))
			return http_is_tchar((unsigned char)coding.p[0]) ? HTTP_FAULT_CODING
									 : HTTP_FAULT_SYNTAX;
		n++;
	}
	if (n != 1)
		return HTTP_FAULT_SYNTAX;
	seen->chunked = true;
	return HTTP_FAULT_NONE;
}

/* RFC 9110 7.6.2: the methods that count how far they go. */
static bool
counts_hops(struct slice method)
{
	return slice_equal(method, SLICE("OPTIONS")) || slice_equal(method, SLICE("TRACE"));
}

/* 1*DIGIT, however many. */
static enum http_fault
read_max_forwards(struct http_head *head, struct slice s)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return HTTP_FAULT_SYNTAX;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
		if (v > TG_MAX_FORWARDS)
			v = TG_MAX_FORWARDS;
	}
	head->has_max_forwards = true;
	head->max_forwards = (uint32_t)v;
	return s.n > 0 ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
}

/* What is not valid is the backend's to judge; of several the shortest holds. */
static void
read_grpc_timeout(struct http_head *head, struct slice value)
{
	uint64_t us;

	if (!grpc_timeout_parse(value, &us))
		return;
	us = us > 0 ? us : 1;
	if (head->grpc_timeout_us == 0 || us < head->grpc_timeout_us)
		head->grpc_timeout_us = us;
}

/* Of names that are known to the letter none has an underscore. */
static bool
is_known_in_part(enum http_field_id id)
{
	return id == HTTP_FIELD_OTHER || id == HTTP_FIELD_X_FORWARDED_OTHER ||
	       id == HTTP_FIELD_CLIENT_CERT;
}

static enum http_fault
read_request_field(struct http_head *head, struct seen *seen, struct http_field *f)
{
	if (is_known_in_part(f->id)) {
		if (memchr(f->name.p, '_', f->name.n) != NULL)
			f->dropped = true;
		return HTTP_FAULT_NONE;
	}
	if (f->id == HTTP_FIELD_HOST) {
		seen->host++;
		head->host = f->value;
	} else if (f->id == HTTP_FIELD_EXPECT) {
		seen->expect++;
		if (!slice_equal_fold(f->value, SLICE("100-continue")))
			return HTTP_FAULT_EXPECTATION;
	} else if (f->id == HTTP_FIELD_X_REQUEST_ID) {
		if (!f->nominated)
			head->request_id = f->value;
		f->dropped = true;
	} else if (f->id == HTTP_FIELD_HTTP2_SETTINGS) {
		f->dropped = true;
	} else if (f->id == HTTP_FIELD_IDEMPOTENCY_KEY) {
		head->has_idempotency_key |= !f->nominated && f->value.n > 0;
	} else if (f->id == HTTP_FIELD_CONTENT_TYPE) {
		head->is_grpc |= grpc_is_type(f->value);
	} else if (f->id == HTTP_FIELD_GRPC_TIMEOUT) {
		read_grpc_timeout(head, f->value);
	} else if (f->id == HTTP_FIELD_MAX_FORWARDS && counts_hops(head->method)) {
		seen->max_forwards++;
		f->dropped = true;
		return read_max_forwards(head, f->value);
	}
	return HTTP_FAULT_NONE;
}

static enum http_fault
read_field(struct http_head *head, struct seen *seen, struct http_field *f)
{
	switch (f->id) {
	case HTTP_FIELD_CONTENT_LENGTH:
		seen->content_length++;
		return parse_length(f->value, &head->content_length) ? HTTP_FAULT_NONE
								     : HTTP_FAULT_SYNTAX;
	case HTTP_FIELD_TRANSFER_ENCODING:
		seen->transfer_encoding++;
		f->dropped = true;
		return read_transfer_encoding(seen, f->value);
	case HTTP_FIELD_CONNECTION:
		f->dropped = true;
		return read_connection(head, seen, f->value);
	case HTTP_FIELD_UPGRADE:
		seen->upgrade++;
		head->upgrade = f->value;
		f->dropped = true;
		return HTTP_FAULT_NONE;
	case HTTP_FIELD_KEEP_ALIVE:
	case HTTP_FIELD_PROXY_CONNECTION:
	case HTTP_FIELD_TE:
		f->dropped = true;
		return HTTP_FAULT_NONE;
	case HTTP_FIELD_LOAD_REPORT:
	case HTTP_FIELD_LOAD_REPORT_BIN:
		head->has_load_report = head->is_answer;
		break;
	case HTTP_FIELD_HOST:
	case HTTP_FIELD_EXPECT:
	case HTTP_FIELD_HTTP2_SETTINGS:
	case HTTP_FIELD_X_REQUEST_ID:
	case HTTP_FIELD_IDEMPOTENCY_KEY:
	case HTTP_FIELD_MAX_FORWARDS:
	case HTTP_FIELD_DATE:
	case HTTP_FIELD_CONTENT_TYPE:
	case HTTP_FIELD_GRPC_TIMEOUT:
	case HTTP_FIELD_FORWARDED:
	case HTTP_FIELD_X_FORWARDED_FOR:
	case HTTP_FIELD_X_FORWARDED_PROTO:
	case HTTP_FIELD_X_FORWARDED_HOST:
	case HTTP_FIELD_X_FORWARDED_PORT:
	case HTTP_FIELD_X_FORWARDED_OTHER:
	case HTTP_FIELD_CLIENT_CERT:
	case HTTP_FIELD_TRAILER:
	case HTTP_FIELD_OTHER:
	case HTTP_FIELD_COUNT:
		break;
	}
	return head->is_answer ? HTTP_FAULT_NONE : read_request_field(head, seen, f);
}

/* RFC 9112 6.1, 6.3: one length, or one coding, never both; no coding in 1.0. */
static enum http_fault
check_framing(const struct http_head *head, const struct seen *seen)
{
	if (seen->content_length > 1 || seen->transfer_encoding > 1)
		return HTTP_FAULT_SYNTAX;
	if (seen->transfer_encoding != 0 && (seen->content_length != 0 || head->minor == 0))
		return HTTP_FAULT_SYNTAX;
	/* RFC 9112 6.1: these have no body to code. */
	if (seen->transfer_encoding != 0 && head->is_answer &&
	    (head->status < 200 || head->status == 204))
		return HTTP_FAULT_SYNTAX;
	return HTTP_FAULT_NONE;
}

static enum http_fault
check_request(struct http_head *head, const struct seen *seen)
{
	/* RFC 9112 3.2 */
	if (seen->host > 1 || (seen->host == 0 && head->minor >= 1))
		return HTTP_FAULT_SYNTAX;
	if (seen->expect > 1 || seen->upgrade > 1 || seen->max_forwards > 1)
		return HTTP_FAULT_SYNTAX;
	head->expects_continue = seen->expect != 0 && head->minor >= 1;
	return HTTP_FAULT_NONE;
}

/* RFC 9112 6.3 */
static void
decide_body(struct http_head *head, const struct seen *seen, bool to_head)
{
	head->has_content_length = seen->content_length != 0;
	if (head->is_answer &&
	    (to_head || head->status < 200 || head->status == 204 || head->status == 304))
		head->body = HTTP_BODY_NONE;
	else if (seen->chunked)
		head->body = HTTP_BODY_CHUNKED;
	else if (head->has_content_length)
		head->body = head->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	else
		head->body = head->is_answer ? HTTP_BODY_UNTIL_CLOSE : HTTP_BODY_NONE;
}

/* RFC 9112 9.3 */
static bool
decide_keep_alive(const struct http_head *head, const struct seen *seen)
{
	if (seen->close || head->body == HTTP_BODY_UNTIL_CLOSE)
		return false;
	return head->minor >= 1 || seen->keep_alive;
}

/* RFC 9110 7.8: a request may ask; "h2c" would hide requests from us. */
static bool
decide_upgrade(const struct http_head *head, const struct seen *seen)
{
	struct slice rest = head->upgrade;
	struct slice protocol;
	bool is_named = false;

	if (seen->upgrade == 0 || !seen->connection_upgrade || head->minor == 0)
		return false;
	while (list_next(&rest, &protocol)) {
		if (slice_equal_fold(protocol, SLICE("h2c")))
			return false;
		is_named = true;
	}
	return is_named && (head->is_answer || head->body == HTTP_BODY_NONE);
}

enum http_fault
http_head_interpret(struct http_head *head, bool to_head)
{
	struct seen seen = {0};
	enum http_fault fault = HTTP_FAULT_NONE;
	size_t i;

	for (i = 0; i < head->n_fields && fault == HTTP_FAULT_NONE; i++)
		fault = read_field(head, &seen, &head->fields[i]);
	if (fault == HTTP_FAULT_NONE)
		fault = check_framing(head, &seen);
	if (fault == HTTP_FAULT_NONE && !head->is_answer)
		fault = check_request(head, &seen);
	if (fault != HTTP_FAULT_NONE)
		return fault;
	decide_body(head, &seen, to_head);
	head->keep_alive = decide_keep_alive(head, &seen);
	head->wants_upgrade = decide_upgrade(head, &seen);
	return HTTP_FAULT_NONE;
}
