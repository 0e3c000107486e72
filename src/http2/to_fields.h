/*
 * http2/to_fields.h: the text of a head of HTTP/1.1, to the fields that HTTP/2 sends.
 *
 * The text is our own: http1/parser.h has read it, and l7/ has written it anew. What says something of the connection is
 * left out (RFC 9113 8.2.2); names are in lower case once they are sent.
 */
#ifndef TG_HTTP2_TO_FIELDS_H
#define TG_HTTP2_TO_FIELDS_H

#include <nghttp2/nghttp2.h>

#include "base/err.h"
#include "http/message.h"
#include "http2/to_text.h"

struct h2_fields {
	nghttp2_nv *nv; /* pointers into the text */
	size_t n;
	uint16_t status; /* answers: as the text has it */
	enum http_body_kind body;
	uint64_t content_length;
	bool is_head_method; /* requests */
	struct slice method; /* requests: as the text has it */
	struct slice protocol; /* requests: that is_upgrade is for */
	struct slice key;    /* requests: of Sec-WebSocket-Key; n 0: there is none */
	bool is_upgrade;     /* a request for a protocol, or 101: the body is that protocol's */
};

/* The length of the head at the start of text[n] with its empty line; 0: it is not whole. *seen: how far that is known; 0 at
 * first. */
size_t h2_head_length(const char *text, size_t n, size_t *seen);

/*
 * text[n] is a whole head, or trailers. `room`: entries of nv[]. `scheme`: of requests. `to_head`: the answer has no body.
 * -TG_EPROTO: it is none; -TG_ELIMIT: too many fields.
 */
TG_MUST_CHECK int h2_to_fields(enum h2_head_kind kind, const char *text, size_t n, bool to_head,
			       struct slice scheme, nghttp2_nv *nv, size_t room,
			       struct h2_fields *ret);

#endif
