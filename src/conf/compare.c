#include "conf/compare.h"

#include <stdlib.h>
#include <string.h>

#include "conf/equal_priv.h"
#include "conf/print_priv.h"
#include "conf/schema_priv.h"

/* Values of lists that are longer are not told. */
#define VALUE_MAX 200u

/* The objects of one sort, by name. */
struct objects {
	const char *base;
	size_t n;
	size_t size;
	const char *(*name)(const void *object);
	bool (*is_copy)(const void *object); /* NULL: none */
};

/* Where a line stands in its making; on the stack. */
struct comparison {
	FILE *out;
	struct conf_changes *changes;
	const char *of;   /* "service api " in front of its backends; "" */
	const char *what; /* NULL: values alone */
	const char *name; /* NULL: it has none */
	unsigned n;       /* values told in this line */
	bool has_failed;
};

static void compare_rows(struct comparison *c, const struct conf_schema *schema, const char *path,
			 const char *a, const char *b);

/*** One line ***/

static void
print_head(struct comparison *c, const char *verdict)
{
	fprintf(c->out, "%s%s%s%s: %s", c->of, c->what, c->name ? " " : "", c->name ? c->name : "",
		verdict);
}

static void
print_key(struct comparison *c, const char *path, const char *key)
{
	if (c->n > 0)
		fputs(", ", c->out);
	else if (c->what)
		print_head(c, "changed: ");
	c->n++;
	fprintf(c->out, "%s%s%s", path, path[0] ? "." : "", key);
}

static void
print_value(const struct comparison *c, const struct conf_field *f, const char *object)
{
	if (conf_field_is_set(f, object))
		f->kind->print(f, object + f->offset, c->out);
	else
		fputs("none", c->out);
}

static void
compare_value(struct comparison *c, const struct conf_field *f, const char *path, const char *a,
	      const char *b)
{
	if (conf_value_equal(f, a, b))
		return;
	print_key(c, path, f->key);
	if (conf_field_is_secret(f, a) || conf_field_is_secret(f, b))
		return;
	fputc(' ', c->out);
	print_value(c, f, a);
	fputs(" -> ", c->out);
	print_value(c, f, b);
}

/*** Lists that are values ***/

struct text {
	char *bytes;
	size_t n;
};

static int
list_text(const struct conf_field *f, const char *object, struct text *ret)
{
	FILE *out = open_memstream(&ret->bytes, &ret->n);
	const char *elements;
	size_t n;

	if (!out)
		return -TG_ENOMEM;
	elements = conf_field_elements(f, object, &n);
	n = conf_field_applies(f, object) ? n : 0;
	fputc('(', out);
	for (size_t i = 0; i < n; i++) {
		fputs(i > 0 ? ", " : " ", out);
		if (f->schema)
			conf_print_object(f->schema, elements + i * f->size, out);
		else
			f->element_kind->print(f, elements + i * f->size, out);
	}
	fputs(" )", out);
	if (fclose(out) != 0) {
		free(ret->bytes);
		return -TG_ENOMEM;
	}
	return 0;
}

static void
print_list_change(struct comparison *c, const struct conf_field *f, const char *path,
		  const struct text *a, const struct text *b)
{
	print_key(c, path, f->key);
	if (!f->schema && a->n <= VALUE_MAX && b->n <= VALUE_MAX)
		fprintf(c->out, " %s -> %s", a->bytes, b->bytes);
}

static void
compare_list(struct comparison *c, const struct conf_field *f, const char *path, const char *a,
	     const char *b)
{
	struct text x;
	struct text y;

	if (conf_list_equal(f, a, b))
		return;
	if (list_text(f, a, &x) < 0) {
		c->has_failed = true;
		return;
	}
	if (list_text(f, b, &y) < 0) {
		c->has_failed = true;
		free(x.bytes);
		return;
	}
	if (x.n != y.n || memcmp(x.bytes, y.bytes, x.n) != 0)
		print_list_change(c, f, path, &x, &y);
	free(x.bytes);
	free(y.bytes);
}

