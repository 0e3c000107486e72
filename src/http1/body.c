#include "http1/body.h"

#include <string.h>

#include "http/token.h"

/* 15 hex digits: no sum of sizes can wrap. */
#define MAX_CHUNK (UINT64_MAX >> 4)
/* Leading zeros are legal (RFC 9112 7.1) and no use: an endless size is none. */
#define MAX_SIZE_DIGITS 16

void
http1_body_init(struct http1_body *body, const struct http_head *head, uint64_t max_total,
		uint32_t max_extension, uint32_t max_trailer)
{
	body->kind = head->body;
	body->done = head->body == HTTP_BODY_NONE;
	body->state = HTTP1_CHUNK_SIZE_FIRST;
	body->left = head->body == HTTP_BODY_LENGTH ? head->content_length : 0;
	body->total = 0;
	body->max_total = max_total;
	body->extension_bytes = 0;
	body->size_digits = 0;
	body->is_request = !head->is_answer;
	body->n_nominated = head->n_nominated;
	memcpy(body->nominated, head->nominated, sizeof(body->nominated));
	body->max_extension = max_extension;
	body->trailer_bytes = 0;
	body->max_trailer = max_trailer;
	body->name_n = 0;
}

/*
 * Fields that would change framing or routing may not come late (RFC 9110
 * 6.5.1), nor those Connection nominates (7.6.1). Requests lose names with an underscore in their head; here nothing can
 * be taken out, so such a request is refused.
 */
static bool
trailer_is_allowed(const struct http1_body *body)
{
	enum http_field_id id = http_field_id((struct slice){body->name, body->name_n});
	uint8_t i;

	if (body->is_request && body->has_underscore)
		return false;
	for (i = 0; i < body->n_nominated; i++) {
		if (body->nominated[i] == body->name_hash)
			return false;
	}
	return id == HTTP_FIELD_OTHER || id == HTTP_FIELD_LOAD_REPORT ||
	       id == HTTP_FIELD_LOAD_REPORT_BIN;
}

static bool
is_value_char(unsigned char c)
{
	return http_is(c, HTTP_CHAR_VALUE);
}

/* One byte of chunk framing; false when it may not stand there. */
static bool
step_size(struct http1_body *b, unsigned char c)
{
	int digit = http_hex_value(c);

	if (digit >= 0) {
		if (b->left > (MAX_CHUNK >> 4) || ++b->size_digits > MAX_SIZE_DIGITS)
			return false;
		b->left = b->left << 4 | (unsigned)digit;
		b->state = HTTP1_CHUNK_SIZE;
		return true;
	}
	if (b->state == HTTP1_CHUNK_SIZE_FIRST)
		return false;
	b->extension_bytes = 0;
	b->size_digits = 0;
	if (c == '\r')
		b->state = HTTP1_CHUNK_SIZE_LF;
	else if (c == ';')
		b->state = HTTP1_CHUNK_EXTENSION;
	else
		return false;
	return true;
}

static bool
step_extension(struct http1_body *b, unsigned char c)
{
	if (c == '\r') {
		b->state = HTTP1_CHUNK_SIZE_LF;
		return true;
	}
	return is_value_char(c) && ++b->extension_bytes <= b->max_extension;
}

static bool
step_size_lf(struct http1_body *b, unsigned char c)
{
	if (c != '\n')
		return false;
	b->state = b->left > 0 ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_TRAILER_START;
	b->total += b->left;
	return true;
}

static bool
step_trailer_name(struct http1_body *b, unsigned char c)
{
	if (c == ':') {
		if (b->name_n == 0 || !trailer_is_allowed(b))
			return false;
		b->state = HTTP1_CHUNK_TRAILER_VALUE;
		return true;
	}
	if (!http_is_tchar(c))
		return false;
	b->has_underscore |= c == '_';
	b->name_hash = http_name_hash(b->name_hash, c);
	if (b->name_n < HTTP1_TRAILER_NAME)
		b->name[b->name_n++] = (char)c;
	return true;
}

static bool
step_trailer_start(struct http1_body *b, unsigned char c)
{
	if (c == '\r') {
		b->state = HTTP1_CHUNK_END_LF;
		return true;
	}
	b->name_n = 0;
	b->has_underscore = false;
	b->name_hash = HTTP_NAME_HASH;
	b->state = HTTP1_CHUNK_TRAILER_NAME;
	return step_trailer_name(b, c);
}

