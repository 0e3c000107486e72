/*
 * conf/reader.c: libconfig's tree to our structs, row by row; the door to libconfig.
 *
 * Rows are read in the order of the table, not of the text: a row may lean on
 * those above it (the defaults of a listener on its mode). The report sorts
 * what is found into file order.
 */
#include "conf/reader_priv.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "conf/kept_priv.h"
#include "conf/tree_priv.h"
#include "conf/twice_priv.h"

/* One element's text in the search for what is there twice. */
struct unique_text {
	const char *text;
	unsigned index;
};

static void read_group(struct reader *r, const struct where *where,
		       const struct conf_schema *schema, const config_setting_t *setting,
		       void *object);

/*** Plain values ***/

static int
take(struct reader *r, const struct where *where, const struct conf_field *f,
     const struct conf_kind *kind, const struct conf_value *v, void *dest, struct err *err)
{
	if (kind == &conf_kind_service) {
		reader_refer(r, where, v->text, dest);
		return 0;
	}
	if (kind == &conf_kind_module && !r->internal && conf_modules() != NULL) {
		int code = conf_modules()->load(v->text, err);

		if (code < 0)
			return code;
	}
	return kind->take(r->arena, f, v, dest, err);
}

static void
read_value(struct reader *r, const struct where *where, const struct conf_field *f,
	   const struct conf_kind *kind, const config_setting_t *setting, void *dest)
{
	struct conf_value v;
	struct err err;
	int code = 0;

	if (!tree_value(setting, &v) || !(kind->accepts & 1u << v.type)) {
		tree_type_error(r, where, setting, kind->wanted, kind->allowed);
		return;
	}
	if (v.type == TG_VALUE_TEXT)
		code = conf_expand(r->arena, v.text, &v.text, &err);
	if (code == 0)
		code = take(r, where, f, kind, &v, dest, &err);
	if (code < 0)
		reader_failure(r, where, code, &err);
}

/* A preset is right by construction: what fails is memory. */
static void
read_preset(struct reader *r, const struct conf_field *f, void *dest)
{
	struct conf_value v = {.type = TG_VALUE_TEXT, .text = f->preset};
	struct err err;

	if (!f->preset)
		return;
	if (f->kind->accepts & 1u << TG_VALUE_DECIMAL) {
		v = (struct conf_value){.type = TG_VALUE_DECIMAL,
					.decimal = strtod(f->preset, NULL)};
	} else if (!(f->kind->accepts & 1u << TG_VALUE_TEXT)) {
		v.type = f->kind->accepts & 1u << TG_VALUE_INTEGER ? TG_VALUE_INTEGER
								   : TG_VALUE_BOOLEAN;
		v.integer = v.type == TG_VALUE_INTEGER ? strtoll(f->preset, NULL, 10)
						       : strcmp(f->preset, "true") == 0;
	}
	if (f->kind->take(r->arena, f, &v, dest, &err) < 0)
		conf_report_no_memory(r->report);
}

/*** Lists ***/

