#include "http2/to_fields.h"

#include <string.h>

/* In front of others; a request has the most. */
#define PSEUDO_ROOM 5u

struct making {
	enum h2_head_kind kind;
	nghttp2_nv *nv;
	size_t n;
	size_t room;
	struct slice host;
	struct slice protocol; /* of Upgrade */
	struct slice key;
	bool is_chunked;
	bool has_length;
	uint64_t length;
};

static nghttp2_nv
field(struct slice name, struct slice value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.p,
		.namelen = name.n,
		.value = (uint8_t *)(uintptr_t)value.p,
		.valuelen = value.n,
		.flags = NGHTTP2_NV_FLAG_NONE,
	};
}

size_t
h2_head_length(const char *text, size_t n, size_t *seen)
{
	size_t at = *seen > 3 ? *seen - 3 : 0;
	const char *end;

	*seen = n;
	while (n - at >= 4) {
		end = memchr(text + at, '\n', n - at - 2);
		if (end == NULL)
			return 0;
		at = (size_t)(end - text) + 1;
		if (text[at] == '\r' && text[at + 1] == '\n')
			return at + 2;
	}
	return 0;
}

/* Without its CRLF. False: there is none. */
static bool
next_line(struct slice *rest, struct slice *ret)
{
	const char *end = memchr(rest->p, '\n', rest->n);

	if (end == NULL || end == rest->p || end[-1] != '\r')
		return false;
	*ret = (struct slice){rest->p, (size_t)(end - rest->p) - 1};
	rest->n -= ret->n + 2;
	rest->p = end + 1;
	return true;
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool
read_length(struct making *m, struct slice value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || v > UINT64_MAX / 10 - 1)
			return false;
		v = v * 10 + (uint64_t)(value.p[i] - '0');
	}
	m->has_length = true;
	m->length = v;
	return value.n > 0;
}

/* RFC 8441 5: it is of the handshake that HTTP/2 has no need of. */
static bool
is_of_handshake(struct slice name)
{
	return slice_equal_fold(name, SLICE("sec-websocket-key")) ||
	       slice_equal_fold(name, SLICE("sec-websocket-accept"));
}

/* 1: it is HTTP/1.1's own, and no field of HTTP/2. */
static int
read_field(struct making *m, struct slice name, struct slice value)
{
	switch (http_field_id(name)) {
	case HTTP_FIELD_CONNECTION:
	case HTTP_FIELD_KEEP_ALIVE:
	case HTTP_FIELD_PROXY_CONNECTION:
		return 1;
	case HTTP_FIELD_UPGRADE:
		m->protocol = value;
		return 1;
	case HTTP_FIELD_TRANSFER_ENCODING:
		m->is_chunked = true;
		return 1;
	case HTTP_FIELD_HOST:
		if (m->kind == H2_HEAD_REQUEST)
			m->host = value;
		return m->kind == H2_HEAD_REQUEST;
	case HTTP_FIELD_CONTENT_LENGTH:
		return read_length(m, value) ? 0 : -TG_EPROTO;
	case HTTP_FIELD_OTHER:
		if (!is_of_handshake(name))
			return 0;
		m->key = value;
		return 1;
	default:
		return 0;
	}
}

static int
read_line(struct making *m, struct slice line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct slice name;
	struct slice value;
	int rc;

	if (colon == NULL || colon == line.p)
		return -TG_EPROTO;
	name = (struct slice){line.p, (size_t)(colon - line.p)};
	value = trim((struct slice){colon + 1, line.n - name.n - 1});
	rc = read_field(m, name, value);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (m->n == m->room)
		return -TG_ELIMIT;
	m->nv[m->n++] = field(name, value);
	return 0;
}

static int
read_lines(struct making *m, struct slice rest)
{
	struct slice line;
	int rc = 0;

	while (rc == 0 && rest.n > 0) {
		if (!next_line(&rest, &line))
			return -TG_EPROTO;
		if (line.n == 0)
			return rest.n == 0 ? 0 : -TG_EPROTO;
		rc = read_line(m, line);
	}
	return rc;
}

