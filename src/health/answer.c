#include "health/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
answer_init(struct answer *a, bool is_head, const char *needle)
{
	memset(a, 0, offsetof(struct answer, line));
	a->is_head = is_head;
	a->needle = needle;
	a->grpc_status = -1;
}

void
answer_fini(struct answer *a)
{
	free(a->body);
	a->body = NULL;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 5.5: visible bytes, space, tab, obs-text. */
static bool
is_field_text(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
is_token(const char *s, size_t n)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!is_digit(c) && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return n > 0;
}

/* RFC 9112 4: "HTTP/1.1 200 OK"; the space before an absent reason may be absent too. */
static int
take_status_line(struct answer *a, const char *s, size_t n)
{
	if (n < 12 || memcmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') || s[8] != ' ')
		return -TG_EPROTO;
	if (s[9] < '1' || s[9] > '9' || !is_digit(s[10]) || !is_digit(s[11]))
		return -TG_EPROTO;
	if (n > 12 && (s[12] != ' ' || !is_field_text(s + 13, n - 13)))
		return -TG_EPROTO;
	a->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	a->is_chunked = false;
	a->has_length = false;
	a->left = 0;
	a->state = TG_ANSWER_FIELDS;
	return 0;
}

static int
take_length(struct answer *a, const char *s, size_t n)
{
	uint64_t value = 0;

	if (n == 0 || n > 18 || a->has_length)
		return -TG_EPROTO;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s[i]))
			return -TG_EPROTO;
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	a->has_length = true;
	a->left = value;
	return 0;
}

static int
take_coding(struct answer *a, const char *s, size_t n)
{
	if (a->is_chunked || n != 7 || strncasecmp(s, "chunked", 7) != 0)
		return -TG_EPROTO;
	a->is_chunked = true;
	return 0;
}

static bool
is_name(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && strncasecmp(s, name, n) == 0;
}

static void
take_grpc_status(struct answer *a, const char *s, size_t n)
{
	int value = 0;

	a->grpc_status = -1;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s[i]) || i == 3)
			return;
		value = value * 10 + (s[i] - '0');
	}
	if (n > 0)
		a->grpc_status = value;
}

static int
take_field(struct answer *a, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t name_n = colon != NULL ? (size_t)(colon - s) : 0;
	const char *value;
	size_t value_n;

	if (colon == NULL || !is_token(s, name_n))
		return -TG_EPROTO;
	value = colon + 1;
	value_n = n - name_n - 1;
	for (; value_n > 0 && (*value == ' ' || *value == '\t'); value++)
		value_n--;
	while (value_n > 0 && (value[value_n - 1] == ' ' || value[value_n - 1] == '\t'))
		value_n--;
	if (!is_field_text(value, value_n))
		return -TG_EPROTO;
	if (is_name(s, name_n, "grpc-status"))
		take_grpc_status(a, value, value_n);
	if (a->state != TG_ANSWER_FIELDS)
		return 0;
	if (is_name(s, name_n, "content-length"))
		return take_length(a, value, value_n);
	if (is_name(s, name_n, "transfer-encoding"))
		return take_coding(a, value, value_n);
	return 0;
}

static bool
is_interim(const struct answer *a)
{
	return a->status < 200 && a->status != 101;
}

static bool
has_no_body(const struct answer *a)
{
	return a->is_head || a->status < 200 || a->status == 204 || a->status == 304 ||
	       (a->has_length && a->left == 0);
}

/* The empty line after the fields. */
static int
take_head_end(struct answer *a)
{
	if (a->is_chunked && a->has_length)
		return -TG_EPROTO;
	if (is_interim(a))
		a->state = TG_ANSWER_STATUS;
	else if ((a->needle == NULL && !a->keeps_body) || has_no_body(a))
		a->state = TG_ANSWER_DONE;
	else if (a->is_chunked)
		a->state = TG_ANSWER_CHUNK_SIZE;
	else if (a->has_length)
		a->state = TG_ANSWER_BODY_LENGTH;
	else
		a->state = TG_ANSWER_BODY_CLOSE;
	return 0;
}

static int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* RFC 9112 7.1: hex digits, then perhaps extensions, which are not looked at. */
static int
take_chunk_size(struct answer *a, const char *s, size_t n)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < n && hex_digit(s[i]) >= 0; i++) {
		if (i == 15)
			return -TG_EPROTO;
		value = value * 16 + (uint64_t)hex_digit(s[i]);
	}
	if (i == 0 || !is_field_text(s + i, n - i))
		return -TG_EPROTO;
	if (i < n && s[i] != ';' && s[i] != ' ' && s[i] != '\t')
		return -TG_EPROTO;
	a->left = value;
	a->state = value > 0 ? TG_ANSWER_CHUNK_DATA : TG_ANSWER_TRAILERS;
	return 0;
}

