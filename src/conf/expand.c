/*
 * conf/expand.c: environment variables in strings.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/schema_priv.h"

#define EXPANDED_MAX   65536u
#define NAME_MAX_BYTES 255u

struct expansion {
	char *buf;
	size_t n;
	size_t size;
};

static bool
is_name_char(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static int
add(struct expansion *e, const char *s, size_t n, struct err *err)
{
	size_t size = e->size ? e->size : 64;
	char *bigger;

	if (n > EXPANDED_MAX || e->n + n > EXPANDED_MAX)
		return err_set(err, TG_ELIMIT, "longer than %u bytes with its variables expanded",
			       EXPANDED_MAX);
	while (size < e->n + n + 1)
		size *= 2;
	if (size != e->size) {
		bigger = realloc(e->buf, size);
		if (!bigger)
			return err_no_memory(err);
		e->buf = bigger;
		e->size = size;
	}
	memcpy(e->buf + e->n, s, n);
	e->n += n;
	return 0;
}

/* `p` is behind "${". *ret_end is behind '}'. */
static int
add_variable(struct expansion *e, const char *p, const char **ret_end, struct err *err)
{
	const char *close = strchr(p, '}');
	const char *preset = NULL;
	char name[NAME_MAX_BYTES + 1];
	const char *value;
	size_t n = 0;

	while (is_name_char(p[n], n == 0))
		n++;
	if (close && strncmp(p + n, ":-", 2) == 0 && p + n < close)
		preset = p + n + 2;
	if (!close || n == 0 || n > NAME_MAX_BYTES || (!preset && p + n != close))
		return err_set(
			err, TG_EINVAL,
			"bad variable \"${%.32s\"; allowed: ${NAME}, ${NAME:-default}, and $${ "
			"for a plain ${",
			p);
	memcpy(name, p, n);
	name[n] = '\0';
	value = getenv(name);
	*ret_end = close + 1;
	if (preset && (!value || value[0] == '\0'))
		return add(e, preset, (size_t)(close - preset), err);
	if (!value)
		return err_set(err, TG_ENOENT,
			       "environment variable %s is not set; give a default with ${%s:-...}",
			       name, name);
	return add(e, value, strlen(value), err);
}

static int
expand(struct expansion *e, const char *text, struct err *err)
{
	const char *dollar;
	int r = 0;

	while (r == 0 && (dollar = strchr(text, '$')) != NULL) {
		r = add(e, text, (size_t)(dollar - text), err);
		text = dollar;
		if (r < 0)
			break;
		if (strncmp(text, "$${", 3) == 0) {
			r = add(e, "${", 2, err);
			text += 3;
		} else if (strncmp(text, "${", 2) == 0) {
			r = add_variable(e, text + 2, &text, err);
		} else {
			r = add(e, "$", 1, err);
			text++;
		}
	}
	return r < 0 ? r : add(e, text, strlen(text), err);
}

int
conf_expand(struct arena *arena, const char *text, const char **ret, struct err *err)
{
	struct expansion e = {.n = 0};
	char *copy;
	int r;

	if (!strstr(text, "${")) {
		*ret = text;
		return 0;
	}
	r = expand(&e, text, err);
	if (r == 0) {
		copy = arena_copy(arena, e.buf, e.n);
		if (copy)
			*ret = copy;
		else
			r = err_no_memory(err);
	}
	free(e.buf);
	return r;
}