static int
compare_unique(const void *a, const void *b)
{
	const struct unique_text *x = a;
	const struct unique_text *y = b;
	int c = strcmp(x->text, y->text);

	if (c != 0)
		return c;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void
report_double(struct reader *r, const struct where *where, const config_setting_t *list,
	      const struct conf_unique *unique, unsigned first, unsigned again)
{
	const config_setting_t *element = config_setting_get_elem(list, again);
	struct where at_element = {
		.up = where,
		.index = again,
		.line = config_setting_source_line(element),
	};
	struct where at_key = {
		.up = &at_element,
		.key = unique->key,
		.line = unique->key ? tree_line_of(element, unique->key) : 0,
	};
	char *path = where_path(where);

	if (path)
		reader_error_format(r, unique->key ? &at_key : &at_element, "already the %s of %s[%u]",
				 unique->what, path, first);
	else
		conf_report_no_memory(r->report);
	free(path);
}

/* `texts` has room for all elements. */
static void
check_unique(struct reader *r, const struct where *where, const struct conf_field *f,
	     const struct conf_unique *unique, const config_setting_t *list, const char *elements,
	     const bool *is_wrong, unsigned n, struct unique_text *texts)
{
	char buf[2048];
	const char *text;
	char *copy;
	unsigned used = 0;

	for (unsigned i = 0; i < n; i++) {
		text = unique->text(elements + i * f->size, buf, sizeof(buf));
		/* An element that is wrong as a whole says nothing as a whole. */
		if (!text || (!unique->key && is_wrong[i]))
			continue;
		copy = text == buf ? arena_copy(r->arena, text, strlen(text)) : NULL;
		if (text == buf && !copy) {
			conf_report_no_memory(r->report);
			return;
		}
		texts[used].text = copy ? copy : text;
		texts[used++].index = i;
	}
	qsort(texts, used, sizeof(*texts), compare_unique);
	for (unsigned i = 1, first = 0; i < used; i++) {
		if (strcmp(texts[i].text, texts[first].text) == 0)
			report_double(r, where, list, unique, texts[first].index, texts[i].index);
		else
			first = i;
	}
}

static void
check_all_unique(struct reader *r, const struct where *where, const struct conf_field *f,
		 const config_setting_t *list, const char *elements, const bool *is_wrong,
		 unsigned n)
{
	const struct conf_unique *unique = f->schema ? f->schema->unique : NULL;
	struct unique_text *texts;

	if (!unique || n < 2)
		return;
	texts = calloc(n, sizeof(*texts));
	if (!texts) {
		conf_report_no_memory(r->report);
		return;
	}
	for (; unique->text; unique++)
		check_unique(r, where, f, unique, list, elements, is_wrong, n, texts);
	free(texts);
}

static void
read_element(struct reader *r, const struct where *where, const struct conf_field *f,
	     const config_setting_t *element, void *dest)
{
	bool plain = config_setting_is_scalar(element);

	if (!f->schema)
		read_value(r, where, f, f->element_kind, element, dest);
	else if (tree_is_group(element) || (plain && f->schema->shorthand))
		read_group(r, where, f->schema, element, dest);
	else
		tree_type_error(r, where, element, "a group { }", NULL);
}

static bool
is_service(const struct reader *r, const struct conf_field *f)
{
	return r->box && f->schema == &conf_schema_service;
}

/* In memory of its own, new or that of before. */
static void
read_service(struct reader *r, const struct where *where, const struct conf_field *f,
	     const config_setting_t *element, void *dest)
{
	struct arena *arena = r->arena;
	struct conf_part *part;

	if (r->present && config_setting_type(element) == CONFIG_TYPE_STRING) {
		reader_keep(r, where, config_setting_get_string(element), dest);
		return;
	}
	part = conf_part_new(NULL);
	if (!part) {
		conf_report_no_memory(r->report);
		return;
	}
	r->box->parts[where->index] = part;
	r->arena = &part->arena;
	read_element(r, where, f, element, dest);
	r->arena = arena;
}

/* Reads all elements; *is_wrong is set for those that brought errors. */
static void
read_elements(struct reader *r, const struct where *where, const struct conf_field *f,
	      const config_setting_t *list, char *elements, bool *is_wrong, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *element = config_setting_get_elem(list, i);
		size_t errors = conf_report_count(r->report);
		struct where at = {
			.up = where,
			.index = i,
			.line = config_setting_source_line(element),
		};

		if (is_service(r, f))
			read_service(r, &at, f, element, elements + i * f->size);
		else
			read_element(r, &at, f, element, elements + i * f->size);
		is_wrong[i] = conf_report_count(r->report) != errors;
	}
}

static void
read_list(struct reader *r, const struct where *where, const struct conf_field *f,
	  const config_setting_t *list, char *object)
{
	char *elements;
	bool *is_wrong;
	size_t n;

	if (!config_setting_is_list(list) && !config_setting_is_array(list)) {
		tree_type_error(r, where, list, "a list ( )", NULL);
		return;
	}
	n = (size_t)config_setting_length(list);
	if (n < f->min || n > f->max) {
		reader_error_format(r, where, "a list of %zu; allowed: %ju to %ju", n,
				 (uintmax_t)f->min, (uintmax_t)f->max);
		return;
	}
	if (n == 0)
		return;
	elements = arena_alloc(r->arena, n, f->size);
	is_wrong = calloc(n, sizeof(*is_wrong));
	if (is_service(r, f))
		r->box->parts = calloc(n, sizeof(struct conf_part *));
	if (!elements || !is_wrong || (is_service(r, f) && !r->box->parts)) {
		conf_report_no_memory(r->report);
		free(is_wrong);
		return;
	}
	memcpy(object + f->offset, &elements, sizeof(elements));
	memcpy(object + f->count_offset, &n, sizeof(n));
	read_elements(r, where, f, list, elements, is_wrong, (unsigned)n);
	check_all_unique(r, where, f, list, elements, is_wrong, (unsigned)n);
	free(is_wrong);
}

