/*
 * What operators have laid over a configuration, once more over a file that was read anew.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/overlay_priv.h"

struct hearer {
	conf_draft_told *told;
	void *user;
};

static void
tell(const struct hearer *hearer, const char *service, const char *backend, const char *what)
{
	if (hearer->told)
		hearer->told(hearer->user, service, backend, what);
}

/* -TG_ENOMEM, else 0: it was kept, or told. */
static int
judge(int rc, const struct err *err, const struct hearer *hearer, const char *service,
      const char *backend)
{
	if (rc == -TG_ENOMEM)
		return rc;
	if (rc < 0)
		tell(hearer, service, backend, err->text);
	return 0;
}

/* -TG_EEXIST: the file has another entry than it had. */
static int
check_unedited(const struct conf_backend *entry, const char *was, struct err *err)
{
	char *text = conf_backend_text(entry);
	bool is_same = text && strcmp(text, was) == 0;

	if (!text)
		return err_no_memory(err);
	free(text);
	return is_same ? 0
		       : err_set(err, TG_EEXIST,
				 "edited since in the configuration file, which counts");
}

/* The first of the entry that the file has under this name; NULL: none. */
static int
find_of_file(struct conf_draft *d, struct conf_service *service, const char *name,
	     struct conf_backend **ret, struct err *err)
{
	if (draft_find_entry(d, service, name, ret) < 0)
		return err_no_memory(err);
	if (*ret && (*ret)->added.who)
		*ret = NULL;
	return 0;
}

static int
check_added(const struct conf_backend *of_file, const char *was, struct err *err)
{
	struct err why;
	int rc;

	if (!was && !of_file)
		return 0;
	if (!was)
		return err_set(err, TG_EEXIST,
			       "added, and now in the configuration file, which counts");
	if (!of_file)
		return err_set(
			err, TG_EEXIST,
			"added, and taken out of the configuration file since, which counts");
	rc = check_unedited(of_file, was, &why);
	return rc == 0 ? 0 : err_set(err, (enum tg_errno) - rc, "added, and %s", why.text);
}

/* In the place of the file's own, which comes back where that cannot be. */
static int
replace(struct conf_draft *d, struct conf_service *service, struct conf_backend *of_file,
	const struct conf_backend *entry, struct err *err)
{
	struct conf_backend before = *of_file;
	struct err why;
	int rc;

	draft_remove_entry(d, service, of_file);
	rc = draft_add_entry(d, service, entry, err);
	if (rc < 0 && draft_add_entry(d, service, &before, &why) < 0)
		return err_no_memory(err);
	return rc;
}

/* Once more, over what may be another file. */
static int
add_again(struct conf_draft *d, struct conf_service *service, const struct conf_backend *entry,
	  struct err *err)
{
	struct conf_backend *of_file = NULL;
	int rc = find_of_file(d, service, entry->entry_name, &of_file, err);

	if (rc == 0)
		rc = check_added(of_file, entry->added_was, err);
	if (rc < 0)
		return rc;
	return of_file ? replace(d, service, of_file, entry, err)
		       : draft_add_entry(d, service, entry, err);
}

static int
carry_added(struct conf_draft *d, const struct conf_service *from, struct conf_service *to,
	    const struct hearer *hearer)
{
	struct err err;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n_backends; i++) {
		struct conf_backend entry = from->backends[i];

		if (!entry.added.who || entry.slot > 0)
			continue;
		if (!draft_dup_added(draft_arena(d, to), &entry, 1))
			return -TG_ENOMEM;
		entry.segment_slot = 0;
		rc = judge(add_again(d, to, &entry, &err), &err, hearer, from->name,
			   entry.entry_name);
	}
	return rc;
}

/* Once more, over what may be another file; `was` NULL: whatever it has. */
static int
delete_again(struct conf_draft *d, const char *service_name, const struct conf_deleted *deleted,
	     struct err *err)
{
	struct conf_backend *first = NULL;
	struct conf_service *service;
	int rc = draft_open_service(d, service_name, &service, err);

	if (rc < 0)
		return rc;
	if (draft_find_entry(d, service, deleted->name, &first) < 0)
		return err_no_memory(err);
	if (first && !first->added.who && deleted->was) {
		struct err why;

		rc = check_unedited(first, deleted->was, &why);
		if (rc < 0)
			return err_set(err, (enum tg_errno) - rc, "deleted, and %s", why.text);
	}
	return conf_draft_delete(d, service_name, deleted->name, &deleted->note, err);
}

