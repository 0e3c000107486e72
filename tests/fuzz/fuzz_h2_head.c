/*
 * Fields of a head of HTTP/2 to text: either it is refused, or it is what the parser of HTTP/1.1 takes for one
 * head with just these lines; what that is written as again has the same fields. The first byte selects: bit 0 an answer,
 * bit 1 trailers, bit 2 the end of the stream, bit 3 an answer to HEAD. Then fields: a byte with the length of the name, one of
 * that of the value, both.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http1/parser.h"
#include "http2/to_fields.h"

#define FIELDS 64
#define KEY    "AAECAwQFBgcICQoLDA0ODw=="

static struct http1_parser *parser;
static struct buf_pool pool;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	parser = http1_parser_new(FIELDS);
	buf_pool_init(&pool, NULL);
	return parser == NULL;
}

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static bool
take_fields(struct h2_to_text *t, const char *p, size_t n)
{
	while (n >= 2) {
		size_t name_n = (unsigned char)p[0];
		size_t value_n = (unsigned char)p[1];

		p += 2;
		n -= 2;
		name_n = name_n < n ? name_n : n;
		value_n = value_n < n - name_n ? value_n : n - name_n;
		if (!h2_to_text_field(t, (struct slice){p, name_n},
				      (struct slice){p + name_n, value_n}))
			return false;
		p += name_n + value_n;
		n -= name_n + value_n;
	}
	return true;
}

static size_t
lines_of(const char *p, size_t n)
{
	size_t lines = 0;

	for (size_t i = 1; i < n; i++)
		lines += p[i - 1] == '\r' && p[i] == '\n';
	for (size_t i = 0; i < n; i++)
		must((p[i] != '\r' || (i + 1 < n && p[i + 1] == '\n')) &&
		     (p[i] != '\n' || (i > 0 && p[i - 1] == '\r')) && p[i] != '\0');
	return lines;
}

/* As many lines as fields, and what the text itself needs. */
static void
check_lines(const struct h2_to_text *t, const char *p, size_t n, bool is_chunked)
{
	size_t lines = lines_of(p, n);

	must(lines <=
	     t->n_fields + 2 + t->has_host + 2 * (size_t)t->is_upgrade + t->is_websocket + 1);
	must(!is_chunked || memmem(p, n, "transfer-encoding: chunked\r\n", 28) != NULL);
}

/* A parser that takes it takes all of it. */
static void
check_parse(const struct h2_to_text *t, const char *p, size_t n, bool to_head)
{
	static const struct http1_limits limits = {
		.head_bytes = 65536, .uri_bytes = 65536, .headers = FIELDS};
	struct http1_scan scan = {0};
	enum http_fault fault = HTTP_FAULT_NONE;
	struct http_head head;
	enum http1_result result;
	size_t used = 0;

	result = t->kind == H2_HEAD_ANSWER
			 ? http1_parse_answer(parser, &scan, p, n, &limits, to_head, &head, &used,
					      &fault)
			 : http1_parse_request(parser, &scan, p, n, &limits, &head, &used, &fault);
	must(t->is_full ? result == HTTP1_FAULT : result != HTTP1_INCOMPLETE);
	must(result != HTTP1_HEAD || used == n);
}

static void
check_fields(const struct h2_to_text *t, const char *p, size_t n, bool to_head)
{
	nghttp2_nv nv[300];
	struct h2_fields fields;
	int rc = h2_to_fields(t->kind, p, n, to_head, SLICE("http"), nv, 300, &fields);

	if (rc == 0)
		must(fields.n <= 300 && fields.nv >= nv && fields.nv + fields.n <= nv + 300);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct buf *buf = buf_get(&pool, TG_BUF_LARGE);
	struct h2_to_text t;
	enum h2_head_kind kind;
	bool is_chunked = false;

	if (buf == NULL || len < 1) {
		buf_put(&pool, &buf);
		return 0;
	}
	kind = (input[0] & 2) != 0 ? H2_HEAD_TRAILERS
				   : ((input[0] & 1) != 0 ? H2_HEAD_ANSWER : H2_HEAD_REQUEST);
	h2_to_text_begin(&t, kind, (input[0] & 8) != 0, buf);
	if (take_fields(&t, (const char *)input + 1, len - 1) &&
	    h2_to_text_end(&t, (input[0] & 4) != 0, KEY, &is_chunked)) {
		/* A block of its own, so that a look past it is seen. */
		size_t n = buf_len(buf);
		char *text = malloc(n > 0 ? n : 1);

		must(text != NULL);
		memcpy(text, buf_data(buf), n);
		if (!t.is_full)
			check_lines(&t, text, n, is_chunked);
		if (kind != H2_HEAD_TRAILERS)
			check_parse(&t, text, n, (input[0] & 8) != 0);
		if (!t.is_full)
			check_fields(&t, text, n, (input[0] & 8) != 0);
		free(text);
	}
	buf_put(&pool, &buf);
	return 0;
}