/*** Keys that have no row ***/

static bool is_renamed(const struct reader *r, const char *key);
static const struct conf_field *find_field(const struct reader *r, const struct conf_schema *schema,
					   const char *key);

static char *
place_text(struct reader *r, unsigned line)
{
	struct conf_place place = conf_source_place(r->source, line);
	size_t size = strlen(place.file) + 16;
	char *text = arena_alloc(r->arena, size, 1);

	if (text)
		snprintf(text, size, "%s:%u", place.file, place.line);
	else
		conf_report_no_memory(r->report);
	return text;
}

static void
read_setting(struct reader *r, const struct where *where, const struct conf_field *rest,
	     const config_setting_t *member, struct conf_setting *ret)
{
	ret->key = arena_copy(r->arena, where->key, strlen(where->key));
	ret->place = place_text(r, where->line);
	if (!ret->key)
		conf_report_no_memory(r->report);
	read_value(r, where, rest, rest->element_kind, member, ret);
}

static void
read_rest(struct reader *r, const struct where *where, const struct conf_schema *schema,
	  const config_setting_t *group, char *object)
{
	const struct conf_field *rest = schema->rest;
	size_t members = (size_t)config_setting_length(group);
	size_t most = members < rest->max ? members : rest->max;
	struct conf_setting *settings = arena_alloc(r->arena, most, sizeof(*settings));
	size_t n = 0;

	if (!settings) {
		conf_report_no_memory(r->report);
		return;
	}
	for (unsigned i = 0; i < members; i++) {
		const config_setting_t *member = config_setting_get_elem(group, i);
		struct where at = {
			.up = where,
			.key = config_setting_name(member),
			.line = config_setting_source_line(member),
		};

		if (is_renamed(r, at.key) || find_field(r, schema, at.key))
			continue;
		if (n == rest->max) {
			reader_error_format(r, &at, "more than %zu keys", n);
			break;
		}
		read_setting(r, &at, rest, member, &settings[n++]);
	}
	memcpy(object + rest->offset, &settings, sizeof(settings));
	memcpy(object + rest->count_offset, &n, sizeof(n));
}

/*** Groups ***/

static void
read_present(struct reader *r, const struct where *where, const struct conf_field *f,
	     const config_setting_t *member, char *object)
{
	if (f->kind == &conf_kind_later)
		reader_error(r, where, "not available in this version");
	else if (f->kind == &conf_kind_list)
		read_list(r, where, f, member, object);
	else if (f->kind != &conf_kind_group)
		read_value(r, where, f, f->kind, member, object + f->offset);
	else if (tree_is_group(member))
		read_group(r, where, f->schema, member, object + f->offset);
	else
		tree_type_error(r, where, member, "a group { }", NULL);
}

static void
read_absent(struct reader *r, const struct where *where, const struct conf_field *f, char *object)
{
	/* Our own processes may have a part alone. */
	if ((f->flags & TG_CONF_REQUIRED) && !(r->internal && f->kind == &conf_kind_list))
		reader_error(r, where, "missing");
	else if (f->kind == &conf_kind_group)
		read_group(r, where, f->schema, NULL, object + f->offset);
	else
		read_preset(r, f, object + f->offset);
}

static bool
is_hidden(const struct reader *r, const struct conf_field *f)
{
	return (f->flags & TG_CONF_INTERNAL) && !r->internal;
}

static const struct conf_field *
find_field(const struct reader *r, const struct conf_schema *schema, const char *key)
{
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (strcmp(f->key, key) == 0 && !is_hidden(r, f))
			return f;
	}
	return NULL;
}

static void
report_unknown(struct reader *r, const struct where *where, const struct conf_schema *schema)
{
	struct conf_suggest near;

	conf_suggest_start(&near, where->key);
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (f->kind != &conf_kind_later && !is_hidden(r, f))
			conf_suggest_offer(&near, f->key);
	}
	if (near.best)
		reader_error_format(r, where, "unknown key (did you mean \"%s\"?)", near.best);
	else
		reader_error(r, where, "unknown key");
}

