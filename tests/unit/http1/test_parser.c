#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/target.h"
#include "http1/parser.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define HEADERS_MAX 32

static const struct http1_limits usual = {
	.head_bytes = 2048, .uri_bytes = 256, .headers = HEADERS_MAX};

enum side { REQUEST = 0, ANSWER = 1, ANSWER_TO_HEAD = 2 };

/* What a parse came to, in one piece or many. */
struct outcome {
	enum http1_result result;
	enum http_fault fault;
	size_t n;
	struct http_head head;
};

static int
setup(void **state)
{
	*state = http1_parser_new(HEADERS_MAX);
	return *state == NULL;
}

static int
teardown(void **state)
{
	http1_parser_free(*state);
	http1_parser_free(NULL);
	return 0;
}

static struct outcome
parse(struct http1_parser *p, struct http1_scan *scan, enum side side, const char *data, size_t n,
      const struct http1_limits *limits)
{
	struct outcome o = {.fault = HTTP_FAULT_NONE};

	if (side == REQUEST)
		o.result = http1_parse_request(p, scan, data, n, limits, &o.head, &o.n, &o.fault);
	else
		o.result = http1_parse_answer(p, scan, data, n, limits, side == ANSWER_TO_HEAD,
					      &o.head, &o.n, &o.fault);
	return o;
}

static struct outcome
parse_whole(struct http1_parser *p, enum side side, const char *data, size_t n)
{
	struct http1_scan scan = {0};

	return parse(p, &scan, side, data, n, &usual);
}

/* Ever more bytes of the same message, as they would arrive: `cut`, `cut` + `step`, ... */
static struct outcome
parse_pieces(struct http1_parser *p, enum side side, const char *data, size_t n, size_t cut,
	     size_t step)
{
	struct http1_scan scan = {0};
	struct outcome o = {.result = HTTP1_INCOMPLETE};

	while (o.result == HTTP1_INCOMPLETE) {
		/* Exactly the bytes that are there: a look further is seen by a sanitizer. */
		char *copy = malloc(cut > 0 ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, data, cut);
		o = parse(p, &scan, side, copy, cut, &usual);
		free(copy);
		if (cut == n)
			break;
		cut = n - cut < step ? n : cut + step;
	}
	return o;
}

/* Slices point into memory that is gone: only what is said of them is compared. */
static void
assert_same(const struct outcome *a, const struct outcome *b, const char *name, size_t cut)
{
	bool same = a->result == b->result && a->fault == b->fault;

	if (same && a->result == HTTP1_HEAD)
		same = a->n == b->n && a->head.n_fields == b->head.n_fields &&
		       a->head.status == b->head.status && a->head.body == b->head.body &&
		       a->head.content_length == b->head.content_length &&
		       a->head.method.n == b->head.method.n &&
		       a->head.target.n == b->head.target.n &&
		       a->head.keep_alive == b->head.keep_alive;
	if (!same)
		fail_msg("%s: cut at %zu: result %d fault %d, not %d and %d", name, cut,
			 (int)b->result, (int)b->fault, (int)a->result, (int)a->fault);
}

#define H      "Host: h\r\n"
#define END    "\r\n"
#define SYNTAX HTTP_FAULT_SYNTAX

