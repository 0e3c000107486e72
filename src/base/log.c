/*
 * base/log.c: one event, one line, one write(2).
 *
 * A line is built on the caller's stack, at most LINE_MAX_BYTES long (a pipe
 * takes that much atomically), and cut so that it stays well formed.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
/* Always left free while pairs are added: what end_cut() and end_line() write. */
#define LINE_TAIL_BYTES 24

/* Written by log_init() before threads start, only read after, but for format and level. */
static struct {
	int fd;
	_Atomic int format;
	_Atomic int level;
	const char *role;
} sink = {.fd = STDERR_FILENO, .format = TG_LOG_TEXT, .level = TG_LOG_INFO, .role = "tidegate"};

/* Written and called by one thread. */
static struct {
	log_heard_cb *heard; /* NULL: nobody listens */
	void *user;
	bool is_hushed;
} listener;

static const char *const level_words[TG_LOG_LEVEL_COUNT] = {"error", "warn", "info", "debug"};

struct line {
	char buf[LINE_MAX_BYTES];
	size_t n;
	bool cut;
};

/* One value while it is being put together, before escaping. */
struct value {
	char buf[LINE_MAX_BYTES];
	size_t n;
	bool cut;
	bool is_number; /* as JSON knows them */
};

/* One conversion of the format: "%08lx" and the like. */
struct spec {
	int width;
	int precision; /* -1: none */
	int longs;     /* -2 hh, -1 h, 0, 1 l, 2 ll, 3 z, 4 j */
	bool zero;
	char conversion;
};

void
log_init(int fd, enum log_format format, enum log_level level, const char *role)
{
	sink.fd = fd;
	sink.role = role;
	log_set_format(format);
	log_set_level(level);
}

void
log_set_format(enum log_format format)
{
	atomic_store_explicit(&sink.format, (int)format, memory_order_relaxed);
}

static bool
is_json(void)
{
	return atomic_load_explicit(&sink.format, memory_order_relaxed) == TG_LOG_JSON;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&sink.level, (int)level, memory_order_relaxed);
}

enum log_level
log_level(void)
{
	return (enum log_level)atomic_load_explicit(&sink.level, memory_order_relaxed);
}

const char *
log_level_str(enum log_level level)
{
	return level < TG_LOG_LEVEL_COUNT ? level_words[level] : "?";
}

