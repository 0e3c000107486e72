#include "http1/parser.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "http/token.h"

struct http1_parser {
	llhttp_t llhttp;
	llhttp_t behind[2]; /* llhttp behind the first line of a request, of an answer */
	struct http_head *head;
	size_t max_fields;
	bool overflow; /* more fields than `max_fields` or the limit */
	size_t limit;
	struct http_field fields[];
};

static int
on_field(llhttp_t *llhttp, const char *at, size_t n)
{
	struct http1_parser *p = llhttp->data;
	struct http_head *head = p->head;

	if (head->n_fields == p->limit) {
		p->overflow = true;
		return HPE_USER;
	}
	head->fields[head->n_fields++] = (struct http_field){.name = {at, n}};
	return 0;
}

static int
on_headers_complete(llhttp_t *llhttp)
{
	(void)llhttp;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_field,
	.on_headers_complete = on_headers_complete,
};

static bool
read_first(llhttp_t *llhttp, llhttp_type_t type, struct slice line, void *data)
{
	llhttp_init(llhttp, type, &settings);
	llhttp->data = data;
	return llhttp_execute(llhttp, line.p, line.n) == HPE_OK;
}

struct http1_parser *
http1_parser_new(unsigned max_headers)
{
	struct http1_parser *p = calloc(1, sizeof(*p) + max_headers * sizeof(p->fields[0]));

	if (p == NULL)
		return NULL;
	p->max_fields = max_headers;
	if (!read_first(&p->behind[0], HTTP_REQUEST, SLICE("GET / HTTP/1.1\r\n"), p) ||
	    !read_first(&p->behind[1], HTTP_RESPONSE, SLICE("HTTP/1.1 200 OK\r\n"), p)) {
		free(p);
		return NULL;
	}
	return p;
}

void
http1_parser_free(struct http1_parser *parser)
{
	free(parser);
}

enum scan_result { SCAN_END = 0, SCAN_MORE = 1, SCAN_BAD = 2 };

/* The last byte may be the CR of a CRLF. */
static bool
has_bare_cr(const char *from, const char *end)
{
	const char *cr = memchr(from, '\r', (size_t)(end - from));

	while (cr != NULL && cr + 1 < end) {
		if (cr[1] != '\n')
			return true;
		cr = memchr(cr + 2, '\r', (size_t)(end - cr - 2));
	}
	return false;
}

/* What a scan came to. */
struct scanned {
	size_t end;     /* of the head, when it is whole */
	const char *lf; /* of the first line; NULL: this scan began behind it, or has not found it */
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void
scan_reached(struct http1_scan *scan, uint32_t line)
{
	if (line == scan->line)
		return;
	scan->line = line;
	scan->seen = line;
}

/*
 * Goes on line by line from scan->line until the empty line. Bad: LF without CR, a line that starts with
 * white space; and while the head is not whole, CR without LF: in one that is, check_fields() and what reads the
 * first line find it, as nothing that may stand in a line has a CR. `first`: where the first line starts.
 */
static enum scan_result
scan_lines(struct http1_scan *scan, const char *data, size_t n, size_t first, struct scanned *ret)
{
	size_t begin = scan->seen > scan->line ? scan->seen : scan->line;
	const char *stop = data + n;
	const char *line = data + scan->line;
	const char *from = data + begin;
	const char *lf;

	for (; line < stop; line = from = lf + 1) {
		lf = memchr(from, '\n', (size_t)(stop - from));
		if (is_space(*line) || (lf != NULL && (lf == line || lf[-1] != '\r'))) {
			scan_reached(scan, (uint32_t)(line - data));
			return SCAN_BAD;
		}
		if (lf == NULL)
			break;
		if (line == data + first)
			ret->lf = lf;
		if (lf - 1 == line) {
			ret->end = (size_t)(lf + 1 - data);
			scan_reached(scan, (uint32_t)ret->end);
			return SCAN_END;
		}
	}
	scan_reached(scan, (uint32_t)(line - data));
	scan->seen = (uint32_t)n;
	return has_bare_cr(data + (begin > 0 ? begin - 1 : 0), stop) ? SCAN_BAD : SCAN_MORE;
}

/* HTTP/d.d at the end of a first line: 1.0 and 1.1 are spoken. */
static enum http_fault
read_version(struct slice s, uint8_t *ret_minor)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[6] != '.' || s.p[5] < '0' ||
	    s.p[5] > '9' || s.p[7] < '0' || s.p[7] > '9')
		return HTTP_FAULT_SYNTAX;
	if (s.p[5] != '1' || s.p[7] > '1')
		return HTTP_FAULT_VERSION;
	*ret_minor = (uint8_t)(s.p[7] - '0');
	return HTTP_FAULT_NONE;
}

