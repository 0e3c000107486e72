#include "http1/strip.h"

#include <string.h>

#include "http/message.h"

static bool
is_load_report(const char *name, size_t n)
{
	enum http_field_id id = http_field_id((struct slice){name, n});

	return id == HTTP_FIELD_LOAD_REPORT || id == HTTP_FIELD_LOAD_REPORT_BIN;
}

/* At the start of a line of which line[n] are there. False: too little to tell what it is. */
static bool
begin_line(struct http1_strip *strip, const char *line, size_t n)
{
	size_t most = n <= HTTP1_STRIP_HELD ? n : HTTP1_STRIP_HELD + 1;
	const char *colon = memchr(line, ':', most);

	/* The last line is empty: its end is all it has. */
	if (colon == NULL && n <= HTTP1_STRIP_HELD && memchr(line, '\n', n) == NULL)
		return false;
	strip->is_taken = colon != NULL && is_load_report(line, (size_t)(colon - line));
	strip->is_inside = true;
	return true;
}

static void
hold(struct http1_strip *strip, const char *line, size_t n)
{
	memcpy(strip->held, line, n);
	strip->held_n = (uint8_t)n;
}

size_t
http1_strip(struct http1_strip *strip, char *data, size_t n)
{
	size_t packed = 0;
	size_t at = 0;

	strip->held_n = 0;
	while (at < n) {
		const char *lf = memchr(data + at, '\n', n - at);
		size_t run = lf != NULL ? (size_t)(lf + 1 - (data + at)) : n - at;

		if (!strip->is_inside && !begin_line(strip, data + at, run)) {
			hold(strip, data + at, run);
			break;
		}
		if (!strip->is_taken) {
			memmove(data + packed, data + at, run);
			packed += run;
		}
		at += run;
		strip->is_inside = lf == NULL;
	}
	return packed;
}
