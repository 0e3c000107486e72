/*
 * http1/body.h: where a message body ends (RFC 9112 6, 7).
 *
 * Bytes go through as they came: the scanner only checks and counts. Chunked
 * is read to the letter: hex size, extensions within a limit, CRLF everywhere,
 * trailer fields that may not change the message.
 */
#ifndef TG_HTTP1_BODY_H
#define TG_HTTP1_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/message.h"

enum http1_chunk_state {
	HTTP1_CHUNK_SIZE_FIRST = 0, /* a digit must come */
	HTTP1_CHUNK_SIZE = 1,
	HTTP1_CHUNK_EXTENSION = 2,
	HTTP1_CHUNK_SIZE_LF = 3,
	HTTP1_CHUNK_DATA = 4,
	HTTP1_CHUNK_DATA_CR = 5,
	HTTP1_CHUNK_DATA_LF = 6,
	HTTP1_CHUNK_TRAILER_START = 7,
	HTTP1_CHUNK_TRAILER_NAME = 8,
	HTTP1_CHUNK_TRAILER_VALUE = 9,
	HTTP1_CHUNK_TRAILER_LF = 10,
	HTTP1_CHUNK_END_LF = 11
};

/* How many bytes of a trailer name are remembered: longer ones are of no interest. */
#define HTTP1_TRAILER_NAME 32

struct http1_body {
	enum http_body_kind kind;
	bool done;
	enum http1_chunk_state state;
	uint64_t left;            /* of the length or of the chunk */
	uint64_t total;           /* body bytes so far, framing not counted */
	uint64_t max_total;       /* 0: no limit */
	uint32_t extension_bytes; /* of this chunk line */
	uint32_t max_extension;
	uint8_t size_digits; /* of this chunk size */
	bool is_request;
	uint8_t n_nominated;
	uint32_t nominated[HTTP_NOMINATED_MAX]; /* trailers of these names may not pass */
	uint32_t name_hash;                     /* of the trailer name being read */
	bool has_underscore;                    /* the trailer name being read */
	uint32_t trailer_bytes;
	uint32_t max_trailer;
	uint8_t name_n; /* of the trailer name being read */
	char name[HTTP1_TRAILER_NAME];
};

void http1_body_init(struct http1_body *body, const struct http_head *head, uint64_t max_total,
		     uint32_t max_extension, uint32_t max_trailer);

/*
 * How many of data[n] belong to the body. Sets body->done when it ends there.
 * Stops at the end: what follows belongs to the next message. A fault is
 * SYNTAX or BODY_LENGTH; *ret_n then counts the good bytes before it.
 */
enum http_fault http1_body_scan(struct http1_body *body, const char *data, size_t n, size_t *ret_n);

/*
 * The same for a chunked body, and packs its own bytes, without chunk framing
 * and trailers, to the start of `data`; *ret_packed counts them.
 */
enum http_fault http1_body_unchunk(struct http1_body *body, char *data, size_t n, size_t *ret_n,
				   size_t *ret_packed);

/* How many of the bytes that come next are the sender's own, whatever they are: framing may stand behind them. */
static inline uint64_t
http1_body_run(const struct http1_body *body)
{
	if (body->done)
		return 0;
	if (body->kind == HTTP_BODY_UNTIL_CLOSE)
		return UINT64_MAX;
	return body->kind == HTTP_BODY_LENGTH || body->state == HTTP1_CHUNK_DATA ? body->left : 0;
}

/* `n` of them went by unseen: fewer than all, as the end of a body is to be seen. */
static inline void
http1_body_skip(struct http1_body *body, uint64_t n)
{
	if (body->kind != HTTP_BODY_UNTIL_CLOSE)
		body->left -= n;
	if (body->kind != HTTP_BODY_CHUNKED)
		body->total += n;
}

/* Body bytes that have come, without those of a chunk that are only announced. */
static inline uint64_t
http1_body_received(const struct http1_body *body)
{
	return body->state == HTTP1_CHUNK_DATA ? body->total - body->left : body->total;
}

#endif