/* method SP request-target SP HTTP-version (RFC 9112 3), single spaces. */
static enum http_fault
read_request_line(struct slice line, const struct http1_limits *limits, struct http_head *head)
{
	const char *first = memchr(line.p, ' ', line.n);
	const char *last;
	size_t rest;

	if (first == NULL)
		return HTTP_FAULT_SYNTAX;
	head->method = (struct slice){line.p, (size_t)(first - line.p)};
	if (!http_is_token(head->method))
		return HTTP_FAULT_SYNTAX;
	rest = line.n - head->method.n - 1;
	last = memchr(first + 1, ' ', rest);
	if (last == NULL)
		return rest > limits->uri_bytes + sizeof(" HTTP/1.1") ? HTTP_FAULT_URI_LENGTH
								      : HTTP_FAULT_SYNTAX;
	head->target = (struct slice){first + 1, (size_t)(last - first) - 1};
	if (!http_is_value(head->target))
		return HTTP_FAULT_SYNTAX;
	if (head->target.n > limits->uri_bytes)
		return HTTP_FAULT_URI_LENGTH;
	return read_version((struct slice){last + 1, rest - head->target.n - 1}, &head->minor);
}

/* HTTP-version SP status-code SP [reason-phrase] (RFC 9112 4); the second space may be missing. */
static enum http_fault
read_status_line(struct slice line, struct http_head *head)
{
	const char *code = line.p + 9;
	enum http_fault fault;
	size_t i;

	if (line.n < 12 || line.p[8] != ' ')
		return HTTP_FAULT_SYNTAX;
	fault = read_version((struct slice){line.p, 8}, &head->minor);
	if (fault != HTTP_FAULT_NONE)
		return fault;
	for (i = 0; i < 3; i++) {
		if (code[i] < '0' || code[i] > '9')
			return HTTP_FAULT_SYNTAX;
	}
	head->status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0');
	if (head->status < 100 || head->status > 599 || (line.n > 12 && line.p[12] != ' '))
		return HTTP_FAULT_SYNTAX;
	head->reason =
		line.n > 13 ? (struct slice){line.p + 13, line.n - 13} : (struct slice){"", 0};
	return http_is_value(head->reason) ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
}

/* The value is what is between the colon and the CRLF at the end of the line, without white space around it. */
static bool
find_value(struct http_field *f)
{
	const char *begin = f->name.p + f->name.n;
	const char *end = f->line.p + f->line.n - 2;

	if (begin >= end || *begin != ':' || end[0] != '\r' || end[1] != '\n')
		return false;
	for (begin++; begin < end && is_space(*begin); begin++)
		;
	while (end > begin && is_space(end[-1]))
		end--;
	f->value = (struct slice){begin, (size_t)(end - begin)};
	return true;
}

/*
 * What llhttp says is where names are. Lines follow one another without anything between them, from the first
 * line's end to the empty line, names are tokens, and values hold what field-value allows: no CR, which llhttp would
 * take for the end of a line.
 */
static enum http_fault
check_fields(struct http_head *head, const char *begin, const char *end)
{
	const char *line = begin;
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		struct http_field *f = &head->fields[i];
		const char *next = i + 1 < head->n_fields ? head->fields[i + 1].name.p : end;

		if (f->name.p != line || next <= line)
			return HTTP_FAULT_SYNTAX;
		f->line = (struct slice){line, (size_t)(next - line)};
		if (!http_field_name(f->name, &f->id) || !find_value(f) ||
		    !http_is_value(f->value))
			return HTTP_FAULT_SYNTAX;
		line = next;
	}
	return line == end ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
}

static enum http_fault
llhttp_fault(enum llhttp_errno error, bool overflow)
{
	if (overflow)
		return HTTP_FAULT_HEAD_LENGTH;
	switch ((int)error) {
	case HPE_PAUSED:
		return HTTP_FAULT_NONE;
	case HPE_INVALID_METHOD:
	case HPE_INVALID_CONSTANT:
		/* The line is well-formed: a method llhttp does not know. */
		return HTTP_FAULT_METHOD;
	default:
		return HTTP_FAULT_SYNTAX;
	}
}