/*** Rows ***/

static bool
is_objects(const struct conf_field *f)
{
	return f->schema == &conf_schema_listener || f->schema == &conf_schema_service ||
	       f->schema == &conf_schema_backend || f->schema == &conf_schema_node ||
	       f->schema == &conf_schema_hook || f->schema == &conf_schema_acme;
}

/* What was read of a file, by the key that names it. */
static void
compare_contents(struct comparison *c, const struct conf_field *f, const char *path, const char *a,
		 const char *b)
{
	static const char ending[] = "_base64";
	size_t key_n = strlen(f->key) - (sizeof(ending) - 1);
	char key[64];

	/* Where one has none, the key itself differs. */
	if (!conf_field_is_set(f, a) || !conf_field_is_set(f, b) || conf_value_equal(f, a, b))
		return;
	snprintf(key, sizeof(key), "%.*s", (int)key_n, f->key);
	print_key(c, path, key);
	fputs(" renewed", c->out);
}

static void
compare_row(struct comparison *c, const struct conf_field *f, const char *path, const char *a,
	    const char *b)
{
	char below[256];

	if (f->kind == &conf_kind_base64)
		compare_contents(c, f, path, a, b);

	if (f->kind == &conf_kind_later || (f->flags & TG_CONF_INTERNAL) || is_objects(f) ||
	    (!conf_field_applies(f, a) && !conf_field_applies(f, b)))
		return;
	if (f->kind == &conf_kind_list) {
		compare_list(c, f, path, a, b);
	} else if (f->kind == &conf_kind_group) {
		snprintf(below, sizeof(below), "%s%s%s", path, path[0] ? "." : "", f->key);
		compare_rows(c, f->schema, below, a + f->offset, b + f->offset);
	} else {
		compare_value(c, f, path, a, b);
	}
}

static const struct conf_setting *
find_setting(const struct conf_setting *settings, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	}
	return NULL;
}

static void
print_setting(struct comparison *c, const struct conf_field *rest, const struct conf_setting *s)
{
	if (s != NULL)
		rest->element_kind->print(rest, s, c->out);
	else
		fputs("none", c->out);
}

static void
compare_setting(struct comparison *c, const struct conf_field *rest, const char *path,
		const char *key, const struct conf_setting *a, const struct conf_setting *b)
{
	if (a != NULL && b != NULL && rest->element_kind->is_equal(rest, a, b))
		return;
	print_key(c, path, key);
	fputc(' ', c->out);
	print_setting(c, rest, a);
	fputs(" -> ", c->out);
	print_setting(c, rest, b);
}

/* Keys that have no row. */
static void
compare_rest(struct comparison *c, const struct conf_field *rest, const char *path, const char *a,
	     const char *b)
{
	size_t n_before;
	size_t n_after;
	const struct conf_setting *before = conf_field_elements(rest, a, &n_before);
	const struct conf_setting *after = conf_field_elements(rest, b, &n_after);

	for (size_t i = 0; i < n_before; i++)
		compare_setting(c, rest, path, before[i].key, &before[i],
				find_setting(after, n_after, before[i].key));
	for (size_t i = 0; i < n_after; i++) {
		if (find_setting(before, n_before, after[i].key) == NULL)
			compare_setting(c, rest, path, after[i].key, NULL, &after[i]);
	}
}

static void
compare_rows(struct comparison *c, const struct conf_schema *schema, const char *path,
	     const char *a, const char *b)
{
	for (const struct conf_field *f = schema->fields; f->key; f++)
		compare_row(c, f, path, a, b);
	if (schema->rest)
		compare_rest(c, schema->rest, path, a, b);
}

static void
compare_object(struct comparison *c, const struct conf_schema *schema, const void *a, const void *b)
{
	c->n = 0;
	compare_rows(c, schema, "", a, b);
	if (c->n == 0)
		return;
	fputc('\n', c->out);
	c->changes->changed++;
}

/*** Objects by name ***/

static const char *
listener_name(const void *object)
{
	return ((const struct conf_listener *)object)->name;
}

