#include "conf/equal_priv.h"

#include <string.h>

#include "conf/schema_priv.h"

static const char *
at(const struct conf_field *f, const void *object)
{
	return (const char *)object + f->offset;
}

static bool
are_same(const struct conf_field *f, const struct conf_kind *kind, const void *a, const void *b)
{
	return kind->is_equal ? kind->is_equal(f, a, b) : memcmp(a, b, f->size) == 0;
}

bool
conf_value_equal(const struct conf_field *f, const void *a, const void *b)
{
	if (!conf_field_is_set(f, a) || !conf_field_is_set(f, b))
		return conf_field_is_set(f, a) == conf_field_is_set(f, b);
	return are_same(f, f->kind, at(f, a), at(f, b));
}

bool
conf_list_equal(const struct conf_field *f, const void *a, const void *b)
{
	size_t n;
	size_t n_b;
	const char *x = conf_field_elements(f, a, &n);
	const char *y = conf_field_elements(f, b, &n_b);

	n = conf_field_applies(f, a) ? n : 0;
	n_b = conf_field_applies(f, b) ? n_b : 0;
	if (n != n_b)
		return false;
	for (size_t i = 0; i < n; i++, x += f->size, y += f->size) {
		if (f->schema ? !conf_object_equal(f->schema, x, y) : !are_same(f, f->element_kind, x, y))
			return false;
	}
	return true;
}

/* Keys that have no row, in the same order. */
static bool
is_rest_equal(const struct conf_field *rest, const void *a, const void *b)
{
	size_t n;
	size_t n_b;
	const struct conf_setting *x = conf_field_elements(rest, a, &n);
	const struct conf_setting *y = conf_field_elements(rest, b, &n_b);

	if (n != n_b)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(x[i].key, y[i].key) != 0 || !are_same(rest, rest->element_kind, &x[i], &y[i]))
			return false;
	}
	return true;
}

static bool
is_row_equal(const struct conf_field *f, const void *a, const void *b)
{
	if (f->kind == &conf_kind_later || (!conf_field_applies(f, a) && !conf_field_applies(f, b)))
		return true;
	if (f->kind == &conf_kind_list)
		return conf_list_equal(f, a, b);
	if (f->kind == &conf_kind_group)
		return conf_field_applies(f, a) == conf_field_applies(f, b) && conf_object_equal(f->schema, at(f, a), at(f, b));
	return conf_value_equal(f, a, b);
}

bool
conf_object_equal(const struct conf_schema *schema, const void *a, const void *b)
{
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (!is_row_equal(f, a, b))
			return false;
	}
	return !schema->rest || is_rest_equal(schema->rest, a, b);
}
