#include "http2/to_text.h"

#include <string.h>

#include "http/token.h"

static const struct slice pseudo_names[H2_PSEUDO_COUNT] = {
	[H2_PSEUDO_METHOD] = {":method", 7},        [H2_PSEUDO_SCHEME] = {":scheme", 7},
	[H2_PSEUDO_AUTHORITY] = {":authority", 10}, [H2_PSEUDO_PATH] = {":path", 5},
	[H2_PSEUDO_PROTOCOL] = {":protocol", 9},    [H2_PSEUDO_STATUS] = {":status", 7},
};

void
h2_to_text_begin(struct h2_to_text *t, enum h2_head_kind kind, bool to_head, struct buf *buf)
{
	*t = (struct h2_to_text){
		.buf = buf,
		.kind = kind,
		.to_head = to_head,
		.has_line = kind == H2_HEAD_TRAILERS,
		.tail = buf->cap,
		.most = buf->cap,
	};
}

/* writing */

static uint32_t
room(const struct h2_to_text *t)
{
	return buf_room(t->buf) - t->crumbs_n;
}

/* Whoever reads it must find it too long, whatever the limit. */
static void
fill(struct h2_to_text *t)
{
	memset(t->buf->bytes + t->buf->w, 'a', buf_room(t->buf));
	t->buf->w = t->buf->cap;
	t->is_full = true;
}

static void
put(struct h2_to_text *t, const char *p, size_t n)
{
	if (t->is_full)
		return;
	if (n > room(t)) {
		fill(t);
		return;
	}
	memcpy(t->buf->bytes + t->buf->w, p, n);
	t->buf->w += (uint32_t)n;
}

#define PUT_LITERAL(t, literal) put(t, literal, sizeof(literal) - 1)

static void
put_line(struct h2_to_text *t, struct slice name, struct slice value)
{
	put(t, name.p, name.n);
	PUT_LITERAL(t, ": ");
	put(t, value.p, value.n);
	PUT_LITERAL(t, "\r\n");
}

static void
put_backwards(struct h2_to_text *t, struct slice s)
{
	unsigned char *to = t->buf->bytes + t->buf->cap - t->crumbs_n;

	for (size_t i = 0; i < s.n; i++)
		*--to = (unsigned char)s.p[i];
	t->crumbs_n += (uint32_t)s.n;
}

/* RFC 9113 8.2.3: one line of all of them, where the first stands. */
static void
put_cookie(struct h2_to_text *t, struct slice value)
{
	if (t->cookie_at == 0) {
		put_line(t, SLICE("cookie"), value);
		t->cookie_at = t->buf->w - 2;
	} else if (value.n + 2 > room(t)) {
		fill(t);
	} else {
		put_backwards(t, SLICE("; "));
		put_backwards(t, value);
	}
}

static void
reverse(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		unsigned char c = p[i];

		p[i] = p[n - 1 - i];
		p[n - 1 - i] = c;
	}
}

/* Each byte is moved a few times, however many there are. */
static void
put_crumbs(struct h2_to_text *t)
{
	struct buf *b = t->buf;
	uint32_t behind = b->w - t->cookie_at;

	if (t->is_full || t->crumbs_n == 0)
		return;
	memmove(b->bytes + b->w, b->bytes + b->cap - t->crumbs_n, t->crumbs_n);
	b->w += t->crumbs_n;
	reverse(b->bytes + t->cookie_at, behind);
	reverse(b->bytes + t->cookie_at, behind + t->crumbs_n);
	t->crumbs_n = 0;
}

/* pseudo fields */

static struct slice
pseudo(const struct h2_to_text *t, enum h2_pseudo which)
{
	return (struct slice){(const char *)t->buf->bytes + t->pseudo[which].at,
			      t->pseudo[which].n};
}

static bool
has(const struct h2_to_text *t, enum h2_pseudo which)
{
	return t->pseudo[which].is_there;
}

/* No character ends a line, or a part of one. */
static bool
is_one_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f)
			return false;
	}
	return s.n > 0;
}