/* One line without its CRLF. */
static int
take_line(struct answer *a, const char *s, size_t n)
{
	switch (a->state) {
	case TG_ANSWER_STATUS:
		return take_status_line(a, s, n);
	case TG_ANSWER_FIELDS:
		return n > 0 ? take_field(a, s, n) : take_head_end(a);
	case TG_ANSWER_CHUNK_SIZE:
		return take_chunk_size(a, s, n);
	case TG_ANSWER_CHUNK_END:
		a->state = TG_ANSWER_CHUNK_SIZE;
		return n == 0 ? 0 : -TG_EPROTO;
	case TG_ANSWER_TRAILERS:
		if (n > 0)
			return take_field(a, s, n);
		a->state = TG_ANSWER_DONE;
		return 0;
	case TG_ANSWER_BODY_LENGTH:
	case TG_ANSWER_BODY_CLOSE:
	case TG_ANSWER_CHUNK_DATA:
	case TG_ANSWER_DONE:
	case TG_ANSWER_STATE_COUNT:
		break;
	}
	return -TG_EPROTO;
}

/* Collects bytes up to LF; returns how many were taken, or negative. */
static ssize_t
feed_line(struct answer *a, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t take = lf != NULL ? (size_t)(lf - p) + 1 : n;
	int rc;

	if (take > sizeof(a->line) - a->line_n || take > TG_ANSWER_HEAD_MAX - a->head_n)
		return -TG_EPROTO;
	memcpy(a->line + a->line_n, p, take);
	a->line_n += take;
	a->head_n += take;
	if (lf == NULL)
		return (ssize_t)take;
	if (a->line_n < 2 || a->line[a->line_n - 2] != '\r' ||
	    memchr(a->line, '\r', a->line_n - 2) != NULL)
		return -TG_EPROTO;
	rc = take_line(a, a->line, a->line_n - 2);
	a->line_n = 0;
	return rc < 0 ? rc : (ssize_t)take;
}

/* Looks for the needle where the new bytes could complete it. */
static void
search(struct answer *a, size_t old_n)
{
	size_t needle_n = strlen(a->needle);
	size_t from = old_n + 1 > needle_n ? old_n + 1 - needle_n : 0;

	a->found = memmem(a->body + from, a->body_n - from, a->needle, needle_n) != NULL;
}

/* Body bytes, decoded. The answer is done when found, or when no more is looked at. */
static int
take_body(struct answer *a, const char *p, size_t n)
{
	size_t old_n = a->body_n;

	if (a->body == NULL) {
		a->body = malloc(TG_ANSWER_SEARCH_MAX);
		if (a->body == NULL)
			return -TG_ENOMEM;
	}
	if (n > TG_ANSWER_SEARCH_MAX - a->body_n)
		n = TG_ANSWER_SEARCH_MAX - a->body_n;
	memcpy(a->body + a->body_n, p, n);
	a->body_n += n;
	if (a->needle != NULL)
		search(a, old_n);
	if (a->found || a->body_n == TG_ANSWER_SEARCH_MAX)
		a->state = TG_ANSWER_DONE;
	return 0;
}

static ssize_t
feed_body(struct answer *a, const char *p, size_t n)
{
	bool is_bounded = a->state != TG_ANSWER_BODY_CLOSE;
	int rc;

	if (is_bounded && n > a->left)
		n = (size_t)a->left;
	rc = take_body(a, p, n);
	if (rc < 0)
		return rc;
	if (is_bounded)
		a->left -= n;
	if (a->state == TG_ANSWER_CHUNK_DATA && a->left == 0)
		a->state = TG_ANSWER_CHUNK_END;
	else if (a->state == TG_ANSWER_BODY_LENGTH && a->left == 0)
		a->state = TG_ANSWER_DONE;
	return (ssize_t)n;
}

static bool
is_in_body(const struct answer *a)
{
	return a->state == TG_ANSWER_BODY_LENGTH || a->state == TG_ANSWER_BODY_CLOSE ||
	       a->state == TG_ANSWER_CHUNK_DATA;
}

int
answer_feed(struct answer *a, const char *p, size_t n)
{
	while (n > 0 && a->state != TG_ANSWER_DONE) {
		ssize_t taken = is_in_body(a) ? feed_body(a, p, n) : feed_line(a, p, n);

		if (taken < 0)
			return (int)taken;
		p += taken;
		n -= (size_t)taken;
	}
	return a->state == TG_ANSWER_DONE ? 1 : 0;
}

int
answer_end(struct answer *a)
{
	if (a->state == TG_ANSWER_BODY_CLOSE)
		a->state = TG_ANSWER_DONE;
	return a->state == TG_ANSWER_DONE ? 1 : -TG_EPROTO;
}