/* In front of those that are there already. */
static void
put_pseudo(struct h2_fields *f, struct slice name, struct slice value)
{
	f->nv--;
	f->n++;
	*f->nv = field(name, value);
}

static int
end_answer(struct making *m, struct slice line, bool to_head, struct h2_fields *f)
{
	struct slice status = {line.p + 9, 3};

	if (line.n < 12 || memcmp(line.p, "HTTP/1.1 ", 9) != 0)
		return -TG_EPROTO;
	for (size_t i = 0; i < 3; i++) {
		if (status.p[i] < '0' || status.p[i] > '9')
			return -TG_EPROTO;
		f->status = (uint16_t)(f->status * 10 + (status.p[i] - '0'));
	}
	f->is_upgrade = f->status == 101;
	put_pseudo(f, SLICE(":status"), f->is_upgrade ? SLICE("200") : status);
	f->content_length = m->length;
	if (f->is_upgrade)
		f->body = HTTP_BODY_UNTIL_CLOSE;
	else if (to_head || f->status < 200 || f->status == 204 || f->status == 304)
		f->body = HTTP_BODY_NONE;
	else if (m->is_chunked)
		f->body = HTTP_BODY_CHUNKED;
	else if (m->has_length)
		f->body = m->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	else
		f->body = HTTP_BODY_UNTIL_CLOSE;
	return 0;
}

static int
end_request(struct making *m, struct slice line, struct slice scheme, struct h2_fields *f)
{
	const char *space = memchr(line.p, ' ', line.n);
	struct slice method;
	struct slice target;

	if (space == NULL || line.n < 9 || memcmp(line.p + line.n - 9, " HTTP/1.1", 9) != 0 ||
	    line.p + line.n - 9 <= space)
		return -TG_EPROTO;
	method = (struct slice){line.p, (size_t)(space - line.p)};
	target = (struct slice){space + 1, line.n - method.n - 10};
	f->is_upgrade = m->protocol.n > 0;
	f->is_head_method = slice_equal(method, SLICE("HEAD"));
	f->method = method;
	f->key = m->key;
	f->protocol = m->protocol;
	if (f->is_upgrade) {
		put_pseudo(f, SLICE(":protocol"), m->protocol);
		method = SLICE("CONNECT");
	}
	put_pseudo(f, SLICE(":path"), target);
	if (m->host.n > 0)
		put_pseudo(f, SLICE(":authority"), m->host);
	put_pseudo(f, SLICE(":scheme"), scheme);
	put_pseudo(f, SLICE(":method"), method);
	f->content_length = m->length;
	if (f->is_upgrade)
		f->body = HTTP_BODY_UNTIL_CLOSE;
	else if (m->is_chunked)
		f->body = HTTP_BODY_CHUNKED;
	else
		f->body = m->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	return 0;
}

int
h2_to_fields(enum h2_head_kind kind, const char *text, size_t n, bool to_head, struct slice scheme,
	     nghttp2_nv *nv, size_t room, struct h2_fields *ret)
{
	struct making m = {.kind = kind, .nv = nv, .n = PSEUDO_ROOM, .room = room};
	struct slice rest = {text, n};
	struct slice line = {NULL, 0};
	int rc = 0;

	if (room < PSEUDO_ROOM)
		return -TG_ELIMIT;
	if (kind != H2_HEAD_TRAILERS && !next_line(&rest, &line))
		return -TG_EPROTO;
	rc = read_lines(&m, rest);
	if (rc < 0)
		return rc;
	*ret = (struct h2_fields){.nv = nv + PSEUDO_ROOM, .n = m.n - PSEUDO_ROOM};
	if (kind == H2_HEAD_ANSWER)
		return end_answer(&m, line, to_head, ret);
	return kind == H2_HEAD_REQUEST ? end_request(&m, line, scheme, ret) : 0;
}
