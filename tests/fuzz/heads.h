/* What must hold of every head, whatever bytes it came from. */
#ifndef TG_TESTS_FUZZ_HEADS_H
#define TG_TESTS_FUZZ_HEADS_H

#include <stdlib.h>
#include <string.h>

#include "http1/parser.h"

#define FUZZ_HEADERS 40

/* What a parse came to. */
struct outcome {
	enum http1_result result;
	enum http_fault fault;
	size_t n;
	struct http_head head;
};

enum side { REQUEST = 0, ANSWER = 1, ANSWER_TO_HEAD = 2 };

static inline struct outcome
parse(struct http1_parser *p, enum side side, struct http1_scan *scan, const char *data, size_t n,
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

static inline void
must(bool holds)
{
	if (!holds)
		abort();
}

static inline void
must_lie_in(struct slice s, const char *data, size_t n)
{
	must(s.n == 0 || (s.p >= data && s.n <= n && (size_t)(s.p - data) <= n - s.n));
}

/* No byte that could end a line early, or be one, is in what is forwarded. */
static inline void
must_be_one_line(struct slice line)
{
	must(line.n >= 3 && memcmp(line.p + line.n - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < line.n - 2; i++)
		must(line.p[i] != '\r' && line.p[i] != '\n' && line.p[i] != '\0');
}

static inline void
check_fields(const struct http_head *head, const char *data, size_t n)
{
	must(head->n_fields <= FUZZ_HEADERS);
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];

		must_lie_in(f->line, data, n);
		must_lie_in(f->name, f->line.p, f->line.n);
		must_lie_in(f->value, f->line.p, f->line.n);
		must_be_one_line(f->line);
		must(http_is_token(f->name) && f->name.p == f->line.p &&
		     f->name.p[f->name.n] == ':');
		must(f->id == http_field_id(f->name));
		/* Lines stand one behind the other: runs of them are copied as they are. */
		must(i == 0 || f[-1].line.p + f[-1].line.n == f->line.p);
	}
}

static inline void
must_agree(const struct outcome *a, const struct outcome *b)
{
	must(a->result == b->result);
	if (a->result == HTTP1_FAULT)
		must(a->fault == b->fault);
	if (a->result != HTTP1_HEAD)
		return;
	must(a->n == b->n && a->head.n_fields == b->head.n_fields &&
	     a->head.minor == b->head.minor && a->head.status == b->head.status &&
	     a->head.method.n == b->head.method.n && a->head.target.n == b->head.target.n &&
	     a->head.body == b->head.body && a->head.content_length == b->head.content_length &&
	     a->head.keep_alive == b->head.keep_alive &&
	     a->head.wants_upgrade == b->head.wants_upgrade);
}

/* As the bytes would arrive: `cut` of them, then `step` more each time. */
static inline struct outcome
parse_pieces(struct http1_parser *p, enum side side, const char *data, size_t n,
	     const struct http1_limits *limits, size_t cut, size_t step)
{
	struct http1_scan scan = {0};
	struct outcome o = parse(p, side, &scan, data, cut, limits);

	while (o.result == HTTP1_INCOMPLETE && cut < n) {
		cut = n - cut < step ? n : cut + step;
		o = parse(p, side, &scan, data, cut, limits);
	}
	return o;
}

static inline struct outcome
parse_whole(struct http1_parser *p, enum side side, const char *data, size_t n,
	    const struct http1_limits *limits)
{
	return parse_pieces(p, side, data, n, limits, n, 1);
}

/* In one piece and in others: all must agree. Returns what it came to. */
static inline struct outcome
parse_all_ways(struct http1_parser *p, enum side side, const char *data, size_t n,
	       const struct http1_limits *limits)
{
	struct outcome pieces = parse_pieces(p, side, data, n, limits, 0, 1);
	struct outcome whole = parse_whole(p, side, data, n, limits);
	size_t every = n / 64 + 1;

	must_agree(&whole, &pieces);
	for (size_t cut = 0; cut < n; cut += every) {
		pieces = parse_pieces(p, side, data, n, limits, cut, n);
		must_agree(&whole, &pieces);
	}
	must(whole.result != HTTP1_INCOMPLETE || n < limits->head_bytes);
	must(whole.result != HTTP1_FAULT || whole.fault != HTTP_FAULT_NONE);
	must(whole.result != HTTP1_HEAD || (whole.n <= n && whole.n <= limits->head_bytes));
	/* The fields are in the parser: those of the last parse. */
	return parse_whole(p, side, data, n, limits);
}

#endif
