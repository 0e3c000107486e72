#include "proc/edit.h"

#include <stdlib.h>

int
edit_take(struct conf_draft *d, const struct reload_order *o, const char **ret_name,
	  struct err *err)
{
	struct conf_note note = {.who = o->who, .why = o->why, .when_us = o->when_us};

	if (o->what == RELOAD_ADD)
		return conf_draft_add(d, o->service, o->text, &note, o->slot, ret_name, err);
	return conf_draft_delete(d, o->service, o->backend, &note, err);
}

static int
take_all(struct conf_draft *d, const struct reload_edit *orders, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < orders->n; i++) {
		const char *name;

		rc = edit_take(d, &orders->orders[i], &name, err);
	}
	return rc;
}

static void
note_edited(struct edit *e, const struct reload_edit *orders)
{
	size_t i;

	for (i = 0; i < orders->n; i++)
		e->is_edited[conf_find_service(e->conf, orders->orders[i].service)->index] = true;
}

static int
apply(const struct reload_edit *orders, struct conf *base, struct edit *ret, struct err *err)
{
	struct edit e = {.is_edited = calloc(base->n_services + 1, sizeof(bool))};
	struct conf_draft *d = NULL;
	int rc;

	if (e.is_edited == NULL || conf_draft_open(base, &d) < 0) {
		edit_fini(&e);
		return err_no_memory(err);
	}
	rc = take_all(d, orders, err);
	if (rc < 0) {
		conf_draft_drop(d);
		edit_fini(&e);
		return rc;
	}
	e.conf = conf_draft_finish(d);
	note_edited(&e, orders);
	*ret = e;
	return 0;
}

int
edit_load_fd(int fd, struct conf *base, struct edit *ret, struct err *err)
{
	struct reload_edit orders;
	int rc = reload_edit_load_fd(fd, &orders, err);

	if (rc < 0)
		return rc;
	rc = apply(&orders, base, ret, err);
	reload_edit_fini(&orders);
	return rc;
}

void
edit_fini(struct edit *e)
{
	conf_unref(e->conf);
	free(e->is_edited);
	*e = (struct edit){.conf = NULL};
}
