/*
 * health/answer.h: reads the HTTP/1 answer of a checked backend. Pure.
 *
 * Strict as the data path: CRLF line ends, a well-formed status line, no
 * Transfer-Encoding but "chunked" alone, no second or contradicting length.
 * Of gRPC its status is read, which is among the fields or the trailers.
 * Interim answers (1xx but 101) are passed over.
 */
#ifndef TG_HEALTH_ANSWER_H
#define TG_HEALTH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TG_ANSWER_LINE_MAX 8192u      /* one line of the head or of chunked framing */
#define TG_ANSWER_HEAD_MAX 65536u     /* all heads and chunk lines together */
#define TG_ANSWER_SEARCH_MAX 65536u   /* decoded body bytes the needle is looked for in */

enum answer_state {
	TG_ANSWER_STATUS = 0,
	TG_ANSWER_FIELDS,
	TG_ANSWER_BODY_LENGTH,	 /* `left` bytes */
	TG_ANSWER_BODY_CLOSE,	 /* until the end of the connection */
	TG_ANSWER_CHUNK_SIZE,
	TG_ANSWER_CHUNK_DATA,	 /* `left` bytes */
	TG_ANSWER_CHUNK_END,	 /* CRLF after the data */
	TG_ANSWER_TRAILERS,
	TG_ANSWER_DONE,
	TG_ANSWER_STATE_COUNT
};

/* Storage is the caller's; about 8 KiB, and 64 KiB while a body is searched. */
struct answer {
	enum answer_state state;
	uint16_t status;
	bool found; /* the needle is in the body */
	const char *needle;
	bool is_head;
	bool keeps_body; /* set after answer_init(): complete with its end, body[body_n] is all of it */
	int grpc_status; /* of a field or a trailer; -1: there is none that is valid */
	bool is_chunked;
	bool has_length;
	uint64_t left;
	size_t head_n; /* bytes of lines so far */
	char *body;
	size_t body_n;
	size_t line_n;
	char line[TG_ANSWER_LINE_MAX];
};

/* `needle` NULL: the answer is complete with its head. It stays the caller's. */
void answer_init(struct answer *a, bool is_head, const char *needle);
void answer_fini(struct answer *a);

/*
 * Takes `n` bytes. 0: more is needed; 1: complete, or the needle was found;
 * -TG_EPROTO: not valid; -TG_ENOMEM. Bytes after the end are not looked at.
 */
TG_MUST_CHECK int answer_feed(struct answer *a, const char *p, size_t n);
/* The connection ended: 1 when that completes the answer, else -TG_EPROTO. */
TG_MUST_CHECK int answer_end(struct answer *a);

#endif