/* Methods llhttp knows; it has others. */
static bool
is_common_method(struct slice method)
{
	switch (method.n) {
	case 3:
		return memcmp(method.p, "GET", 3) == 0 || memcmp(method.p, "PUT", 3) == 0;
	case 4:
		return memcmp(method.p, "POST", 4) == 0 || memcmp(method.p, "HEAD", 4) == 0;
	case 5:
		return memcmp(method.p, "PATCH", 5) == 0;
	case 6:
		return memcmp(method.p, "DELETE", 6) == 0;
	case 7:
		return memcmp(method.p, "OPTIONS", 7) == 0;
	default:
		return false;
	}
}

/* Nothing is left to llhttp in a first line that is good: what it takes of one changes nothing about fields. */
static bool
is_common_first(const struct http_head *head)
{
	return head->is_answer || (is_common_method(head->method) && head->target.n > 0 &&
				   head->target.p[0] == '/');
}

/* `first`: the first line of these n bytes, which is good. */
static enum http_fault
parse_fields(struct http1_parser *p, const char *data, size_t n, struct slice first,
	     const struct http1_limits *limits, struct http_head *head)
{
	const char *fields = first.p + first.n + 2;
	const char *from = fields;
	enum llhttp_errno error;
	enum http_fault fault;

	p->head = head;
	p->overflow = false;
	p->limit = limits->headers < p->max_fields ? limits->headers : p->max_fields;
	head->fields = p->fields;
	if (is_common_first(head)) {
		p->llhttp = p->behind[head->is_answer];
	} else {
		llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
		p->llhttp.data = p;
		from = data;
	}
	error = llhttp_execute(&p->llhttp, from, (size_t)(data + n - from));
	fault = llhttp_fault(error, p->overflow);
	return fault != HTTP_FAULT_NONE ? fault : check_fields(head, fields, data + n - 2);
}

/* The first line without its CRLF; it is whole. `lf`: its end; NULL: not known. */
static struct slice
first_line(const char *data, size_t n, const char *lf)
{
	if (lf == NULL)
		lf = memchr(data, '\n', n);
	return (struct slice){data, (size_t)(lf - data) - 1};
}

/* The n bytes a head may have hold none: its line is too long when that alone is, else all of it. */
static enum http_fault
length_fault(const char *data, size_t n, const struct http1_limits *limits)
{
	if (n > limits->uri_bytes)
		n = limits->uri_bytes;
	return memchr(data, '\n', n) == NULL ? HTTP_FAULT_URI_LENGTH : HTTP_FAULT_HEAD_LENGTH;
}

static enum http1_result
fault_of(enum http_fault fault, enum http_fault *ret_fault)
{
	*ret_fault = fault;
	return HTTP1_FAULT;
}

/* A method begins with a character of a token; TLS, for one, does not. */
static bool
may_begin_request(const char *data, size_t n)
{
	return n == 0 || (n == 1 && data[0] == '\r') ||
	       (http_char_class[(unsigned char)data[0]] & HTTP_CHAR_TCHAR) != 0;
}

/* What is wrong with a line counts whatever came of it at a time: a CR in it is seen first. */
static enum http_fault
judge_first(enum http_fault fault, struct slice line)
{
	return fault != HTTP_FAULT_NONE && memchr(line.p, '\r', line.n) != NULL ? HTTP_FAULT_SYNTAX
										: fault;
}

/* The same of a whole head whose first line is good. */
static enum http_fault
judge_fields(enum http_fault fault, const char *data, size_t n)
{
	return fault != HTTP_FAULT_NONE && has_bare_cr(data, data + n) ? HTTP_FAULT_SYNTAX : fault;
}

/* The head is not whole yet; its first line may be. */
static enum http_fault
check_first_request(struct http1_scan *scan, const char *data, size_t n, size_t skip,
		    const struct http1_limits *limits, struct http_head *head)
{
	enum http_fault fault;
	struct slice line;

	if (!may_begin_request(data + skip, n - skip))
		return HTTP_FAULT_SYNTAX;
	if (scan->has_first || scan->line <= skip)
		return HTTP_FAULT_NONE;
	line = first_line(data + skip, n - skip, NULL);
	fault = judge_first(read_request_line(line, limits, head), line);
	scan->has_first = fault == HTTP_FAULT_NONE;
	return fault;
}