/* RFC 9112 unless another is named. */
static const struct {
	const char *name;
	const char *text;
	enum http_fault fault; /* NONE: a head */
} requests[] = {
	{"3 simplest", "GET / HTTP/1.1\r\n" H END, HTTP_FAULT_NONE},
	{"3 of 1.0", "GET / HTTP/1.0\r\n" END, HTTP_FAULT_NONE},
	{"3 all parts", "POST /a?b HTTP/1.1\r\n" H "Content-Length: 3\r\nA: b\r\n" END,
	 HTTP_FAULT_NONE},
	{"2.2 one empty line before", "\r\nGET / HTTP/1.1\r\n" H END, HTTP_FAULT_NONE},
	{"2.2 two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n" H END, SYNTAX},
	{"2.2 bare LF before", "\nGET / HTTP/1.1\r\n" H END, SYNTAX},
	{"2.2 bare CR before", "\rGET / HTTP/1.1\r\n" H END, SYNTAX},
	{"2.2 bare LF ends the line", "GET / HTTP/1.1\nHost: h\r\n" END, SYNTAX},
	{"2.2 bare CR ends the line", "GET / HTTP/1.1\rHost: h\r\n" END, SYNTAX},
	{"2.2 bare LF ends a field", "GET / HTTP/1.1\r\nHost: h\n" END, SYNTAX},
	{"2.2 bare CR ends a field", "GET / HTTP/1.1\r\nHost: h\rA: b\r\n" END, SYNTAX},
	{"2.2 bare CR in a value", "GET / HTTP/1.1\r\n" H "A: b\rc\r\n" END, SYNTAX},
	{"2.2 two CR", "GET / HTTP/1.1\r\n" H "A: b\r\r\n" END, SYNTAX},
	{"2.2 bare LF at the end", "GET / HTTP/1.1\r\n" H "\n", SYNTAX},
	{"2.2 bare CR at the end", "GET / HTTP/1.1\r\n" H "\rx\n", SYNTAX},
	{"2.2 bare CR before a field", "GET / HTTP/1.1\r\n" H "\rA: b\r\n" END, SYNTAX},
	{"2.2 bare CR before all fields", "GET / HTTP/1.0\r\n\rA: b\r\n" END, SYNTAX},
	{"2.2 bare CR in the target", "GET /\r/ HTTP/1.1\r\n" H END, SYNTAX},
	{"2.2 white space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n" END, SYNTAX},
	{"3 leading space", " GET / HTTP/1.1\r\n" H END, SYNTAX},
	{"3 two spaces after the method", "GET  / HTTP/1.1\r\n" H END, SYNTAX},
	{"3 two spaces before the version", "GET /  HTTP/1.1\r\n" H END, SYNTAX},
	{"3 space after the version", "GET / HTTP/1.1 \r\n" H END, SYNTAX},
	{"3 tab for a space", "GET\t/ HTTP/1.1\r\n" H END, SYNTAX},
	{"3 tab for the second", "GET /\tHTTP/1.1\r\n" H END, SYNTAX},
	{"3 space in the target", "GET /a b HTTP/1.1\r\n" H END, SYNTAX},
	{"3 no target", "GET HTTP/1.1\r\n" H END, SYNTAX},
	{"3 no method", "/ HTTP/1.1\r\n" H END, SYNTAX},
	{"3 only a word", "GET\r\n" END, SYNTAX},
	{"3 HTTP/0.9", "GET /\r\n" END, SYNTAX},
	{"3.1 method is a token", "G{T / HTTP/1.1\r\n" H END, SYNTAX},
	{"3.1 method with colon", "GET: / HTTP/1.1\r\n" H END, SYNTAX},
	{"3.1 lower case is another method", "get / HTTP/1.1\r\n" H END, HTTP_FAULT_METHOD},
	{"9110 9.1 unknown method", "BREW / HTTP/1.1\r\n" H END, HTTP_FAULT_METHOD},
	{"9110 9.1 begin of a known one", "GE / HTTP/1.1\r\n" H END, HTTP_FAULT_METHOD},
	{"9110 9.1 known one and more", "GETS / HTTP/1.1\r\n" H END, HTTP_FAULT_METHOD},
	{"2.3 HTTP/2.0", "GET / HTTP/2.0\r\n" H END, HTTP_FAULT_VERSION},
	{"2.3 HTTP/1.2", "GET / HTTP/1.2\r\n" H END, HTTP_FAULT_VERSION},
	{"2.3 HTTP/0.9 by name", "GET / HTTP/0.9\r\n" H END, HTTP_FAULT_VERSION},
	{"9113 3.4 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_FAULT_VERSION},
	{"2.3 lower case", "GET / http/1.1\r\n" H END, SYNTAX},
	{"2.3 one digit", "GET / HTTP/1\r\n" H END, SYNTAX},
	{"2.3 two digits", "GET / HTTP/1.10\r\n" H END, SYNTAX},
	{"2.3 letters", "GET / HTTP/1.x\r\n" H END, SYNTAX},
	{"2.3 another protocol", "GET / ICE/1.1\r\n" H END, SYNTAX},
	{"5 no colon", "GET / HTTP/1.1\r\n" H "A\r\n" END, SYNTAX},
	{"5 empty name", "GET / HTTP/1.1\r\n" H ": b\r\n" END, SYNTAX},
	{"5.1 space before the colon", "GET / HTTP/1.1\r\n" H "A : b\r\n" END, SYNTAX},
	{"5.1 tab before the colon", "GET / HTTP/1.1\r\n" H "A\t: b\r\n" END, SYNTAX},
	{"5.1 space inside a name", "GET / HTTP/1.1\r\n" H "A B: b\r\n" END, SYNTAX},
	{"5.1 name not a token", "GET / HTTP/1.1\r\n" H "A(b): c\r\n" END, SYNTAX},
	{"5.1 name not ASCII", "GET / HTTP/1.1\r\n" H "\xc3\xa4: c\r\n" END, SYNTAX},
	{"5.2 obs-fold", "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n" END, SYNTAX},
	{"5.2 obs-fold by tab", "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n" END, SYNTAX},
	{"9110 5.5 control in a value", "GET / HTTP/1.1\r\n" H "A: b\x01\r\n" END, SYNTAX},
	{"9110 5.5 DEL in a value", "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n" END, SYNTAX},
	{"9110 5.5 tab in a value", "GET / HTTP/1.1\r\n" H "A: b\tc\r\n" END, HTTP_FAULT_NONE},
	{"9110 5.5 obs-text in a value", "GET / HTTP/1.1\r\n" H "A: \xe4\xff\r\n" END,
	 HTTP_FAULT_NONE},
	{"9110 5.5 empty value", "GET / HTTP/1.1\r\n" H "A:\r\nB: c\r\n" END, HTTP_FAULT_NONE},
	{"9110 5.5 value of white space", "GET / HTTP/1.1\r\n" H "A: \t \r\nB:c\r\n" END,
	 HTTP_FAULT_NONE},
	{"3.2 no Host", "GET / HTTP/1.1\r\nA: b\r\n" END, SYNTAX},
	{"6.1 length and coding",
	 "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END, SYNTAX},
	{"6.1 coding and length",
	 "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n" END, SYNTAX},
	{"6.1 in 1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" END, SYNTAX},
	{"6.1 gzip", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n" END, HTTP_FAULT_CODING},
	{"6.3 chunked not last", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n" END,
	 SYNTAX},
	{"6.3 two lengths",
	 "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n" END, SYNTAX},
	{"9110 8.6 bad length", "POST / HTTP/1.1\r\n" H "Content-Length: 1a\r\n" END, SYNTAX},
	{"9110 7.8 upgrade", "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: x\r\n" END,
	 HTTP_FAULT_NONE},
	{"9110 9.3.6 CONNECT", "CONNECT a:1 HTTP/1.1\r\n" H END, HTTP_FAULT_NONE},
};

/* Everything a test says about one text. */
static void
check_text(struct http1_parser *p, enum side side, const char *name, const char *text, size_t n,
	   enum http_fault fault)
{
	struct outcome whole = parse_whole(p, side, text, n);
	struct outcome pieces;
	char *followed;

	if (fault == HTTP_FAULT_NONE ? whole.result != HTTP1_HEAD || whole.n != n
				     : whole.result != HTTP1_FAULT || whole.fault != fault)
		fail_msg("%s: result %d fault %d, %zu of %zu bytes", name, (int)whole.result,
			 (int)whole.fault, whole.n, n);
	for (size_t cut = 0; cut <= n; cut++) {
		pieces = parse_pieces(p, side, text, n, cut, n);
		assert_same(&whole, &pieces, name, cut);
	}
	for (size_t step = 1; step <= 3; step++) {
		pieces = parse_pieces(p, side, text, n, 0, step);
		assert_same(&whole, &pieces, name, step);
	}
	/* What follows belongs to the next message and changes nothing. */
	followed = malloc(n + 5);
	assert_non_null(followed);
	memcpy(followed, text, n);
	memcpy(followed + n, "\r\n \r\n", 5);
	pieces = parse_whole(p, side, followed, n + 5);
	assert_same(&whole, &pieces, name, n + 5);
	free(followed);
}

static void
requests_are_the_same_cut_anywhere(void **state)
{
	for (size_t i = 0; i < COUNT(requests); i++)
		check_text(*state, REQUEST, requests[i].name, requests[i].text,
			   strlen(requests[i].text), requests[i].fault);
}

static const struct {
	const char *name;
	const char *text;
	enum http_fault fault;
} answers[] = {
	{"4 simplest", "HTTP/1.1 200 OK\r\n" END, HTTP_FAULT_NONE},
	{"4 of 1.0", "HTTP/1.0 200 OK\r\n" END, HTTP_FAULT_NONE},
	{"4 empty reason", "HTTP/1.1 200 \r\n" END, HTTP_FAULT_NONE},
	{"4 no reason and no space", "HTTP/1.1 200\r\n" END, HTTP_FAULT_NONE},
	{"4 long reason", "HTTP/1.1 404 Not \xe4 Found\tat all\r\n" END, HTTP_FAULT_NONE},
	{"4 control in the reason", "HTTP/1.1 200 O\x01K\r\n" END, SYNTAX},
	{"4 fields", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n" END, HTTP_FAULT_NONE},
	{"9110 15 smallest status", "HTTP/1.1 100 C\r\n" END, HTTP_FAULT_NONE},
	{"9110 15 largest status", "HTTP/1.1 599 C\r\n" END, HTTP_FAULT_NONE},
	{"9110 15 status 099", "HTTP/1.1 099 C\r\n" END, SYNTAX},
	{"9110 15 status 600", "HTTP/1.1 600 C\r\n" END, SYNTAX},
	{"4 two digits", "HTTP/1.1 20 OK\r\n" END, SYNTAX},
	{"4 four digits", "HTTP/1.1 2000 OK\r\n" END, SYNTAX},
	{"4 letters", "HTTP/1.1 2x0 OK\r\n" END, SYNTAX},
	{"4 sign", "HTTP/1.1 +20 OK\r\n" END, SYNTAX},
	{"4 two spaces", "HTTP/1.1  200 OK\r\n" END, SYNTAX},
	{"4 tab", "HTTP/1.1\t200 OK\r\n" END, SYNTAX},
	{"4 no status", "HTTP/1.1\r\n" END, SYNTAX},
	{"4 lower case", "http/1.1 200 OK\r\n" END, SYNTAX},
	{"4 another protocol", "ICY 200 OK\r\n" END, SYNTAX},
	{"4 leading space", " HTTP/1.1 200 OK\r\n" END, SYNTAX},
	{"4 leading line", "\r\nHTTP/1.1 200 OK\r\n" END, SYNTAX},
	{"2.3 HTTP/2.0", "HTTP/2.0 200 OK\r\n" END, HTTP_FAULT_VERSION},
	{"2.3 HTTP/1.2", "HTTP/1.2 200 OK\r\n" END, HTTP_FAULT_VERSION},
	{"4 a request", "GET / HTTP/1.1\r\n" END, SYNTAX},
	{"2.2 bare LF", "HTTP/1.1 200 OK\nA: b\r\n" END, SYNTAX},
	{"2.2 bare CR", "HTTP/1.1 200 OK\rA: b\r\n" END, SYNTAX},
	{"2.2 bare CR in a value", "HTTP/1.1 200 OK\r\nA: b\rc\r\n" END, SYNTAX},
	{"2.2 bare CR before all fields", "HTTP/1.1 200 OK\r\n\rA: b\r\n" END, SYNTAX},
	{"5.1 space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n" END, SYNTAX},
	{"5.2 obs-fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n" END, SYNTAX},
	{"5 no colon", "HTTP/1.1 200 OK\r\nA\r\n" END, SYNTAX},
	{"5 empty name", "HTTP/1.1 200 OK\r\n: b\r\n" END, SYNTAX},
	{"9110 5.5 control in a value", "HTTP/1.1 200 OK\r\nA: \x02\r\n" END, SYNTAX},
	{"6.3 two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n" END,
	 SYNTAX},
	{"6.1 length and coding",
	 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" END, SYNTAX},
	{"9110 8.6 bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n" END, SYNTAX},
	{"6.1 gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n" END,
	 HTTP_FAULT_CODING},
	{"9110 15.2.2 switching", "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n" END,
	 HTTP_FAULT_NONE},
};

static void
answers_are_the_same_cut_anywhere(void **state)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		check_text(*state, ANSWER, answers[i].name, answers[i].text,
			   strlen(answers[i].text), answers[i].fault);
		check_text(*state, ANSWER_TO_HEAD, answers[i].name, answers[i].text,
			   strlen(answers[i].text), answers[i].fault);
	}
}

/* llhttp gets the whole of a head whose method is not a common one: the others must come to the same. */
static void
common_methods_are_judged_as_others_are(void **state)
{
	for (size_t i = 0; i < COUNT(requests); i++) {
		const char *rest = requests[i].text + 4;
		struct outcome common;
		struct outcome other;
		char text[256];
		int n;

		if (strncmp(requests[i].text, "GET /", 5) != 0)
			continue;
		common = parse_whole(*state, REQUEST, requests[i].text, 4 + strlen(rest));
		n = snprintf(text, sizeof(text), "COPY %s", rest);
		other = parse_whole(*state, REQUEST, text, (size_t)n);
		if (common.result != other.result || common.fault != other.fault ||
		    common.head.n_fields != other.head.n_fields)
			fail_msg("%s: %d and %d", requests[i].name, (int)common.fault,
				 (int)other.fault);
	}
}

static void
paths_are_judged_as_llhttp_judges_them(void **state)
{
	for (unsigned i = 1; i < 2 * 256; i++) {
		const char *before = i < 256 ? "/a" : "/a?b";
		struct http_target target;
		struct outcome o;
		char text[64];
		int n = snprintf(text, sizeof(text), "GET %s%cc HTTP/1.1\r\n" H END, before,
				 (char)(i % 256));

		o = parse_whole(*state, REQUEST, text, (size_t)n);
		if (o.result != HTTP1_HEAD ||
		    http_target_read(o.head.target, o.head.method, &target) != HTTP_FAULT_NONE)
			continue;
		n = snprintf(text, sizeof(text), "COPY %s%cc HTTP/1.1\r\n" H END, before,
			     (char)(i % 256));
		if (parse_whole(*state, REQUEST, text, (size_t)n).result != HTTP1_HEAD)
			fail_msg("0x%02x behind %s", i % 256, before);
	}
}

/* A NUL anywhere is refused, not taken for the end of something. */
static void
nul_is_refused_everywhere(void **state)
{
	static const char text[] = "GET /a?b HTTP/1.1\r\n" H "A: b\r\n" END;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char copy[sizeof(text)];
		struct outcome o;

		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		o = parse_whole(*state, REQUEST, copy, sizeof(text) - 1);
		/* In the target the parser of targets refuses it. */
		if (o.result == HTTP1_HEAD)
			assert_true(i >= 4 && i < 8);
	}
}

static void
assert_slice(struct slice s, const char *expected)
{
	if (s.n != strlen(expected) || memcmp(s.p, expected, s.n) != 0)
		fail_msg("\"%.*s\", not \"%s\"", (int)s.n, s.p, expected);
}

static void
parts_of_a_request_are_where_they_stand(void **state)
{
	static const char text[] = "\r\nPOST /p?q HTTP/1.1\r\nHost:h\r\nEmpty:\r\n"
				   "X-Padded: \t a b \t \r\nLast: z\r\n\r\nbody";
	struct outcome o = parse_whole(*state, REQUEST, text, sizeof(text) - 1);
	struct http_head *h = &o.head;

	assert_int_equal(o.result, HTTP1_HEAD);
	assert_int_equal(o.n, sizeof(text) - 1 - 4);
	assert_false(h->is_answer);
	assert_int_equal(h->minor, 1);
	assert_slice(h->method, "POST");
	assert_slice(h->target, "/p?q");
	assert_slice(h->host, "h");
	assert_int_equal(h->n_fields, 4);
	assert_slice(h->fields[0].line, "Host:h\r\n");
	assert_slice(h->fields[1].name, "Empty");
	assert_slice(h->fields[1].value, "");
	assert_slice(h->fields[1].line, "Empty:\r\n");
	assert_slice(h->fields[2].name, "X-Padded");
	assert_slice(h->fields[2].value, "a b");
	assert_slice(h->fields[2].line, "X-Padded: \t a b \t \r\n");
	assert_slice(h->fields[3].line, "Last: z\r\n");
	assert_int_equal(h->fields[0].id, HTTP_FIELD_HOST);
	assert_int_equal(h->fields[3].id, HTTP_FIELD_OTHER);
}

static void
parts_of_an_answer_are_where_they_stand(void **state)
{
	static const char text[] = "HTTP/1.0 418 I am a  pot \r\nA: 1\r\n\r\nmore";
	struct outcome o = parse_whole(*state, ANSWER, text, sizeof(text) - 1);

	assert_int_equal(o.result, HTTP1_HEAD);
	assert_int_equal(o.n, sizeof(text) - 1 - 4);
	assert_true(o.head.is_answer);
	assert_int_equal(o.head.minor, 0);
	assert_int_equal(o.head.status, 418);
	assert_slice(o.head.reason, "I am a  pot ");
	assert_int_equal(o.head.n_fields, 1);
	assert_slice(o.head.fields[0].line, "A: 1\r\n");
}

static void
head_after_head_is_read_from_the_same_bytes(void **state)
{
	static const char text[] = "GET /1 HTTP/1.1\r\n" H END "GET /2 HTTP/1.1\r\n" H END;
	struct outcome one = parse_whole(*state, REQUEST, text, sizeof(text) - 1);
	struct outcome two = parse_whole(*state, REQUEST, text + one.n, sizeof(text) - 1 - one.n);

	assert_int_equal(one.result, HTTP1_HEAD);
	assert_int_equal(two.result, HTTP1_HEAD);
	assert_int_equal(one.n + two.n, sizeof(text) - 1);
	assert_slice(two.head.target, "/2");
}

/* limits */

struct built {
	char bytes[8192];
	size_t n;
};

static void
add(struct built *b, const char *text)
{
	assert_true(b->n + strlen(text) < sizeof(b->bytes));
	memcpy(b->bytes + b->n, text, strlen(text));
	b->n += strlen(text);
}

static void
add_many(struct built *b, char c, size_t n)
{
	assert_true(b->n + n < sizeof(b->bytes));
	memset(b->bytes + b->n, c, n);
	b->n += n;
}

static void
check_limit(struct http1_parser *p, enum side side, const struct built *b, const char *name,
	    enum http_fault fault)
{
	struct outcome whole = parse_whole(p, side, b->bytes, b->n);

	if (whole.fault != fault ||
	    whole.result != (fault == HTTP_FAULT_NONE ? HTTP1_HEAD : HTTP1_FAULT))
		fail_msg("%s: result %d fault %d", name, (int)whole.result, (int)whole.fault);
	for (size_t cut = 0; cut <= b->n; cut++) {
		struct outcome pieces = parse_pieces(p, side, b->bytes, b->n, cut, b->n);

		assert_same(&whole, &pieces, name, cut);
	}
}

static void
uri_length_is_limited_to_the_byte(void **state)
{
	for (size_t n = usual.uri_bytes - 1; n <= usual.uri_bytes + 1; n++) {
		struct built b = {.n = 0};

		add(&b, "GET /");
		add_many(&b, 'a', n - 1);
		add(&b, " HTTP/1.1\r\n" H END);
		check_limit(*state, REQUEST, &b, "uri",
			    n <= usual.uri_bytes ? HTTP_FAULT_NONE : HTTP_FAULT_URI_LENGTH);
	}
}

static void
head_length_is_limited_to_the_byte(void **state)
{
	for (size_t n = usual.head_bytes - 1; n <= usual.head_bytes + 1; n++) {
		struct built b = {.n = 0};

		add(&b, "GET / HTTP/1.1\r\n" H "A: ");
		add_many(&b, 'a', n - b.n - 4);
		add(&b, "\r\n\r\n");
		assert_int_equal(b.n, n);
		check_limit(*state, REQUEST, &b, "head",
			    n <= usual.head_bytes ? HTTP_FAULT_NONE : HTTP_FAULT_HEAD_LENGTH);
		b.n = 0;
		add(&b, "HTTP/1.1 200 OK\r\nA: ");
		add_many(&b, 'a', n - b.n - 4);
		add(&b, "\r\n\r\n");
		check_limit(*state, ANSWER, &b, "answer head",
			    n <= usual.head_bytes ? HTTP_FAULT_NONE : HTTP_FAULT_HEAD_LENGTH);
	}
}

/* A line that alone fills the head: its target is too long. */
static void
endless_request_line_is_a_long_uri(void **state)
{
	struct built b = {.n = 0};

	add(&b, "GET /");
	add_many(&b, 'a', 4000);
	check_limit(*state, REQUEST, &b, "endless", HTTP_FAULT_URI_LENGTH);
	b.n = 0;
	add(&b, "\r\nGET /");
	add_many(&b, 'a', 4000);
	check_limit(*state, REQUEST, &b, "endless after an empty line", HTTP_FAULT_URI_LENGTH);
}

static void
endless_block_is_a_long_head(void **state)
{
	struct built b = {.n = 0};

	add(&b, "GET / HTTP/1.1\r\n" H);
	while (b.n < 4000)
		add(&b, "A: b\r\n");
	check_limit(*state, REQUEST, &b, "endless block", HTTP_FAULT_HEAD_LENGTH);
}

/* The limit of a head may be below that of its line: the fault must not depend on the pieces. */
static void
faults_of_length_do_not_depend_on_pieces(void **state)
{
	static const struct http1_limits limits = {
		.head_bytes = 100, .uri_bytes = 1000, .headers = HEADERS_MAX};
	struct built b = {.n = 0};
	enum http_fault fault = HTTP_FAULT_NONE;

	add(&b, "GET /");
	add_many(&b, 'a', 300);
	add(&b, " HTTP/1.1\r\n" H END);
	for (size_t n = 100; n <= b.n; n++) {
		struct http1_scan scan = {0};
		struct outcome o = parse(*state, &scan, REQUEST, b.bytes, n, &limits);

		assert_int_equal(o.result, HTTP1_FAULT);
		if (n == 100)
			fault = o.fault;
		assert_int_equal(o.fault, fault);
	}
}

static void
header_count_is_limited(void **state)
{
	for (unsigned n = HEADERS_MAX - 1; n <= HEADERS_MAX + 1; n++) {
		struct built b = {.n = 0};

		add(&b, "GET / HTTP/1.1\r\n" H);
		for (unsigned i = 1; i < n; i++)
			add(&b, i % 2 == 0 ? "A:\r\n" : "A: b\r\n");
		add(&b, END);
		check_limit(*state, REQUEST, &b, "headers",
			    n <= HEADERS_MAX ? HTTP_FAULT_NONE : HTTP_FAULT_HEAD_LENGTH);
	}
}

/* The parser of a worker has room for the largest limit of all listeners. */
static void
limit_of_a_listener_may_be_below_the_room(void **state)
{
	static const struct http1_limits two = {.head_bytes = 2048, .uri_bytes = 256, .headers = 2};
	static const struct http1_limits more = {
		.head_bytes = 2048, .uri_bytes = 256, .headers = 1000};
	static const char text[] = "GET / HTTP/1.1\r\n" H "A: b\r\nC: d\r\n" END;
	struct http1_scan scan = {0};
	struct built b = {.n = 0};
	struct outcome o = parse(*state, &scan, REQUEST, text, sizeof(text) - 1, &two);

	assert_int_equal(o.result, HTTP1_FAULT);
	assert_int_equal(o.fault, HTTP_FAULT_HEAD_LENGTH);
	add(&b, "GET / HTTP/1.1\r\n" H);
	for (int i = 0; i < HEADERS_MAX; i++)
		add(&b, "A: b\r\n");
	add(&b, END);
	scan = (struct http1_scan){0};
	o = parse(*state, &scan, REQUEST, b.bytes, b.n, &more);
	assert_int_equal(o.fault, HTTP_FAULT_HEAD_LENGTH);
}

/* Byte by byte: the search goes on where it was, it does not start over. */
static void
wrong_bytes_are_refused_before_the_head_is_whole(void **state)
{
	static const char *const wrong[] = {
		"GET / HTTP/1.1\r\nHost: h\nA",
		"GET / HTTP/1.1\n",
		"\n",
		" ",
		"GET / HTTP/1.1\r\nA: b\rc",
		"GET / HTTP/1.1\r\nA: b\r\n ",
	};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct outcome o = parse_pieces(*state, REQUEST, wrong[i], strlen(wrong[i]), 0, 1);

		assert_int_equal(o.result, HTTP1_FAULT);
		assert_int_equal(o.fault, HTTP_FAULT_SYNTAX);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_are_the_same_cut_anywhere),
		TEST(answers_are_the_same_cut_anywhere),
		TEST(common_methods_are_judged_as_others_are),
		TEST(paths_are_judged_as_llhttp_judges_them),
		TEST(nul_is_refused_everywhere),
		TEST(parts_of_a_request_are_where_they_stand),
		TEST(parts_of_an_answer_are_where_they_stand),
		TEST(head_after_head_is_read_from_the_same_bytes),
		TEST(uri_length_is_limited_to_the_byte),
		TEST(head_length_is_limited_to_the_byte),
		TEST(endless_request_line_is_a_long_uri),
		TEST(endless_block_is_a_long_head),
		TEST(faults_of_length_do_not_depend_on_pieces),
		TEST(header_count_is_limited),
		TEST(limit_of_a_listener_may_be_below_the_room),
		TEST(wrong_bytes_are_refused_before_the_head_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
