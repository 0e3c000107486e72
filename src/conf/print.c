/*
 * conf/print.c: a configuration as text that reads back as the same.
 */
#include "conf/print_priv.h"

#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema_priv.h"

struct printer {
	FILE *out;
	unsigned depth;
	bool internal;
	bool is_for_proxy; /* likewise internal, but without what is the control plane's */
	bool is_for_keeper; /* the same, but without what is for who serves clients */
	bool hides_keys;
	bool spares_presets;
	const bool *is_kept; /* of the services; NULL: none */
};

static void print_group(struct printer *p, const struct conf_schema *schema, const char *object);

static void
indent(const struct printer *p)
{
	for (unsigned i = 0; i < p->depth; i++)
		fputc('\t', p->out);
}

static bool
is_shown(const struct printer *p, const struct conf_field *f, const char *object)
{
	if (f->kind == &conf_kind_later || !conf_field_applies(f, object))
		return false;
	if ((p->is_for_proxy && (f->flags & TG_CONF_CONTROL)) ||
	    (p->is_for_keeper && (f->flags & TG_CONF_TRAFFIC)) ||
	    (p->hides_keys && (f->flags & TG_CONF_KEY)))
		return false;
	return p->internal || !((f->flags & TG_CONF_INTERNAL) || conf_field_is_secret(f, object));
}

/* Only plain values: one line is enough. */
static bool
is_flat(const struct conf_schema *schema)
{
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (f->kind == &conf_kind_group || f->kind == &conf_kind_list)
			return false;
	}
	return true;
}

static bool
is_preset_duration(const struct conf_field *f, const char *object)
{
	uint64_t wanted;
	uint64_t ms;
	struct err err;

	memcpy(&ms, object + f->offset, sizeof(ms));
	return conf_duration_parse(f->preset, &wanted, &err) == 0 && ms == wanted;
}

/* A plain value that would be the same if it were not there. Our own processes are spared those of each of
 * thousands of backends. */
static bool
is_preset(const struct printer *p, const struct conf_field *f, const char *object)
{
	unsigned number;
	bool truth;

	if (!p->internal || !f->preset)
		return false;
	if (f->kind == &conf_kind_duration)
		return is_preset_duration(f, object);
	if (f->kind == &conf_kind_boolean) {
		memcpy(&truth, object + f->offset, sizeof(truth));
		return truth == (strcmp(f->preset, "true") == 0);
	}
	if (f->kind != &conf_kind_integer || f->size != sizeof(number))
		return false;
	memcpy(&number, object + f->offset, sizeof(number));
	return number == strtoul(f->preset, NULL, 10);
}

/* "a = 1; b = 2;" */
static void
print_rows_in_line(struct printer *p, const struct conf_schema *schema, const char *object)
{
	const char *before = "";

	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (!is_shown(p, f, object) || is_preset(p, f, object) ||
		    (f->kind->is_set && !f->kind->is_set(f, object + f->offset)))
			continue;
		fprintf(p->out, "%s%s = ", before, f->key);
		f->kind->print(f, object + f->offset, p->out);
		fputc(';', p->out);
		before = " ";
	}
}

static void
print_group_in_line(struct printer *p, const struct conf_schema *schema, const char *object)
{
	indent(p);
	fputs("{ ", p->out);
	print_rows_in_line(p, schema, object);
	fputs(" }", p->out);
}

static void
print_element(struct printer *p, const struct conf_schema *schema, const char *element)
{
	if (is_flat(schema)) {
		print_group_in_line(p, schema, element);
		return;
	}
	indent(p);
	fputs("{\n", p->out);
	p->depth++;
	print_group(p, schema, element);
	p->depth--;
	indent(p);
	fputs("}", p->out);
}

static void
print_groups(struct printer *p, const struct conf_field *f, const char *elements, size_t n)
{
	p->depth++;
	for (size_t i = 0; i < n; i++) {
		const char *element = elements + i * f->size;

		if (f->schema->is_copy && f->schema->is_copy(element))
			continue;
		fputs(i > 0 ? ",\n" : "", p->out);
		if (p->is_kept && f->schema == &conf_schema_service && p->is_kept[i])
			conf_print_text(((const struct conf_service *)(const void *)element)->name,
					p->out);
		else
			print_element(p, f->schema, element);
	}
	fputs("\n", p->out);
	p->depth--;
}

