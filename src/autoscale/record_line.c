/* autoscale/record_line.c: a record in one line, for lists. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "autoscale/record.h"

static uint64_t
number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static const char *
text(const json_t *value)
{
	const char *s = json_string_value(value);

	return s != NULL ? s : "?";
}

/* The last that changed the number; "-": none did. */
static const char *
last_guard(const json_t *record)
{
	const json_t *changes = json_object_get(record, "changes");
	size_t n = json_array_size(changes);

	return n > 0 ? text(json_array_get(json_array_get(changes, n - 1), 0)) : "-";
}

char *
record_line(const char *bytes, size_t n)
{
	json_error_t where;
	json_t *record = json_loadb(bytes, n, 0, &where);
	const json_t *proposal = json_object_get(record, "proposal");
	char *line = NULL;

	if (json_is_object(record) &&
	    asprintf(&line,
		     "%s %" PRIu64 " %" PRIu64 " -> %" PRIu64 " proposed %" PRIu64
		     " guard %s: %s",
		     text(json_object_get(record, "at")), number(record, "number"),
		     number(json_object_get(record, "snapshot"), "desired"),
		     number(record, "desired"), number(proposal, "desired"), last_guard(record),
		     text(json_object_get(proposal, "reason"))) < 0)
		line = NULL;
	json_decref(record);
	return line;
}
