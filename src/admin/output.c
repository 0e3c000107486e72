#include "admin/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define FIRST_BYTES 4096u

void
output_init(struct output *o, size_t max)
{
	*o = (struct output){.max = max};
}

void
output_fini(struct output *o)
{
	free(o->bytes);
	o->bytes = NULL;
	o->n = 0;
	o->cap = 0;
}

bool
output_reserve(struct output *o, size_t n)
{
	size_t cap = o->cap > 0 ? o->cap : FIRST_BYTES;
	char *bytes;

	if (o->is_full || n > o->max - o->n) {
		o->is_full = true;
		return false;
	}
	if (n <= o->cap - o->n)
		return true;
	while (cap < o->n + n)
		cap *= 2;
	bytes = realloc(o->bytes, cap);
	if (bytes == NULL) {
		o->is_full = true;
		return false;
	}
	o->bytes = bytes;
	o->cap = cap;
	return true;
}

void
output_plain(struct output *o, const char *s)
{
	while (*s != '\0') {
		size_t n = 0;

		while (s[n] >= ' ' && s[n] <= '~')
			n++;
		output_add(o, s, n);
		s += n;
		if (*s != '\0') {
			output_add(o, "?", 1);
			s++;
		}
	}
}

void
output_number(struct output *o, uint64_t value)
{
	char digits[20];
	size_t i = sizeof(digits);

	/* Most are 0. */
	if (value < 10) {
		output_add(o, &(char){(char)('0' + value)}, 1);
		return;
	}
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	output_add(o, digits + i, sizeof(digits) - i);
}

void
output_format(struct output *o, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		o->is_full = true;
	else
		output_add(o, line, (size_t)n);
}

void
output_json(struct output *o, const char *s)
{
	output_json_bytes(o, s, strlen(s));
}

void
output_json_bytes(struct output *o, const char *s, size_t n)
{
	output_text(o, "\"");
	if (output_reserve(o, 6 * n))
		o->n += log_json_escape(o->bytes + o->n, 6 * n, s, n);
	output_text(o, "\"");
}

/* Texts are short: to make a set of these bytes costs more than to look at each. */
static bool
needs_quotes(char c)
{
	return c == ',' || c == '"' || c == '\r' || c == '\n';
}

void
output_csv(struct output *o, const char *s)
{
	size_t n = 0;

	while (s[n] != '\0' && !needs_quotes(s[n]))
		n++;
	if (s[n] == '\0') {
		output_add(o, s, n);
		return;
	}
	output_text(o, "\"");
	for (; *s != '\0'; s++) {
		if (*s == '"')
			output_text(o, "\"");
		output_add(o, *s == '\n' || *s == '\r' ? " " : s, 1);
	}
	output_text(o, "\"");
}

void
output_cut(struct output *o, size_t n)
{
	if (n < o->n)
		o->n = n;
	o->is_full = false;
}

int
output_send(const struct output *o, struct conn *conn, size_t *sent)
{
	while (*sent < o->n) {
		ssize_t n = conn_send(conn, o->bytes + *sent, o->n - *sent);

		if (n < 0)
			return n == -TG_EAGAIN ? -TG_EAGAIN : -TG_EIO;
		*sent += (size_t)n;
	}
	return 0;
}