/* All of them together have half of the buffer: the first line says each of them once at most. */
static bool
take_pseudo(struct h2_to_text *t, enum h2_pseudo which, struct slice value)
{
	uint32_t left = t->tail - t->buf->cap / 2;
	bool is_for_answer = which == H2_PSEUDO_STATUS;

	if (t->has_line || has(t, which) || is_for_answer != (t->kind == H2_HEAD_ANSWER) ||
	    (!is_one_word(value) && (which != H2_PSEUDO_AUTHORITY || value.n != 0)))
		return false;
	t->pseudo[which].is_there = true;
	t->pseudo[which].is_cut = value.n > left;
	t->pseudo[which].n = (uint32_t)(value.n < left ? value.n : left);
	t->tail -= t->pseudo[which].n;
	t->pseudo[which].at = t->tail;
	memcpy(t->buf->bytes + t->tail, value.p, t->pseudo[which].n);
	return true;
}

static bool
take_pseudo_named(struct h2_to_text *t, struct slice name, struct slice value)
{
	for (int which = 0; which < H2_PSEUDO_COUNT; which++)
		if (slice_equal(name, pseudo_names[which]))
			return take_pseudo(t, (enum h2_pseudo)which, value);
	return false;
}

static void
put_pseudo(struct h2_to_text *t, enum h2_pseudo which)
{
	struct slice s = pseudo(t, which);

	put(t, s.p, s.n);
	if (t->pseudo[which].is_cut)
		fill(t);
}

static bool
is_method(const struct h2_to_text *t, struct slice method)
{
	return !t->pseudo[H2_PSEUDO_METHOD].is_cut &&
	       slice_equal(pseudo(t, H2_PSEUDO_METHOD), method);
}

/* A token of the registry of RFC 9110 16.7. */
static bool
is_protocol(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!http_is_tchar((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static bool
put_connect_line(struct h2_to_text *t)
{
	if (!has(t, H2_PSEUDO_AUTHORITY) || t->pseudo[H2_PSEUDO_AUTHORITY].n == 0)
		return false;
	PUT_LITERAL(t, "CONNECT ");
	put_pseudo(t, H2_PSEUDO_AUTHORITY);
	return true;
}

static bool
put_target(struct h2_to_text *t)
{
	struct slice path = pseudo(t, H2_PSEUDO_PATH);
	struct slice scheme = pseudo(t, H2_PSEUDO_SCHEME);

	if (!has(t, H2_PSEUDO_SCHEME) || !has(t, H2_PSEUDO_PATH))
		return false;
	if (!slice_equal_fold(scheme, SLICE("http")) && !slice_equal_fold(scheme, SLICE("https")))
		return false;
	if (path.n == 0 || (path.p[0] != '/' && !slice_equal(path, SLICE("*"))))
		return false;
	/* RFC 8441 4: what asks by CONNECT is a GET with Upgrade in HTTP/1.1. */
	if (t->is_upgrade)
		PUT_LITERAL(t, "GET");
	else
		put_pseudo(t, H2_PSEUDO_METHOD);
	PUT_LITERAL(t, " ");
	put_pseudo(t, H2_PSEUDO_PATH);
	return true;
}

static void
put_upgrade(struct h2_to_text *t)
{
	PUT_LITERAL(t, "connection: upgrade\r\nupgrade: ");
	put_pseudo(t, H2_PSEUDO_PROTOCOL);
	PUT_LITERAL(t, "\r\n");
	t->is_websocket = slice_equal_fold(pseudo(t, H2_PSEUDO_PROTOCOL), SLICE("websocket"));
}

static bool
put_request_line(struct h2_to_text *t)
{
	struct slice protocol = pseudo(t, H2_PSEUDO_PROTOCOL);
	bool has_protocol = has(t, H2_PSEUDO_PROTOCOL);
	bool is_connect;

	if (!has(t, H2_PSEUDO_METHOD))
		return false;
	is_connect = is_method(t, SLICE("CONNECT"));
	t->is_head_method = is_method(t, SLICE("HEAD"));
	if (has_protocol && (!is_connect || !is_protocol(protocol)))
		return false;
	/* RFC 9113 8.5: of the plain one nothing but a method and an authority. */
	if (is_connect && !has_protocol && (has(t, H2_PSEUDO_SCHEME) || has(t, H2_PSEUDO_PATH)))
		return false;
	/* To what no tunnel leads (http/interpret.h) a CONNECT is one like any other. */
	t->is_upgrade = has_protocol && !slice_equal_fold(protocol, SLICE("h2c"));
	if (is_connect && !t->is_upgrade ? !put_connect_line(t) : !put_target(t))
		return false;
	PUT_LITERAL(t, " HTTP/1.1\r\n");
	if (t->is_upgrade)
		put_upgrade(t);
	if (has(t, H2_PSEUDO_AUTHORITY) && t->pseudo[H2_PSEUDO_AUTHORITY].n > 0) {
		PUT_LITERAL(t, "host: ");
		t->authority_at = t->buf->w;
		t->has_host = true;
		put_pseudo(t, H2_PSEUDO_AUTHORITY);
		PUT_LITERAL(t, "\r\n");
	}
	return true;
}

/* RFC 8441 5: it is what 101 is in HTTP/1.1. */
static void
put_switch(struct h2_to_text *t)
{
	t->status = 101;
	PUT_LITERAL(t, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
		       "upgrade: websocket\r\nsec-websocket-accept: ");
	put(t, t->accept, strlen(t->accept));
	PUT_LITERAL(t, "\r\n");
}

static bool
put_status_line(struct h2_to_text *t)
{
	struct slice s = pseudo(t, H2_PSEUDO_STATUS);
	const char *phrase;

	if (!has(t, H2_PSEUDO_STATUS) || t->pseudo[H2_PSEUDO_STATUS].n != 3)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		t->status = (uint16_t)(t->status * 10 + (s.p[i] - '0'));
	}
	/* RFC 9113 8.6: there is nothing to switch to. */
	if (t->status < 100 || t->status == 101)
		return false;
	if (t->is_upgrade && t->status >= 200 && t->status < 300) {
		put_switch(t);
		return true;
	}
	if (t->status >= 200)
		t->is_upgrade = false;
	phrase = http_status_phrase(t->status);
	PUT_LITERAL(t, "HTTP/1.1 ");
	put(t, s.p, s.n);
	PUT_LITERAL(t, " ");
	put(t, phrase, strlen(phrase));
	PUT_LITERAL(t, "\r\n");
	return true;
}

static bool
begin_fields(struct h2_to_text *t)
{
	bool is_good;

	if (t->has_line)
		return true;
	t->has_line = true;
	is_good = t->kind == H2_HEAD_REQUEST ? put_request_line(t) : put_status_line(t);
	t->tail = t->buf->cap;
	return is_good;
}

/* fields */

/* RFC 9113 8.2.1 */
static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!http_is_tchar(c) || (c >= 'A' && c <= 'Z'))
			return false;
	}
	return s.n > 0;
}

