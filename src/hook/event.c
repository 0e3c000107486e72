#include "hook/event.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX 512u

/* Reasons of others may be any bytes: what no text has becomes '?'. */
static json_t *
text_of(const char *text)
{
	char plain[REASON_MAX];
	size_t n = strnlen(text, sizeof(plain) - 1);

	for (size_t i = 0; i < n; i++)
		plain[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	return json_stringn(plain, n);
}

static json_t *
text_or_null(const char *text)
{
	return text != NULL ? text_of(text) : json_null();
}

static json_t *
number_or_null(const struct hook_event *event, uint32_t n)
{
	return event->has_numbers ? json_integer((json_int_t)n) : json_null();
}

static void
format_time(struct wall at, char *buf, size_t size)
{
	time_t seconds = (time_t)(at.us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%03uZ", (unsigned)(at.us / 1000 % 1000));
}

char *
hook_event_text(const struct hook_event *event, const char *id, struct wall now, const char *host)
{
	char time[64];
	json_t *root;
	char *text;

	format_time(now, time, sizeof(time));
	root = json_pack("{s:i, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "version",
			 TG_HOOK_VERSION, "id", id, "time", time, "host", text_of(host), "event",
			 conf_hook_event_str(event->event), "service", text_or_null(event->service),
			 "backend", text_or_null(event->backend), "from",
			 number_or_null(event, event->from), "to", number_or_null(event, event->to),
			 "reason", text_of(event->reason));
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}