static int
carry_deleted(struct conf_draft *d, const struct conf_service *from, const struct hearer *hearer)
{
	struct err err;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n_deleted; i++) {
		const struct conf_deleted *deleted = &from->deleted[i];

		rc = judge(delete_again(d, from->name, deleted, &err), &err, hearer, from->name,
			   deleted->name);
	}
	return rc;
}

static bool
has_orders(const struct conf_service *service)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		if (service->backends[i].added.who)
			return true;
	}
	return service->n_deleted > 0;
}

static int
carry_service(struct conf_draft *d, const struct conf_service *from, const struct hearer *hearer)
{
	struct conf_service *to;
	struct err err;
	int rc = draft_open_service(d, from->name, &to, &err);

	if (rc == -TG_ENOENT) {
		if (from->n_deleted > 0)
			tell(hearer, from->name, from->deleted[0].name, "its service is gone");
		return 0;
	}
	if (rc == 0)
		rc = carry_deleted(d, from, hearer);
	return rc == 0 ? carry_added(d, from, to, hearer) : rc;
}

int
conf_draft_carry(struct conf_draft *d, const struct conf *present, conf_draft_told *told,
		 void *user)
{
	struct hearer hearer = {.told = told, .user = user};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < present->n_services; i++) {
		const struct conf_service *from = &present->services[i];

		if (has_orders(from))
			rc = carry_service(d, from, &hearer);
	}
	return rc;
}

static bool
is_told(const char *was)
{
	return was && was[0] != '\0';
}

static int
apply_added(struct conf_draft *d, const struct conf_state_order *o, const char *text,
	    const struct conf_note *note, struct err *err)
{
	struct conf_service *service;
	struct conf_backend entry;
	int rc = draft_open_service(d, o->service, &service, err);

	if (rc == 0)
		rc = draft_read_entry(d, service, text, note, &entry, err);
	if (rc < 0)
		return rc;
	entry.added_was = is_told(o->was) ? o->was : NULL;
	if (entry.added_was && !draft_dup_text(draft_arena(d, service), &entry.added_was))
		return err_no_memory(err);
	return add_again(d, service, &entry, err);
}

static int
apply_order(struct conf_draft *d, const struct conf_state_order *o, const struct hearer *hearer)
{
	struct conf_note note = {.who = o->who, .why = o->why, .when_us = o->when_us};
	struct conf_deleted deleted = {
		.name = o->backend, .was = is_told(o->was) ? o->was : NULL, .note = note};
	size_t n = sizeof(TG_CONF_OVERLAY_ADDED) - 1;
	struct err err;
	int rc;

	if (!o->service || !o->backend || strcmp(o->property, TG_CONF_OVERLAY_PROPERTY) != 0)
		return 0;
	if (strcmp(o->value, TG_CONF_OVERLAY_DELETED) == 0)
		rc = delete_again(d, o->service, &deleted, &err);
	else if (strncmp(o->value, TG_CONF_OVERLAY_ADDED, n) == 0)
		rc = apply_added(d, o, o->value + n, &note, &err);
	else
		rc = err_set(&err, TG_EINVAL, "neither added nor deleted");
	return judge(rc, &err, hearer, o->service, o->backend);
}

int
conf_draft_apply(struct conf_draft *d, const struct conf_state *state, conf_draft_told *told,
		 void *user)
{
	struct hearer hearer = {.told = told, .user = user};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < state->n_orders; i++)
		rc = apply_order(d, &state->orders[i], &hearer);
	return rc;
}

int
conf_keep_secret(struct conf *conf, const char *service, const char *secret)
{
	const struct conf_service *found = conf_find_service(conf, service);
	char *text = (char *)(uintptr_t)secret;

	if (!found || !found->sticky.has_made_secret)
		return 0;
	if (!draft_dup_text(&conf_box_of(conf)->parts[found->index]->arena, &text))
		return -TG_ENOMEM;
	conf->services[found->index].sticky.secret = text;
	return 0;
}

int
conf_keep_secrets(struct conf *conf, const struct conf *present)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < present->n_services; i++) {
		const struct conf_service *before = &present->services[i];

		if (before->sticky.has_made_secret)
			rc = conf_keep_secret(conf, before->name, before->sticky.secret);
	}
	return rc;
}
