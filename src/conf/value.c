/*
 * conf/value.c: durations, sizes and strings as text.
 */
#include <inttypes.h>
#include <string.h>

#include "conf/schema_priv.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: what is printed is the largest that divides. */
static const struct unit time_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

static const struct unit size_units[] = {
	{"G", 1u << 30}, {"M", 1u << 20}, {"K", 1u << 10}, {"", 1}, {NULL, 0},
};

#define DURATION_ALLOWED "\"500ms\", \"1s\", \"2m\", \"1h\", \"1d\""
#define SIZE_ALLOWED     "\"64K\", \"1M\", \"1G\", or bytes as an integer"

static int
unit_parse(const char *text, const struct unit *units, const char *allowed, uint64_t *ret,
	   struct err *err)
{
	const char *p = text;
	uint64_t value = 0;
	bool overflow = false;

	for (; *p >= '0' && *p <= '9'; p++) {
		overflow |= __builtin_mul_overflow(value, UINT64_C(10), &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
	}
	if (p == text)
		return err_set(err, TG_EINVAL,
			       "\"%.40s\" does not begin with a number; allowed: %s", text,
			       allowed);
	for (; units->name; units++) {
		if (strcmp(units->name, p) != 0)
			continue;
		overflow |= __builtin_mul_overflow(value, units->factor, &value);
		if (overflow)
			return err_set(err, TG_ERANGE, "\"%.40s\" is too large", text);
		*ret = value;
		return 0;
	}
	if (*p == '\0')
		return err_set(err, TG_EINVAL, "\"%.40s\" has no unit; allowed: %s", text, allowed);
	return err_set(err, TG_EINVAL, "\"%.40s\": unknown unit \"%.16s\"; allowed: %s", text, p,
		       allowed);
}

int
conf_duration_parse(const char *text, uint64_t *ret_ms, struct err *err)
{
	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	return unit_parse(text, time_units, DURATION_ALLOWED, ret_ms, err);
}

int
conf_size_parse(const char *text, uint64_t *ret_bytes, struct err *err)
{
	return unit_parse(text, size_units, SIZE_ALLOWED, ret_bytes, err);
}

static void
unit_format(uint64_t value, const struct unit *units, char *buf, size_t size)
{
	while (units->factor > 1 && (value == 0 || value % units->factor != 0))
		units++;
	snprintf(buf, size, "%" PRIu64 "%s", value / units->factor, units->name);
}

void
conf_duration_format(uint64_t ms, char *buf, size_t size)
{
	if (ms == 0)
		snprintf(buf, size, "0");
	else
		unit_format(ms, time_units, buf, size);
}

void
conf_size_format(uint64_t bytes, char *buf, size_t size)
{
	unit_format(bytes, size_units, buf, size);
}

void
conf_print_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < ' ' || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else if (p[0] == '$' && p[1] == '{')
			fputs("$$", out);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}
