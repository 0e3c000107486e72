#include "http/load_report.h"

#include <string.h>

/* What follows is as good as lost in a figure of 7 digits. */
#define SIGNIFICANT_MAX ((uint64_t)100000000000000000)
/* No field is long enough for so many digits to make up for it. */
#define EXPONENT_MAX 1000000

struct reader {
	const char *p;
	const char *end;
};

struct number {
	bool is_negative;
	uint64_t permille; /* rounded, though never to 0; above TG_LOAD_PERMILLE_MAX: too much */
};

static bool
is_at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static bool
take(struct reader *r, char c)
{
	if (!is_at(r, c))
		return false;
	r->p++;
	return true;
}

static bool
is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* HTTP lets no other white space into a field. */
static void
pass_space(struct reader *r)
{
	while (is_at(r, ' ') || is_at(r, '\t'))
		r->p++;
}

/*** Numbers, as JSON has them ***/

/* 1*DIGIT behind what is there already; *exponent counts what is left out, and digits of a fraction down. */
static bool
read_digits(struct reader *r, bool is_fraction, uint64_t *digits, int64_t *exponent)
{
	const char *begin = r->p;

	for (; is_digit(r); r->p++) {
		bool fits = *digits < SIGNIFICANT_MAX;

		if (fits)
			*digits = *digits * 10 + (uint64_t)(*r->p - '0');
		if (fits && is_fraction)
			--*exponent;
		else if (!fits && !is_fraction)
			++*exponent;
	}
	return r->p > begin;
}

static bool
read_exponent(struct reader *r, int64_t *exponent)
{
	bool is_negative = take(r, '-');
	int64_t n = 0;

	if (!is_negative)
		take(r, '+');
	if (!is_digit(r))
		return false;
	for (; is_digit(r); r->p++) {
		if (n < EXPONENT_MAX)
			n = n * 10 + (*r->p - '0');
	}
	*exponent += is_negative ? -n : n;
	return true;
}

/* digits * 10^exponent, in thousandths. */
static uint64_t
to_permille(uint64_t digits, int64_t exponent)
{
	uint64_t n = digits;

	for (exponent += 3; exponent > 0 && n > 0 && n <= TG_LOAD_PERMILLE_MAX; exponent--)
		n *= 10;
	for (; exponent < -1 && n > 0; exponent++)
		n /= 10;
	if (exponent < 0)
		n = (n + 5) / 10;
	return n == 0 && digits > 0 ? 1 : n;
}

static bool
read_number(struct reader *r, struct number *ret)
{
	bool has_sign = take(r, '-');
	uint64_t digits = 0;
	int64_t exponent = 0;

	if (take(r, '0')) {
		if (is_digit(r))
			return false;
	} else if (!read_digits(r, false, &digits, &exponent)) {
		return false;
	}
	if (take(r, '.') && !read_digits(r, true, &digits, &exponent))
		return false;
	if ((take(r, 'e') || take(r, 'E')) && !read_exponent(r, &exponent))
		return false;
	ret->is_negative = has_sign && digits > 0;
	ret->permille = to_permille(digits, exponent);
	return true;
}

/* All of it, but for space around it. */
static bool
read_whole_number(struct reader r, struct number *ret)
{
	pass_space(&r);
	if (!read_number(&r, ret))
		return false;
	pass_space(&r);
	return r.p == r.end;
}

/*** Figures ***/

/* What has this name, or NULL. */
static int32_t *
figure_of(struct load_report *report, struct slice name, bool is_json)
{
	if (slice_equal(name, SLICE("cpu_utilization")) ||
	    (is_json && slice_equal(name, SLICE("cpuUtilization"))))
		return &report->cpu_permille;
	if (slice_equal(name, SLICE("mem_utilization")) ||
	    (is_json && slice_equal(name, SLICE("memUtilization"))))
		return &report->memory_permille;
	return NULL;
}

static bool
set_figure(int32_t *figure, const struct number *number)
{
	if (*figure != TG_LOAD_NOT_TOLD || number->is_negative ||
	    number->permille > TG_LOAD_PERMILLE_MAX)
		return false;
	*figure = (int32_t)number->permille;
	return true;
}

/*** TEXT ***/

/* name=number or name:number. */
static bool
read_element(struct reader r, struct load_report *report)
{
	struct slice name = {r.p, 0};
	struct number number;
	int32_t *figure;

	while (r.p < r.end && *r.p != '=' && *r.p != ':')
		r.p++;
	if (r.p == r.end)
		return false;
	name.n = (size_t)(r.p++ - name.p);
	while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	if (name.n == 0 || !read_whole_number(r, &number))
		return false;
	figure = figure_of(report, name, false);
	return figure == NULL || set_figure(figure, &number);
}