static void
print_list(struct printer *p, const struct conf_field *f, const char *object)
{
	const char *elements;
	size_t n;

	memcpy(&elements, object + f->offset, sizeof(elements));
	memcpy(&n, object + f->count_offset, sizeof(n));
	indent(p);
	fprintf(p->out, "%s = (", f->key);
	if (f->schema && n > 0) {
		fputc('\n', p->out);
		print_groups(p, f, elements, n);
		indent(p);
	} else {
		for (size_t i = 0; i < n; i++) {
			fputs(i > 0 ? ", " : " ", p->out);
			f->element_kind->print(f, elements + i * f->size, p->out);
		}
		fputc(' ', p->out);
	}
	fputs(");\n", p->out);
}

static void
print_field(struct printer *p, const struct conf_field *f, const char *object)
{
	if (f->kind == &conf_kind_list) {
		print_list(p, f, object);
	} else if (f->kind == &conf_kind_group) {
		indent(p);
		fprintf(p->out, "%s = {\n", f->key);
		p->depth++;
		print_group(p, f->schema, object + f->offset);
		p->depth--;
		indent(p);
		fputs("};\n", p->out);
	} else if (!f->kind->is_set || f->kind->is_set(f, object + f->offset)) {
		indent(p);
		fprintf(p->out, "%s = ", f->key);
		f->kind->print(f, object + f->offset, p->out);
		fputs(";\n", p->out);
	}
}

static bool
is_spared(const struct printer *p, const struct conf_field *f, const char *object)
{
	size_t n = 1;

	if (f->kind == &conf_kind_list)
		memcpy(&n, object + f->count_offset, sizeof(n));
	return p->spares_presets && (n == 0 || is_preset(p, f, object));
}

static void
print_rest(struct printer *p, const struct conf_field *rest, const char *object)
{
	const struct conf_setting *settings;
	size_t n;

	memcpy(&settings, object + rest->offset, sizeof(settings));
	memcpy(&n, object + rest->count_offset, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		indent(p);
		fprintf(p->out, "%s = ", settings[i].key);
		rest->element_kind->print(rest, &settings[i], p->out);
		fputs(";\n", p->out);
	}
}

static void
print_group(struct printer *p, const struct conf_schema *schema, const char *object)
{
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (is_shown(p, f, object) && !is_spared(p, f, object))
			print_field(p, f, object);
	}
	if (schema->rest && is_shown(p, schema->rest, object))
		print_rest(p, schema->rest, object);
}

void
conf_print_object(const struct conf_schema *schema, const void *object, FILE *out)
{
	struct printer p = {.out = out, .internal = true};

	print_group(&p, schema, object);
}

void
conf_print_set(const struct conf_schema *schema, const void *object, FILE *out)
{
	struct printer p = {.out = out, .internal = true, .spares_presets = true};

	print_group(&p, schema, object);
}

void
conf_print_all(const struct conf *conf, enum conf_reader reader, const bool *is_kept, FILE *out)
{
	struct printer p = {.out = out,
			    .internal = reader != CONF_FOR_PEOPLE,
			    .is_for_proxy = reader == CONF_FOR_PROXY,
			    .hides_keys = reader == CONF_FOR_PROXY && conf->key_isolation,
			    .is_for_keeper = reader == CONF_FOR_KEEPER,
			    .is_kept = is_kept};

	if (p.internal)
		__fsetlocking(out, FSETLOCKING_BYCALLER);
	print_group(&p, &conf_schema_top, (const char *)conf);
}

void
conf_print(const struct conf *conf, FILE *out)
{
	conf_print_all(conf, CONF_FOR_PEOPLE, NULL, out);
}

void
conf_print_service(const struct conf_service *service, FILE *out)
{
	struct printer p = {.out = out};

	print_group(&p, &conf_schema_service, (const char *)service);
}

char *
conf_backend_text(const struct conf_backend *backend)
{
	char *text = NULL;
	size_t n = 0;
	struct printer p = {.out = open_memstream(&text, &n)};

	if (!p.out)
		return NULL;
	print_rows_in_line(&p, &conf_schema_backend, (const char *)backend);
	if (fclose(p.out) == 0)
		return text;
	free(text);
	return NULL;
}
