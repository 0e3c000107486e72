/*
 * http1/parser.h: bytes to an HTTP/1 head; the door to llhttp.
 *
 * A head is parsed once, whole and in place. Before llhttp sees it every LF
 * is checked to have a CR (RFC 9112 2.2), and no line may start with white space (obs-fold, 5.2);
 * the request line and status line are checked to the letter (3, 4). llhttp goes on behind them from
 * where it stood behind another one, and gets the whole head only where a method that is not common or a
 * target that is no path is its to judge. It says where field names are; the lines between them are checked to
 * be whole, which a bare CR (llhttp 8.1 takes it for a line end) is not. Then http_head_interpret() reads
 * the fields.
 */
#ifndef TG_HTTP1_PARSER_H
#define TG_HTTP1_PARSER_H

#include "http/message.h"

struct http1_limits {
	uint32_t head_bytes; /* through the empty line */
	uint32_t uri_bytes;
	uint32_t headers;
};

/* Scratch of one worker; a head it gave is valid until the next parse. */
struct http1_parser;
struct http1_parser *http1_parser_new(unsigned max_headers); /* NULL: no memory */
void http1_parser_free(struct http1_parser *parser);

/* How far the search for the end of a head has come; zero at its start. */
struct http1_scan {
	uint32_t line;  /* where the current line starts */
	uint32_t seen;  /* bytes looked at */
	bool has_first; /* the first line is whole and good */
};

enum http1_result {
	HTTP1_HEAD = 0,       /* *ret_head is filled, *ret_n bytes belong to it */
	HTTP1_INCOMPLETE = 1, /* more bytes are needed */
	HTTP1_FAULT = 2       /* *ret_fault says what */
};

/*
 * Looks for a whole request head at the start of data[n]. Bytes of a head that
 * is already wrong are refused before it is complete, its first line as soon as
 * that is whole. *ret_n includes a CRLF before the request line (one is let
 * pass, RFC 9112 2.2). *ret_head is set in any case, as far as it was read.
 */
enum http1_result http1_parse_request(struct http1_parser *parser, struct http1_scan *scan,
				      const char *data, size_t n, const struct http1_limits *limits,
				      struct http_head *ret_head, size_t *ret_n,
				      enum http_fault *ret_fault);

/* The same for an answer; `to_head`: it answers a HEAD request. */
enum http1_result http1_parse_answer(struct http1_parser *parser, struct http1_scan *scan,
				     const char *data, size_t n, const struct http1_limits *limits,
				     bool to_head, struct http_head *ret_head, size_t *ret_n,
				     enum http_fault *ret_fault);

#endif