static bool
is_value(struct slice s)
{
	return s.n == 0 || (http_is_value(s) && s.p[0] != ' ' && s.p[0] != '\t' &&
			    s.p[s.n - 1] != ' ' && s.p[s.n - 1] != '\t');
}

/* RFC 9113 8.3.1: of both names of the host the same is said. */
static bool
take_host(struct h2_to_text *t, struct slice value)
{
	const char *said = (const char *)t->buf->bytes + t->authority_at;

	if (!t->has_host) {
		t->has_host = true;
		t->authority_at = t->buf->w + (uint32_t)strlen("host: ");
		put_line(t, SLICE("host"), value);
		return true;
	}
	if (t->is_full)
		return true;
	for (size_t i = 0; i < value.n; i++) {
		char a = said[i];
		char b = value.p[i];

		if (a != b && ((a ^ b) != 0x20 || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
			return false;
	}
	return said[value.n] == '\r';
}

bool
h2_to_text_field(struct h2_to_text *t, struct slice name, struct slice value)
{
	enum http_field_id id;

	if (name.n > 0 && name.p[0] == ':')
		return take_pseudo_named(t, name, value);
	if (!t->is_full && t->buf->w + t->crumbs_n > t->most)
		fill(t);
	if (t->is_full)
		return true;
	if (!is_name(name) || !is_value(value) || !begin_fields(t))
		return false;
	t->n_fields++;
	id = http_field_id(name);
	switch (id) {
	case HTTP_FIELD_CONNECTION:
	case HTTP_FIELD_KEEP_ALIVE:
	case HTTP_FIELD_PROXY_CONNECTION:
	case HTTP_FIELD_TRANSFER_ENCODING:
	case HTTP_FIELD_UPGRADE:
		/* RFC 9113 8.2.2 */
		return false;
	case HTTP_FIELD_TE:
		if (!slice_equal_fold(value, SLICE("trailers")))
			return false;
		break;
	case HTTP_FIELD_CONTENT_LENGTH:
		/* RFC 9110 9.3.6 */
		if (t->kind == H2_HEAD_ANSWER && t->is_upgrade && t->status == 101)
			return true;
		if (t->kind == H2_HEAD_REQUEST && t->is_upgrade)
			return false;
		t->has_length = true;
		break;
	case HTTP_FIELD_HOST:
		if (t->kind == H2_HEAD_REQUEST)
			return take_host(t, value);
		break;
	default:
		break;
	}
	/* RFC 8441 5: it is of no use there, and ours follows. */
	if (t->is_websocket && slice_equal(name, SLICE("sec-websocket-key")))
		return true;
	if (t->kind == H2_HEAD_REQUEST && slice_equal(name, SLICE("cookie")))
		put_cookie(t, value);
	else
		put_line(t, name, value);
	return true;
}

/* refusing */

/* Bytes of one value, or of what was not taken. */
#define TOLD_MAX 512u

static struct slice
cut(struct slice s, size_t most)
{
	return (struct slice){s.p, s.n < most ? s.n : most};
}

/* The words of the first line, where that is written. */
static bool
read_line(const struct h2_to_text *t, struct h2_malformed *m)
{
	const char *p = (const char *)buf_data(t->buf);
	const char *end = memchr(p, '\r', buf_len(t->buf));
	const char *first = end != NULL ? memchr(p, ' ', (size_t)(end - p)) : NULL;
	const char *second =
		first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;

	if (second == NULL)
		return false;
	m->method = (struct slice){p, (size_t)(first - p)};
	m->target = (struct slice){first + 1, (size_t)(second - first - 1)};
	return true;
}

/* Of what has no first line the pseudo fields are all there is. */
static void
put_pseudo_lines(struct h2_to_text *t, struct h2_malformed *m)
{
	t->buf->w = t->buf->r;
	m->method = pseudo(t, H2_PSEUDO_METHOD);
	m->target = pseudo(t, H2_PSEUDO_PATH);
	for (int which = 0; which < H2_PSEUDO_COUNT; which++)
		if (has(t, (enum h2_pseudo)which))
			put_line(t, pseudo_names[which],
				 cut(pseudo(t, (enum h2_pseudo)which), TOLD_MAX));
}

void
h2_to_text_refuse(struct h2_to_text *t, struct slice name, struct slice value,
		  struct h2_malformed *ret)
{
	*ret = (struct h2_malformed){0};
	if (!read_line(t, ret))
		put_pseudo_lines(t, ret);
	if (!http_is_token(ret->method))
		ret->method.n = 0;
	ret->position = buf_len(t->buf);
	if (name.n > 0)
		put_line(t, cut(name, TOLD_MAX), cut(value, TOLD_MAX));
	else
		put(t, value.p, cut(value, TOLD_MAX).n);
	ret->text = (struct slice){(const char *)buf_data(t->buf), buf_len(t->buf)};
}

/* the end */

/* Where HTTP/1.1 would take no framing for a body that ends with the connection. */
static bool
answer_has_no_body(const struct h2_to_text *t)
{
	return t->status < 200 || t->status == 204 || t->status == 304 || t->to_head;
}

bool
h2_to_text_end(struct h2_to_text *t, bool is_end, const char *key, bool *ret_is_chunked)
{
	bool is_framed;

	*ret_is_chunked = false;
	if (!begin_fields(t))
		return false;
	put_crumbs(t);
	is_framed = t->has_length || t->is_upgrade;
	if (t->kind == H2_HEAD_TRAILERS)
		return true;
	if (t->kind == H2_HEAD_ANSWER && answer_has_no_body(t))
		is_framed = true;
	if (t->is_websocket) {
		PUT_LITERAL(t, "sec-websocket-key: ");
		put(t, key, H2_WEBSOCKET_KEY);
		PUT_LITERAL(t, "\r\n");
	}
	if (!is_framed && !is_end) {
		*ret_is_chunked = true;
		PUT_LITERAL(t, "transfer-encoding: chunked\r\n");
	} else if (!is_framed && t->kind == H2_HEAD_ANSWER) {
		PUT_LITERAL(t, "content-length: 0\r\n");
	}
	PUT_LITERAL(t, "\r\n");
	return true;
}
