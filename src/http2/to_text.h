/*
 * http2/to_text.h: the fields of a head as they come in HTTP/2, to the text of HTTP/1.1.
 *
 * RFC 9113 8.2, 8.3: what is malformed is a fault and never repaired. What the fields say, and whether they go together, is for
 * who reads the text (http1/parser.h); here counts what the text cannot say, and that nothing in a name or a value
 * ends a line.
 *
 * A head that is longer than it may be has no end: the buffer is full then, which is more than any limit of a head. A field
 * costs what it is long, and nothing behind that: HPACK says one of 4 KiB with one byte.
 */
#ifndef TG_HTTP2_TO_TEXT_H
#define TG_HTTP2_TO_TEXT_H

#include "base/buf.h"
#include "http/message.h"

enum h2_head_kind {
	H2_HEAD_REQUEST = 0,
	H2_HEAD_ANSWER = 1,
	H2_HEAD_TRAILERS = 2 /* lines alone, without the empty one */
};

enum h2_pseudo {
	H2_PSEUDO_METHOD = 0,
	H2_PSEUDO_SCHEME = 1,
	H2_PSEUDO_AUTHORITY = 2,
	H2_PSEUDO_PATH = 3,
	H2_PSEUDO_PROTOCOL = 4,
	H2_PSEUDO_STATUS = 5,
	H2_PSEUDO_COUNT
};

/* A random nonce of RFC 6455 4.1, in base64. */
#define H2_WEBSOCKET_KEY 24u
/* What is made of it (RFC 6455 4.2.2). */
#define H2_WEBSOCKET_ACCEPT 28u

/* One head under way. Storage is the caller's, and so is the buffer: a large one. */
struct h2_to_text {
	struct buf *buf;
	enum h2_head_kind kind;
	uint32_t most; /* bytes of the text, set after the begin: beyond it no field is looked at any more */
	bool has_line; /* the first line is written: no pseudo field may come any more */
	bool is_full;  /* it is too long, whatever else comes */
	bool has_length;
	bool has_host;
	bool to_head;      /* an answer to HEAD has no body */
	bool is_upgrade;   /* CONNECT for a protocol (RFC 8441); of an answer, set after the begin: it is one to that */
	const char *accept; /* with that: the value of Sec-WebSocket-Accept */
	bool is_websocket; /* this one */
	bool is_head_method;
	uint16_t status;
	uint32_t
		tail; /* values of pseudo fields are kept from here on, until the first line is written */
	uint32_t cookie_at;    /* end of the value of the Cookie line; 0: there is none */
	uint32_t crumbs_n;     /* bytes of what belongs there too: the last of the buffer, backwards */
	uint32_t authority_at; /* in the text */
	uint32_t n_fields;
	struct {
		uint32_t at;
		uint32_t n;
		bool is_there;
		bool is_cut; /* it is longer */
	} pseudo[H2_PSEUDO_COUNT];
};

/* `buf` is large and empty. `to_head`: of answers. */
void h2_to_text_begin(struct h2_to_text *t, enum h2_head_kind kind, bool to_head, struct buf *buf);
/* False: malformed (RFC 9113 8.1.1). */
bool h2_to_text_field(struct h2_to_text *t, struct slice name, struct slice value);
/*
 * `is_end`: nothing follows the head. `key`: for a WebSocket, H2_WEBSOCKET_KEY bytes. False: malformed. Else the text
 * is in the buffer. *ret_is_chunked: the body that follows is to be in chunks.
 */
bool h2_to_text_end(struct h2_to_text *t, bool is_end, const char *key, bool *ret_is_chunked);

/* A request that is refused, as far as it is known. Valid as long as the buffer. */
struct h2_malformed {
	struct slice text; /* what was taken of it; then what was not: from `position` on */
	size_t position;
	struct slice method; /* empty: unknown, or no token */
	struct slice target;
};
/* Behind h2_to_text_field() or h2_to_text_end() that said false, or in their place. Not taken is the field; without a
 * name, what `value` says of it. */
void h2_to_text_refuse(struct h2_to_text *t, struct slice name, struct slice value,
		       struct h2_malformed *ret);

#endif
