/* conf/check.c: what check functions ask and say, of the group they check. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tree_priv.h"

static const config_setting_t *
check_member(const struct conf_check *check, const char *key)
{
	return tree_member_of(check->schema, check->setting, key);
}

bool
conf_check_given(const struct conf_check *check, const char *key)
{
	return check_member(check, key) != NULL;
}

size_t
conf_check_errors(const struct conf_check *check)
{
	return conf_report_count(check->reader->report);
}

bool
conf_check_is_internal(const struct conf_check *check)
{
	return check->reader->internal;
}

bool
conf_check_group_given(const struct conf_check *check)
{
	return check->setting != NULL;
}

/* At a key, or at the group when that was not written. */
static struct where
where_of(const struct conf_check *check, const char *key)
{
	const config_setting_t *member = check_member(check, key);

	if (member && member == check->setting)
		return *check->where;
	return (struct where){
		.up = check->where,
		.key = key,
		.line = member ? config_setting_source_line(member) : check->where->line,
	};
}

void
conf_check_error(struct conf_check *check, const char *key, const char *fmt, ...)
{
	struct where at = where_of(check, key);
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	reader_error(check->reader, &at, err.text);
}

void
conf_check_warn(struct conf_check *check, const char *key, const char *fmt, ...)
{
	struct where at = where_of(check, key);
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	reader_warn(check->reader, &at, err.text);
}

static void
tell_element(struct conf_check *check, const char *list, unsigned i, const char *key,
	     const char *text, void (*tell)(struct reader *, const struct where *, const char *))
{
	const config_setting_t *element = config_setting_get_elem(check_member(check, list), i);
	struct where at_list = {.up = check->where, .key = list};
	struct where at_element = {.up = &at_list, .index = i};
	struct where at = {
		.up = &at_element,
		.key = key,
		.line = element ? tree_line_of(element, key) : check->where->line,
	};

	tell(check->reader, &at, text);
}

void
conf_check_element_error(struct conf_check *check, const char *list, unsigned i, const char *key,
			 const char *fmt, ...)
{
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	tell_element(check, list, i, key, err.text, reader_error);
}

void
conf_check_element_warn(struct conf_check *check, const char *list, unsigned i, const char *key,
			const char *fmt, ...)
{
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	tell_element(check, list, i, key, err.text, reader_warn);
}

struct arena *
conf_check_arena(struct conf_check *check)
{
	return check->reader->arena;
}

void
conf_check_no_memory(struct conf_check *check)
{
	conf_report_no_memory(check->reader->report);
}

const char *
conf_check_file(const struct conf_check *check, const char *key)
{
	const config_setting_t *member = check_member(check, key);
	unsigned line = member ? config_setting_source_line(member) : check->where->line;

	return conf_source_is_file(check->reader->source)
		       ? conf_source_place(check->reader->source, line).file
		       : NULL;
}

bool
conf_check_path(struct conf_check *check, const char *key, const char *name, char *buf, size_t size)
{
	const char *beside = conf_check_file(check, key);
	const char *slash = beside ? strrchr(beside, '/') : NULL;
	int folder = slash && name[0] != '/' ? (int)(slash - beside) + 1 : 0;

	if (!beside && name[0] != '/')
		conf_check_error(check, key, "a relative name is not allowed here");
	else if ((size_t)snprintf(buf, size, "%.*s%s", folder, beside ? beside : "", name) >= size)
		conf_check_error(check, key, "the name is too long");
	else
		return true;
	return false;
}

bool
conf_check_find_path(struct conf_check *check, const char *key, const char *name, char **ret)
{
	char path[4096];

	if (!conf_check_path(check, key, name, path, sizeof(path)))
		return false;
	*ret = arena_copy(conf_check_arena(check), path, strlen(path));
	if (!*ret)
		conf_check_no_memory(check);
	return *ret != NULL;
}

void
conf_check_told(void *user, bool is_error, bool is_of_key, const char *text)
{
	const struct conf_telling *t = user;
	const char *key = is_of_key ? "key" : t->key;

	if (is_error)
		conf_check_error(t->check, key, "%s", text);
	else
		conf_check_warn(t->check, key, "%s", text);
}