bool
log_level_find(const char *word, enum log_level *ret)
{
	for (unsigned i = 0; i < TG_LOG_LEVEL_COUNT; i++) {
		if (strcmp(word, level_words[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void
log_listen(log_heard_cb *heard, void *user)
{
	listener.heard = heard;
	listener.is_hushed = false;
	listener.user = user;
}

void
log_hush(bool is_on)
{
	listener.is_hushed = is_on;
}

static bool
is_heard(enum log_level level)
{
	return listener.heard && !listener.is_hushed && level <= TG_LOG_INFO;
}

bool
log_is_on(enum log_level level)
{
	return level <= log_level();
}

size_t
log_time(char *buf, size_t size, struct wall t)
{
	time_t seconds = (time_t)(t.us / 1000000u);
	struct tm tm;
	int n;

	if (size > 0)
		buf[0] = '\0';
	if (size < 28 || !gmtime_r(&seconds, &tm))
		return 0;
	n = snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		     (unsigned)(t.us % 1000000u));
	if (n < 0 || (size_t)n >= size) {
		buf[0] = '\0';
		return 0;
	}
	return (size_t)n;
}

/* Length of the well-formed UTF-8 sequence at `s` (Unicode table 3-7); 0: none. */
static size_t
utf8_len(const unsigned char *s, size_t n)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (n < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static char
hex_digit(unsigned n)
{
	return "0123456789abcdef"[n & 15u];
}

/* One character of `s` as JSON in `out` (6 bytes); *ret_taken input bytes are used. */
static size_t
json_char(const unsigned char *s, size_t n, char *out, size_t *ret_taken)
{
	static const char short_from[] = "\"\\\b\f\n\r\t";
	static const char short_to[] = "\"\\bfnrt";
	const char *found = s[0] ? strchr(short_from, s[0]) : NULL;
	size_t len;

	*ret_taken = 1;
	if (found) {
		out[0] = '\\';
		out[1] = short_to[found - short_from];
		return 2;
	}
	if (s[0] >= 0x20 && s[0] < 0x7f) {
		out[0] = (char)s[0];
		return 1;
	}
	len = utf8_len(s, n);
	if (len > 0) {
		memcpy(out, s, len);
		*ret_taken = len;
		return len;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex_digit(s[0] >> 4);
	out[5] = hex_digit(s[0]);
	return 6;
}

static size_t
json_escape(char *buf, size_t size, const char *s, size_t n, size_t *ret_taken)
{
	size_t used = 0;
	size_t i = 0;
	size_t taken;
	size_t len;
	char one[8];

	while (i < n) {
		len = json_char((const unsigned char *)s + i, n - i, one, &taken);
		if (used + len > size)
			break;
		memcpy(buf + used, one, len);
		used += len;
		i += taken;
	}
	*ret_taken = i;
	return used;
}

size_t
log_json_escape(char *buf, size_t size, const char *s, size_t n)
{
	size_t taken;

	return json_escape(buf, size, s, n, &taken);
}

static bool
is_bare(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '=')
			return false;
	}
	return n > 0;
}

/* One character of `s` inside double quotes, in `out` (4 bytes). */
static size_t
text_char(char c, char *out)
{
	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	if (c >= ' ' && c <= '~') {
		out[0] = c;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex_digit((unsigned char)c >> 4);
	out[3] = hex_digit((unsigned char)c);
	return 4;
}

static size_t
text_escape(char *buf, size_t size, const char *s, size_t n, size_t *ret_taken)
{
	size_t used = 0;
	size_t i;
	size_t len;
	char one[4];

	*ret_taken = 0;
	if (is_bare(s, n)) {
		used = n < size ? n : size;
		memcpy(buf, s, used);
		*ret_taken = used;
		return used;
	}
	if (size < 2)
		return 0;
	buf[used++] = '"';
	for (i = 0; i < n; i++) {
		len = text_char(s[i], one);
		if (used + len + 1 > size)
			break;
		memcpy(buf + used, one, len);
		used += len;
	}
	buf[used++] = '"';
	*ret_taken = i;
	return used;
}

size_t
log_text_escape(char *buf, size_t size, const char *s, size_t n)
{
	size_t taken;

	return text_escape(buf, size, s, n, &taken);
}

static void
value_add(struct value *v, const char *s, size_t n)
{
	size_t room = sizeof(v->buf) - v->n;

	if (n > room) {
		n = room;
		v->cut = true;
	}
	memcpy(v->buf + v->n, s, n);
	v->n += n;
}

/* Reads the conversion after '%'; returns what follows it. */
static const char *
spec_parse(const char *p, struct spec *ret, int precision_argument)
{
	struct spec s = {.precision = -1};

	for (; *p == '0' || *p == '#'; p++)
		s.zero = s.zero || *p == '0';
	for (; *p >= '0' && *p <= '9' && s.width < 100; p++)
		s.width = s.width * 10 + (*p - '0');
	if (*p == '.') {
		p++;
		s.precision = 0;
		if (*p == '*') {
			s.precision = precision_argument;
			p++;
		}
		for (; *p >= '0' && *p <= '9' && s.precision < 1000; p++)
			s.precision = s.precision * 10 + (*p - '0');
	}
	for (; *p == 'h' || *p == 'l' || *p == 'z' || *p == 'j' || *p == 't'; p++) {
		if (*p == 'h')
			s.longs--;
		else if (*p == 'l')
			s.longs++;
		else
			s.longs = *p == 'j' ? 4 : 3;
	}
	s.conversion = *p;
	*ret = s;
	return *p ? p + 1 : p;
}

/* "%.*s" takes its int before the conversion is read. */
static bool
has_precision_argument(const char *p)
{
	while (*p == '0' || *p == '#' || (*p >= '1' && *p <= '9'))
		p++;
	return p[0] == '.' && p[1] == '*';
}

static intmax_t
signed_argument(const struct spec *s, va_list *ap)
{
	switch (s->longs) {
	case -2:
		return (signed char)va_arg(*ap, int);
	case -1:
		return (short)va_arg(*ap, int);
	case 1:
		return va_arg(*ap, long);
	case 2:
		return va_arg(*ap, long long);
	case 3:
		return va_arg(*ap, ssize_t);
	case 4:
		return va_arg(*ap, intmax_t);
	default:
		return va_arg(*ap, int);
	}
}

static uintmax_t
unsigned_argument(const struct spec *s, va_list *ap)
{
	switch (s->longs) {
	case -2:
		return (unsigned char)va_arg(*ap, unsigned);
	case -1:
		return (unsigned short)va_arg(*ap, unsigned);
	case 1:
		return va_arg(*ap, unsigned long);
	case 2:
		return va_arg(*ap, unsigned long long);
	case 3:
		return va_arg(*ap, size_t);
	case 4:
		return va_arg(*ap, uintmax_t);
	default:
		return va_arg(*ap, unsigned);
	}
}

static void
add_string(struct value *v, const struct spec *s, va_list *ap)
{
	const char *text = va_arg(*ap, const char *);

	if (!text)
		text = "(null)";
	value_add(v, text, s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text));
}

/* Takes the conversion's argument and adds its text. */
static void
add_conversion(struct value *v, const struct spec *s, va_list *ap)
{
	char text[384];
	int n = 0;

	switch (s->conversion) {
	case 's':
		add_string(v, s, ap);
		return;
	case 'd':
	case 'i':
		n = snprintf(text, sizeof(text), s->zero ? "%0*jd" : "%*jd", s->width,
			     signed_argument(s, ap));
		break;
	case 'u':
		n = snprintf(text, sizeof(text), s->zero ? "%0*ju" : "%*ju", s->width,
			     unsigned_argument(s, ap));
		break;
	case 'x':
		n = snprintf(text, sizeof(text), s->zero ? "%0*jx" : "%*jx", s->width,
			     unsigned_argument(s, ap));
		break;
	case 'o':
		n = snprintf(text, sizeof(text), s->zero ? "%0*jo" : "%*jo", s->width,
			     unsigned_argument(s, ap));
		break;
	case 'c':
		text[0] = (char)va_arg(*ap, int);
		n = 1;
		break;
	case 'p':
		n = snprintf(text, sizeof(text), "%p", va_arg(*ap, void *));
		break;
	case 'f':
	case 'g':
		n = snprintf(text, sizeof(text), s->conversion == 'f' ? "%.*f" : "%.*g",
			     s->precision < 0 ? 6 : s->precision, va_arg(*ap, double));
		break;
	case '%':
		text[0] = '%';
		n = 1;
		break;
	default:
		assert(!"log_write: conversion not supported");
	}
	if (n > 0)
		value_add(v, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Padding could make it 007, which is none. */
static bool
is_number(const struct spec *s)
{
	return (s->conversion == 'd' || s->conversion == 'i' || s->conversion == 'u') &&
	       s->width == 0 && !s->zero;
}

/* Renders one value of the format; returns the ' ' or NUL after it. */
static const char *
value_render(struct value *v, const char *p, va_list *ap)
{
	const char *start = p;
	struct spec spec;
	int precision = -1;

	v->n = 0;
	v->cut = false;
	v->is_number = false;
	while (*p != '\0' && *p != ' ') {
		if (*p != '%') {
			value_add(v, p++, 1);
			continue;
		}
		v->is_number = p == start;
		if (has_precision_argument(p + 1))
			precision = va_arg(*ap, int);
		p = spec_parse(p + 1, &spec, precision);
		add_conversion(v, &spec, ap);
		v->is_number = v->is_number && is_number(&spec) && (*p == '\0' || *p == ' ');
	}
	return p;
}

static void
line_add(struct line *l, const char *s, size_t n)
{
	assert(l->n + n <= sizeof(l->buf));
	memcpy(l->buf + l->n, s, n);
	l->n += n;
}

static size_t
line_room(const struct line *l)
{
	return sizeof(l->buf) - LINE_TAIL_BYTES - l->n;
}

/* Returns how much of the value was taken; the key fits. */
static size_t
line_add_json(struct line *l, const char *key, size_t key_len, const struct value *v)
{
	size_t taken = v->n;

	if (l->n > 1)
		line_add(l, ",", 1);
	line_add(l, "\"", 1);
	line_add(l, key, key_len);
	line_add(l, "\":", 2);
	if (v->is_number) {
		line_add(l, v->buf, v->n);
		return taken;
	}
	line_add(l, "\"", 1);
	l->n += json_escape(l->buf + l->n, line_room(l) - 1, v->buf, v->n, &taken);
	line_add(l, "\"", 1);
	return taken;
}

/* One more pair, or its beginning, or nothing: then the line is cut. */
static void
line_add_pair(struct line *l, const char *key, size_t key_len, const struct value *v)
{
	bool json = is_json();
	/* separators and quotes around the key take at most 6 bytes; leave some for the value,
	 * and all for a number, half of which is another one */
	size_t least = key_len + (json && v->is_number ? 6 + v->n : 16);
	size_t taken;

	if (l->cut || line_room(l) < least) {
		l->cut = true;
		return;
	}
	if (json) {
		taken = line_add_json(l, key, key_len, v);
	} else {
		line_add(l, " ", l->n > 0 ? 1 : 0);
		line_add(l, key, key_len);
		line_add(l, "=", 1);
		l->n += text_escape(l->buf + l->n, line_room(l), v->buf, v->n, &taken);
	}
	l->cut = v->cut || taken < v->n;
}

static void
line_add_text(struct line *l, const char *key, const char *text)
{
	struct value v = {.n = 0};

	value_add(&v, text, strlen(text));
	line_add_pair(l, key, strlen(key), &v);
}

/* Begins with the fields every line has. */
static void
line_start(struct line *l, enum log_level level, const char *msg)
{
	char when[32];
	size_t n = log_time(when, sizeof(when), wall_read());

	l->n = 0;
	l->cut = false;
	if (is_json()) {
		line_add(l, "{", 1);
		line_add_text(l, "time", when);
	} else {
		line_add(l, when, n);
	}
	line_add_text(l, "level", level_words[level]);
	line_add_text(l, "role", sink.role);
	line_add_text(l, "msg", msg);
}

static void
line_end(struct line *l)
{
	bool json = is_json();

	if (l->cut && json)
		line_add(l, ",\"cut\":\"...\"", 12);
	else if (l->cut)
		line_add(l, " ...", 4);
	if (json)
		line_add(l, "}", 1);
	line_add(l, "\n", 1);
}

static void
line_write(const struct line *l)
{
	ssize_t n;

	do
		n = write(sink.fd, l->buf, l->n);
	while (n < 0 && errno == EINTR);
}

void
log_write(enum log_level level, const char *msg, const char *pairs, ...)
{
	int saved = errno;
	struct line line;
	struct value value;
	const char *p = pairs ? pairs : "";
	const char *key;
	size_t key_len;
	va_list ap;

	if (!log_is_on(level) && !is_heard(level))
		return;
	line_start(&line, level, msg);
	va_start(ap, pairs);
	while (*p != '\0') {
		while (*p == ' ')
			p++;
		key = p;
		while (*p != '\0' && *p != '=' && *p != ' ')
			p++;
		key_len = (size_t)(p - key);
		if (*p != '=')
			continue;
		p = value_render(&value, p + 1, &ap);
		line_add_pair(&line, key, key_len, &value);
	}
	va_end(ap);
	line_end(&line);
	if (log_is_on(level))
		line_write(&line);
	if (is_heard(level))
		listener.heard(listener.user, line.buf, line.n);
	errno = saved;
}

bool
log_limit_pass_in(struct log_limit *limit, unsigned window_s, unsigned n, struct mono now,
		  unsigned *ret_suppressed)
{
	unsigned long present = (unsigned long)(now.us / 1000000u / window_s);
	unsigned long window = atomic_load(&limit->window);

	if (present > window && atomic_compare_exchange_strong(&limit->window, &window, present))
		atomic_store(&limit->used, 0);
	if (atomic_fetch_add(&limit->used, 1) >= n) {
		atomic_fetch_add(&limit->suppressed, 1);
		return false;
	}
	*ret_suppressed = atomic_exchange(&limit->suppressed, 0);
	return true;
}

bool
log_limit_pass(struct log_limit *limit, unsigned per_second, struct mono now,
	       unsigned *ret_suppressed)
{
	return log_limit_pass_in(limit, 1, per_second, now, ret_suppressed);
}