/* Empty elements are passed over (RFC 9110 5.6.1). */
static bool
read_text(struct reader *r, struct load_report *report)
{
	while (r->p < r->end) {
		const char *comma = memchr(r->p, ',', (size_t)(r->end - r->p));
		struct reader element = {r->p, comma != NULL ? comma : r->end};

		r->p = comma != NULL ? comma + 1 : r->end;
		pass_space(&element);
		if (element.p < element.end && !read_element(element, report))
			return false;
	}
	return true;
}

/*** JSON ***/

static bool
pass_escape(struct reader *r)
{
	size_t i;

	if (r->p == r->end)
		return false;
	if (*r->p++ != 'u')
		return memchr("\"\\/bfnrt", r->p[-1], 8) != NULL;
	for (i = 0; i < 4; i++, r->p++) {
		if (!is_digit(r) && !(r->p < r->end && (*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'f'))
			return false;
	}
	return true;
}

/* *ret is what stands between the quotes, escapes as they are. */
static bool
read_string(struct reader *r, struct slice *ret)
{
	const char *begin;

	if (!take(r, '"'))
		return false;
	begin = r->p;
	while (r->p < r->end && *r->p != '"') {
		unsigned char c = (unsigned char)*r->p++;

		if (c < ' ' || (c == '\\' && !pass_escape(r)))
			return false;
	}
	*ret = (struct slice){begin, (size_t)(r->p - begin)};
	return take(r, '"');
}

static bool
take_word(struct reader *r, struct slice word)
{
	if ((size_t)(r->end - r->p) < word.n || memcmp(r->p, word.p, word.n) != 0)
		return false;
	r->p += word.n;
	return true;
}

static bool pass_value(struct reader *r, unsigned depth);

/* What an object or an array at this depth has; the opening is read. `report` NULL: nothing of it is of interest. */
static bool read_members(struct reader *r, char close, unsigned depth, struct load_report *report);

static bool
pass_value(struct reader *r, unsigned depth)
{
	struct number number;
	struct slice text;

	if (is_at(r, '"'))
		return read_string(r, &text);
	if (take(r, '{'))
		return read_members(r, '}', depth + 1, NULL);
	if (take(r, '['))
		return read_members(r, ']', depth + 1, NULL);
	if (take_word(r, SLICE("true")) || take_word(r, SLICE("false")) ||
	    take_word(r, SLICE("null")))
		return true;
	return read_number(r, &number);
}

static bool
read_figure(struct reader *r, int32_t *figure)
{
	struct number number;
	struct slice text;

	/* As if it was not there. */
	if (take_word(r, SLICE("null")))
		return true;
	if (is_at(r, '"'))
		return read_string(r, &text) &&
		       read_whole_number((struct reader){text.p, text.p + text.n}, &number) &&
		       set_figure(figure, &number);
	return read_number(r, &number) && set_figure(figure, &number);
}

/* Its name and the colon too, where it is in an object. */
static bool
read_member(struct reader *r, char close, unsigned depth, struct load_report *report)
{
	struct slice name = {"", 0};
	int32_t *figure;

	pass_space(r);
	if (close == '}') {
		if (!read_string(r, &name))
			return false;
		pass_space(r);
		if (!take(r, ':'))
			return false;
		pass_space(r);
	}
	figure = report != NULL ? figure_of(report, name, true) : NULL;
	if (!(figure != NULL ? read_figure(r, figure) : pass_value(r, depth)))
		return false;
	pass_space(r);
	return true;
}

static bool
read_members(struct reader *r, char close, unsigned depth, struct load_report *report)
{
	if (depth > TG_LOAD_DEPTH_MAX)
		return false;
	pass_space(r);
	if (take(r, close))
		return true;
	do {
		if (!read_member(r, close, depth, report))
			return false;
	} while (take(r, ','));
	return take(r, close);
}

static bool
read_json(struct reader *r, struct load_report *report)
{
	pass_space(r);
	if (!take(r, '{') || !read_members(r, '}', 1, report))
		return false;
	pass_space(r);
	return r->p == r->end;
}

/*** All ***/

static const struct load_report nothing = {TG_LOAD_NOT_TOLD, TG_LOAD_NOT_TOLD};

enum load_report_verdict
load_report_parse(struct slice value, struct load_report *ret)
{
	struct reader r = {value.p, value.n > 0 ? value.p + value.n : value.p};
	struct load_report report = nothing;
	bool is_read;

	*ret = nothing;
	if (value.n == 0)
		return LOAD_REPORT_BAD;
	if (take_word(&r, SLICE("TEXT ")))
		is_read = read_text(&r, &report);
	else if (take_word(&r, SLICE("JSON ")))
		is_read = read_json(&r, &report);
	else
		return take_word(&r, SLICE("BIN ")) ? LOAD_REPORT_SILENT : LOAD_REPORT_BAD;
	if (!is_read)
		return LOAD_REPORT_BAD;
	if (report.cpu_permille <= 0 && report.memory_permille <= 0)
		return LOAD_REPORT_SILENT;
	*ret = report;
	return LOAD_REPORT_TOLD;
}