static bool
step_trailer_value(struct http1_body *b, unsigned char c)
{
	if (c == '\r')
		b->state = HTTP1_CHUNK_TRAILER_LF;
	return c == '\r' || is_value_char(c);
}

static bool
step_expect(struct http1_body *b, unsigned char c, char expected, enum http1_chunk_state next)
{
	b->state = next;
	return c == (unsigned char)expected;
}

static bool
step_byte(struct http1_body *b, unsigned char c)
{
	if (b->state >= HTTP1_CHUNK_TRAILER_START && ++b->trailer_bytes > b->max_trailer)
		return false;
	switch (b->state) {
	case HTTP1_CHUNK_SIZE_FIRST:
	case HTTP1_CHUNK_SIZE:
		return step_size(b, c);
	case HTTP1_CHUNK_EXTENSION:
		return step_extension(b, c);
	case HTTP1_CHUNK_SIZE_LF:
		return step_size_lf(b, c);
	case HTTP1_CHUNK_DATA:
		return false; /* taken in runs, never here */
	case HTTP1_CHUNK_DATA_CR:
		return step_expect(b, c, '\r', HTTP1_CHUNK_DATA_LF);
	case HTTP1_CHUNK_DATA_LF:
		return step_expect(b, c, '\n', HTTP1_CHUNK_SIZE_FIRST);
	case HTTP1_CHUNK_TRAILER_START:
		return step_trailer_start(b, c);
	case HTTP1_CHUNK_TRAILER_NAME:
		return step_trailer_name(b, c);
	case HTTP1_CHUNK_TRAILER_VALUE:
		return step_trailer_value(b, c);
	case HTTP1_CHUNK_TRAILER_LF:
		return step_expect(b, c, '\n', HTTP1_CHUNK_TRAILER_START);
	case HTTP1_CHUNK_END_LF:
		b->done = c == '\n';
		return b->done;
	}
	return false;
}

/* Chunk data from data[i]; `packed` NULL: left where it is. Returns the run's length. */
static size_t
take_data(struct http1_body *b, char *data, size_t i, size_t n, size_t *packed)
{
	size_t run = n - i < b->left ? n - i : (size_t)b->left;

	if (packed != NULL) {
		memmove(data + *packed, data + i, run);
		*packed += run;
	}
	b->left -= run;
	if (b->left == 0)
		b->state = HTTP1_CHUNK_DATA_CR;
	return run;
}

static enum http_fault
scan_chunked(struct http1_body *b, char *data, size_t n, size_t *ret_n, size_t *packed)
{
	size_t i = 0;

	while (i < n && !b->done) {
		if (b->state == HTTP1_CHUNK_DATA) {
			i += take_data(b, data, i, n, packed);
			continue;
		}
		if (!step_byte(b, (unsigned char)data[i])) {
			*ret_n = i;
			return HTTP_FAULT_SYNTAX;
		}
		i++;
		if (b->max_total != 0 && b->total > b->max_total) {
			*ret_n = i;
			return HTTP_FAULT_BODY_LENGTH;
		}
	}
	*ret_n = i;
	return HTTP_FAULT_NONE;
}

static enum http_fault
scan_plain(struct http1_body *b, size_t n, size_t *ret_n)
{
	if (b->kind == HTTP_BODY_LENGTH) {
		if (n > b->left)
			n = (size_t)b->left;
		b->left -= n;
		b->done = b->left == 0;
	}
	b->total += n;
	*ret_n = n;
	return HTTP_FAULT_NONE;
}

enum http_fault
http1_body_scan(struct http1_body *body, const char *data, size_t n, size_t *ret_n)
{
	*ret_n = 0;
	if (body->done)
		return HTTP_FAULT_NONE;
	if (body->kind == HTTP_BODY_CHUNKED)
		return scan_chunked(body, (char *)(uintptr_t)data, n, ret_n, NULL);
	return scan_plain(body, n, ret_n);
}

enum http_fault
http1_body_unchunk(struct http1_body *body, char *data, size_t n, size_t *ret_n, size_t *ret_packed)
{
	*ret_n = 0;
	*ret_packed = 0;
	if (body->done)
		return HTTP_FAULT_NONE;
	return scan_chunked(body, data, n, ret_n, ret_packed);
}