static enum http_fault
check_first_answer(struct http1_scan *scan, const char *data, size_t n)
{
	static const char begin[] = "HTTP/";
	size_t known = n < sizeof(begin) - 1 ? n : sizeof(begin) - 1;
	struct http_head head;
	enum http_fault fault;
	struct slice line;

	if (memcmp(data, begin, known) != 0)
		return HTTP_FAULT_SYNTAX;
	if (scan->has_first || scan->line == 0)
		return HTTP_FAULT_NONE;
	line = first_line(data, n, NULL);
	fault = judge_first(read_status_line(line, &head), line);
	scan->has_first = fault == HTTP_FAULT_NONE;
	return fault;
}

enum http1_result
http1_parse_request(struct http1_parser *parser, struct http1_scan *scan, const char *data,
		    size_t n, const struct http1_limits *limits, struct http_head *ret_head,
		    size_t *ret_n, enum http_fault *ret_fault)
{
	size_t skip = n >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
	enum scan_result result;
	enum http_fault fault;
	struct slice first;
	struct scanned found = {0, NULL};

	*ret_head = (struct http_head){.minor = HTTP_MINOR_UNKNOWN};
	if (skip > scan->line)
		scan->line = (uint32_t)skip;
	if (n == 1 && data[0] == '\r')
		return HTTP1_INCOMPLETE;
	result = scan_lines(scan, data, n < limits->head_bytes ? n : limits->head_bytes, skip,
			    &found);
	if (result != SCAN_END) {
		fault = check_first_request(scan, data, n, skip, limits, ret_head);
		if (fault == HTTP_FAULT_NONE && result == SCAN_BAD)
			fault = HTTP_FAULT_SYNTAX;
		if (fault == HTTP_FAULT_NONE && n >= limits->head_bytes)
			fault = length_fault(data + skip, limits->head_bytes - skip, limits);
		return fault == HTTP_FAULT_NONE ? HTTP1_INCOMPLETE : fault_of(fault, ret_fault);
	}
	data += skip;
	first = first_line(data, found.end - skip, found.lf);
	fault = read_request_line(first, limits, ret_head);
	if (fault != HTTP_FAULT_NONE)
		return fault_of(judge_first(fault, first), ret_fault);
	fault = parse_fields(parser, data, found.end - skip, first, limits, ret_head);
	if (fault == HTTP_FAULT_NONE)
		fault = http_head_interpret(ret_head, false);
	if (fault != HTTP_FAULT_NONE)
		return fault_of(judge_fields(fault, data, found.end - skip), ret_fault);
	*ret_n = found.end;
	return HTTP1_HEAD;
}

enum http1_result
http1_parse_answer(struct http1_parser *parser, struct http1_scan *scan, const char *data, size_t n,
		   const struct http1_limits *limits, bool to_head, struct http_head *ret_head,
		   size_t *ret_n, enum http_fault *ret_fault)
{
	enum scan_result result;
	enum http_fault fault;
	struct slice first;
	struct scanned found = {0, NULL};

	result = scan_lines(scan, data, n < limits->head_bytes ? n : limits->head_bytes, 0,
			    &found);
	if (result != SCAN_END) {
		fault = check_first_answer(scan, data, n);
		if (fault == HTTP_FAULT_NONE && result == SCAN_BAD)
			fault = HTTP_FAULT_SYNTAX;
		if (fault == HTTP_FAULT_NONE && n >= limits->head_bytes)
			fault = HTTP_FAULT_HEAD_LENGTH;
		return fault == HTTP_FAULT_NONE ? HTTP1_INCOMPLETE : fault_of(fault, ret_fault);
	}
	*ret_head = (struct http_head){.is_answer = true, .minor = HTTP_MINOR_UNKNOWN};
	first = first_line(data, found.end, found.lf);
	fault = read_status_line(first, ret_head);
	if (fault != HTTP_FAULT_NONE)
		return fault_of(judge_first(fault, first), ret_fault);
	fault = parse_fields(parser, data, found.end, first, limits, ret_head);
	if (fault == HTTP_FAULT_NONE)
		fault = http_head_interpret(ret_head, to_head);
	if (fault != HTTP_FAULT_NONE)
		return fault_of(judge_fields(fault, data, found.end), ret_fault);
	*ret_n = found.end;
	return HTTP1_HEAD;
}
