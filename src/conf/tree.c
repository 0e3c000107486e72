/* conf/tree.c: libconfig's tree, and errors at places in it. */
#include "conf/tree_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void
path_write(const struct where *where, FILE *out)
{
	if (where->up)
		path_write(where->up, out);
	if (where->key)
		fprintf(out, "%s%s", where->up && (where->up->key || where->up->up) ? "." : "",
			where->key);
	else if (where->up)
		fprintf(out, "[%u]", where->index);
}

/* "services[2].balance"; NULL: no memory. The caller frees. */
char *
where_path(const struct where *where)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	path_write(where, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void
tell(struct reader *r, const struct where *where, bool is_warning, const char *text)
{
	char *path = where_path(where);

	if (!path)
		conf_report_no_memory(r->report);
	else if (is_warning)
		conf_report_warn(r->report, where->line, "%s: %s", path, text);
	else
		conf_report_add(r->report, where->line, "%s: %s", path, text);
	free(path);
}

void
reader_error(struct reader *r, const struct where *where, const char *text)
{
	tell(r, where, false, text);
}

void
reader_warn(struct reader *r, const struct where *where, const char *text)
{
	tell(r, where, true, text);
}

void
reader_error_format(struct reader *r, const struct where *where, const char *fmt, ...)
{
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	reader_error(r, where, err.text);
}

void
reader_failure(struct reader *r, const struct where *where, int code, const struct err *err)
{
	if (code == -TG_ENOMEM)
		conf_report_no_memory(r->report);
	else
		reader_error(r, where, err->text);
}

bool
tree_is_group(const config_setting_t *setting)
{
	return setting && config_setting_type(setting) == CONFIG_TYPE_GROUP;
}

static const char *
type_words(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_LIST:
		return "a list ( )";
	case CONFIG_TYPE_ARRAY:
		return "an array [ ]";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "an integer";
	case CONFIG_TYPE_FLOAT:
		return "a decimal number";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	default:
		return "a string";
	}
}

void
tree_type_error(struct reader *r, const struct where *where, const config_setting_t *setting,
	   const char *wanted, const char *allowed)
{
	reader_error_format(r, where, "%s where %s is wanted%s%s", type_words(setting), wanted,
			 allowed ? "; allowed: " : "", allowed ? allowed : "");
}

/* False: not a plain value. */
bool
tree_value(const config_setting_t *setting, struct conf_value *ret)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
		*ret = (struct conf_value){.type = TG_VALUE_INTEGER,
					   .integer = config_setting_get_int(setting)};
		return true;
	case CONFIG_TYPE_INT64:
		*ret = (struct conf_value){.type = TG_VALUE_INTEGER,
					   .integer = config_setting_get_int64(setting)};
		return true;
	case CONFIG_TYPE_BOOL:
		*ret = (struct conf_value){.type = TG_VALUE_BOOLEAN,
					   .integer = config_setting_get_bool(setting)};
		return true;
	case CONFIG_TYPE_FLOAT:
		*ret = (struct conf_value){.type = TG_VALUE_DECIMAL,
					   .decimal = config_setting_get_float(setting)};
		return true;
	case CONFIG_TYPE_STRING:
		*ret = (struct conf_value){.type = TG_VALUE_TEXT,
					   .text = config_setting_get_string(setting)};
		if (!ret->text)
			ret->text = "";
		return true;
	default:
		return false;
	}
}

/* libconfig's own looks for what separates the names of a path, in each letter of each name. */
static const config_setting_t *
group_member(const config_setting_t *group, const char *key)
{
	unsigned n = (unsigned)config_setting_length(group);

	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *member = config_setting_get_elem(group, i);

		if (strcmp(config_setting_name(member), key) == 0)
			return member;
	}
	return NULL;
}

/* The line of `key` in an element; of the element itself when it is not written there. */
unsigned
tree_line_of(const config_setting_t *element, const char *key)
{
	const config_setting_t *member =
		tree_is_group(element) ? group_member(element, key) : NULL;

	return config_setting_source_line(member ? member : element);
}

/* The setting of a row; a plain value stands for the shorthand's row. */
const config_setting_t *
tree_member_of(const struct conf_schema *schema, const config_setting_t *setting, const char *key)
{
	if (!setting)
		return NULL;
	if (tree_is_group(setting))
		return group_member(setting, key);
	return strcmp(schema->shorthand, key) == 0 ? setting : NULL;
}