/* Behind the first of its name, and renamed for that. */
static bool
is_renamed(const struct reader *r, const char *key)
{
	return r->has_renamed &&
	       strncmp(key, TG_CONF_TWICE_PREFIX, sizeof(TG_CONF_TWICE_PREFIX) - 1) == 0;
}

static void
check_keys(struct reader *r, const struct where *where, const struct conf_schema *schema,
	   const config_setting_t *group, const void *object)
{
	for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, i);
		const struct conf_field *f = find_field(r, schema, config_setting_name(member));
		struct where at = {
			.up = where,
			.key = config_setting_name(member),
			.line = config_setting_source_line(member),
		};

		if (is_renamed(r, at.key))
			continue;
		if (!f && !schema->rest)
			report_unknown(r, &at, schema);
		else if (f && !conf_field_applies(f, object))
			reader_error_format(r, &at, "only allowed %s", f->when_text);
	}
}

static void
read_group(struct reader *r, const struct where *where, const struct conf_schema *schema,
	   const config_setting_t *setting, void *object)
{
	struct conf_check check = {
		.reader = r,
		.where = where,
		.schema = schema,
		.setting = setting,
	};

	for (const struct conf_field *f = schema->fields; f->key; f++) {
		const config_setting_t *member = tree_member_of(schema, setting, f->key);
		struct where at = {
			.up = where,
			.key = member == setting ? NULL : f->key,
			.line = member ? config_setting_source_line(member) : where->line,
		};

		if (member && !is_hidden(r, f))
			read_present(r, member == setting ? where : &at, f, member, object);
		else
			read_absent(r, &at, f, object);
	}
	if (tree_is_group(setting) && schema->rest)
		read_rest(r, where, schema, setting, object);
	if (tree_is_group(setting))
		check_keys(r, where, schema, setting, object);
	if (schema->check)
		schema->check(&check, object);
}

/*** The whole ***/

#ifdef TG_SANITIZED
/* libconfig 1.5 forgets the string it has just read when a syntax error follows. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}
#endif

static bool
is_double(const config_t *tree)
{
	const char *text = config_error_text(tree);

	return text && strcmp(text, "duplicate setting name") == 0;
}

static void
syntax_error(struct reader *r, const config_t *tree)
{
	const char *text = config_error_text(tree);
	unsigned line = config_error_line(tree) > 0 ? (unsigned)config_error_line(tree) : 1;

	if (is_double(tree))
		conf_report_add(r->report, line, "a key is given twice in one group");
	else
		conf_report_add(
			r->report, line,
			"%s; look for a missing quote, comma or bracket here or just before",
			text ? text : "syntax error");
}

static void
tree_init(config_t *tree)
{
	config_init(tree);
	/* No @include is left for libconfig; if one were, this is no folder. */
	config_set_include_dir(tree, "/dev/null");
}

/* With a key given twice: reports it, and reads the text again without. */
static bool
parse(struct reader *r, config_t *tree)
{
	char *renamed;
	bool parsed;

	if (config_read_string(tree, conf_source_text(r->source)))
		return true;
	renamed = is_double(tree) ? conf_twice_rename(r->source, r->report) : NULL;
	if (!renamed)
		return false;
	r->has_renamed = true;
	config_destroy(tree);
	tree_init(tree);
	parsed = config_read_string(tree, renamed);
	free(renamed);
	return parsed;
}

void
conf_read(const struct conf_source *source, bool internal, struct arena *arena,
	  struct conf_report *report, const struct conf_schema *schema, void *object,
	  struct conf *conf, struct conf *present)
{
	struct reader r = {.source = source,
			   .report = report,
			   .arena = arena,
			   .box = conf ? conf_box_of(conf) : NULL,
			   .present = present,
			   .internal = internal};
	struct where top = {.line = 1};
	config_t tree;

	if (present)
		r.box->certificates = conf_part_ref(conf_box_of(present)->certificates);
	tree_init(&tree);
	if (parse(&r, &tree)) {
		read_group(&r, &top, schema, config_root_setting(&tree), object);
		if (conf)
			reader_link(&r, conf);
	} else {
		syntax_error(&r, &tree);
	}
	config_destroy(&tree);
	reader_forget_references(&r);
}