static const char *
service_name(const void *object)
{
	return ((const struct conf_service *)object)->name;
}

static const char *
node_name(const void *object)
{
	return ((const struct conf_node *)object)->name;
}

static const char *
acme_name(const void *object)
{
	return ((const struct conf_acme *)object)->name;
}

static const char *
hook_name(const void *object)
{
	return ((const struct conf_hook *)object)->name;
}

static const char *
backend_name(const void *object)
{
	return ((const struct conf_backend *)object)->entry_name;
}

struct named {
	const char *name;
	const void *object;
};

static int
compare_named(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Sorted by name, without copies. NULL: no memory. */
static struct named *
sort(const struct objects *o, size_t *ret_n)
{
	struct named *sorted = calloc(o->n + 1, sizeof(*sorted));
	size_t n = 0;

	for (size_t i = 0; sorted && i < o->n; i++) {
		const void *object = o->base + i * o->size;

		if (!o->is_copy || !o->is_copy(object))
			sorted[n++] = (struct named){.name = o->name(object), .object = object};
	}
	if (sorted)
		qsort(sorted, n, sizeof(*sorted), compare_named);
	*ret_n = n;
	return sorted;
}

static const void *
find(const struct named *sorted, size_t n, const char *name)
{
	struct named key = {.name = name};
	const struct named *found = bsearch(&key, sorted, n, sizeof(*sorted), compare_named);

	return found ? found->object : NULL;
}

typedef void pair_fn(struct comparison *c, const void *a, const void *b);

static void
print_verdict(struct comparison *c, const char *name, const char *verdict, unsigned *counter)
{
	c->name = name;
	print_head(c, verdict);
	fputc('\n', c->out);
	(*counter)++;
}

/* `pair` is called for what is in both. */
static void
compare_objects(struct comparison *c, const struct objects *a, const struct objects *b,
		pair_fn *pair)
{
	size_t n_before;
	size_t n_after;
	struct named *before = sort(a, &n_before);
	struct named *after = sort(b, &n_after);

	for (size_t i = 0; before && i < b->n; i++) {
		const void *object = b->base + i * b->size;
		const void *was = find(before, n_before, b->name(object));

		if (b->is_copy && b->is_copy(object))
			continue;
		if (was)
			pair(c, was, object);
		else
			print_verdict(c, b->name(object), "added", &c->changes->added);
	}
	for (size_t i = 0; after && i < a->n; i++) {
		const void *object = a->base + i * a->size;

		if ((!a->is_copy || !a->is_copy(object)) && !find(after, n_after, a->name(object)))
			print_verdict(c, a->name(object), "removed", &c->changes->removed);
	}
	c->has_failed = c->has_failed || !before || !after;
	free(before);
	free(after);
}

static void
compare_backend(struct comparison *c, const void *a, const void *b)
{
	c->name = backend_name(b);
	compare_object(c, &conf_schema_backend, a, b);
}

static struct objects
backends_of(const struct conf_service *service)
{
	return (struct objects){
		.base = (const char *)service->backends,
		.n = service->n_backends,
		.size = sizeof(service->backends[0]),
		.name = backend_name,
		.is_copy = conf_schema_backend.is_copy,
	};
}

static void
compare_service(struct comparison *c, const void *a, const void *b)
{
	struct objects before = backends_of(a);
	struct objects after = backends_of(b);
	struct comparison below = *c;
	char of[128];

	c->name = service_name(b);
	compare_object(c, &conf_schema_service, a, b);
	snprintf(of, sizeof(of), "service %s ", service_name(b));
	below.of = of;
	below.what = "backend";
	compare_objects(&below, &before, &after, compare_backend);
	c->has_failed = c->has_failed || below.has_failed;
}

static void
compare_listener(struct comparison *c, const void *a, const void *b)
{
	c->name = listener_name(b);
	compare_object(c, &conf_schema_listener, a, b);
}

static void
compare_node(struct comparison *c, const void *a, const void *b)
{
	c->name = node_name(b);
	compare_object(c, &conf_schema_node, a, b);
}

static void
compare_nodes(struct comparison *c, const struct conf *present, const struct conf *next)
{
	struct objects before = {.base = (const char *)present->nodes,
				 .n = present->n_nodes,
				 .size = sizeof(present->nodes[0]),
				 .name = node_name};
	struct objects after = before;

	after.base = (const char *)next->nodes;
	after.n = next->n_nodes;
	c->what = "node";
	compare_objects(c, &before, &after, compare_node);
}

static void
compare_hook(struct comparison *c, const void *a, const void *b)
{
	c->name = hook_name(b);
	compare_object(c, &conf_schema_hook, a, b);
}

static void
compare_hooks(struct comparison *c, const struct conf *present, const struct conf *next)
{
	struct objects before = {.base = (const char *)present->hooks,
				 .n = present->n_hooks,
				 .size = sizeof(present->hooks[0]),
				 .name = hook_name};
	struct objects after = before;

	after.base = (const char *)next->hooks;
	after.n = next->n_hooks;
	c->what = "hook";
	compare_objects(c, &before, &after, compare_hook);
}

static void
compare_acme(struct comparison *c, const void *a, const void *b)
{
	c->name = acme_name(b);
	compare_object(c, &conf_schema_acme, a, b);
}

static void
compare_acmes(struct comparison *c, const struct conf *present, const struct conf *next)
{
	struct objects before = {.base = (const char *)present->acme,
				 .n = present->n_acme,
				 .size = sizeof(present->acme[0]),
				 .name = acme_name};
	struct objects after = before;

	after.base = (const char *)next->acme;
	after.n = next->n_acme;
	c->what = "acme";
	compare_objects(c, &before, &after, compare_acme);
}

static void
compare_all(struct comparison *c, const struct conf *present, const struct conf *next)
{
	struct objects listeners = {.base = (const char *)present->listeners,
				    .n = present->n_listeners,
				    .size = sizeof(present->listeners[0]),
				    .name = listener_name};
	struct objects services = {.base = (const char *)present->services,
				   .n = present->n_services,
				   .size = sizeof(present->services[0]),
				   .name = service_name};
	struct objects next_listeners = listeners;
	struct objects next_services = services;

	next_listeners.base = (const char *)next->listeners;
	next_listeners.n = next->n_listeners;
	next_services.base = (const char *)next->services;
	next_services.n = next->n_services;
	c->what = "global";
	compare_object(c, &conf_schema_top, present, next);
	c->what = "listener";
	compare_objects(c, &listeners, &next_listeners, compare_listener);
	c->what = "service";
	compare_objects(c, &services, &next_services, compare_service);
	compare_nodes(c, present, next);
	compare_hooks(c, present, next);
	compare_acmes(c, present, next);
}

int
conf_compare(const struct conf *present, const struct conf *next, FILE *out,
	     struct conf_changes *ret)
{
	struct comparison c = {.out = out, .changes = ret, .of = "", .what = ""};

	*ret = (struct conf_changes){.added = 0};
	compare_all(&c, present, next);
	if (c.has_failed || ferror(out))
		return -TG_ENOMEM;
	if (ret->added + ret->changed + ret->removed == 0)
		fputs(TG_CONF_SAME "\n", out);
	return 0;
}

bool
conf_is_equal_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
conf_compare_fixed(const struct conf *present, const struct conf *next, FILE *out)
{
	static const char *const keys[] = {"workers", "user", "group", "key_isolation"};
	struct conf_changes changes = {.added = 0};
	struct comparison c = {.out = out, .changes = &changes, .of = ""};

	if (out == NULL)
		return present->workers != next->workers ||
		       present->key_isolation != next->key_isolation ||
		       !conf_is_equal_text(present->user, next->user) ||
		       !conf_is_equal_text(present->group, next->group);
	for (const struct conf_field *f = conf_schema_top.fields; f->key; f++) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (strcmp(f->key, keys[i]) == 0)
				compare_row(&c, f, "", (const char *)present, (const char *)next);
		}
	}
	return c.n > 0;
}
