/* conf/references.c: services that rows name, found once all of them are read. */
#include <stdlib.h>
#include <string.h>

#include "conf/tree_priv.h"

void
reader_refer(struct reader *r, const struct where *where, const char *name, void *slot)
{
	size_t size = r->references_size ? r->references_size * 2 : 64;
	struct reference *bigger;
	struct reference *ref;

	if (r->n_references == r->references_size) {
		bigger = realloc(r->references, size * sizeof(*bigger));
		if (!bigger) {
			conf_report_no_memory(r->report);
			return;
		}
		r->references = bigger;
		r->references_size = size;
	}
	ref = &r->references[r->n_references];
	ref->slot = slot;
	ref->line = where->line;
	ref->name = arena_copy(r->arena, name, strlen(name));
	ref->path = where_path(where);
	if (ref->name && ref->path) {
		r->n_references++;
	} else {
		free(ref->path);
		conf_report_no_memory(r->report);
	}
}

static int
compare_services(const void *a, const void *b)
{
	const struct conf_service *x = *(const struct conf_service *const *)a;
	const struct conf_service *y = *(const struct conf_service *const *)b;

	return strcmp(x->name, y->name);
}

/* Services by name; those without one (an error already) are left out. */
static size_t
sort_services(const struct conf *conf, const struct conf_service **sorted)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].name)
			sorted[n++] = &conf->services[i];
	}
	qsort(sorted, n, sizeof(*sorted), compare_services);
	return n;
}

static void
link_one(struct reader *r, const struct reference *ref, const struct conf_service **sorted,
	 size_t n)
{
	struct conf_service named = {.name = ref->name};
	const struct conf_service *key = &named;
	const struct conf_service **found =
		bsearch(&key, sorted, n, sizeof(*sorted), compare_services);
	struct conf_suggest near;

	if (found) {
		*ref->slot = *found;
		return;
	}
	conf_suggest_start(&near, ref->name);
	for (size_t i = 0; i < n; i++)
		conf_suggest_offer(&near, sorted[i]->name);
	if (near.best)
		conf_report_add(r->report, ref->line,
				"%s: unknown service \"%.128s\" (did you mean \"%s\"?)", ref->path,
				ref->name, near.best);
	else
		conf_report_add(r->report, ref->line, "%s: unknown service \"%.128s\"", ref->path,
				ref->name);
}

void
reader_link(struct reader *r, struct conf *conf)
{
	const struct conf_service **sorted = calloc(conf->n_services + 1, sizeof(*sorted));
	size_t n;

	if (!sorted) {
		conf_report_no_memory(r->report);
		return;
	}
	n = sort_services(conf, sorted);
	for (size_t i = 0; i < r->n_references; i++)
		link_one(r, &r->references[i], sorted, n);
	free(sorted);
}

void
reader_forget_references(struct reader *r)
{
	for (size_t i = 0; i < r->n_references; i++)
		free(r->references[i].path);
	free(r->references);
}
