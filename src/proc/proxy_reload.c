#include "proc/proxy_reload.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/edit.h"

static void
fail(struct proxy_reload *r, const char *why)
{
	r->is_bad = true;
	err_set(&r->why, TG_EPROTO, "the proxy cannot build it: %s", why);
}

static const char *
reason(int rc)
{
	return rc == -TG_ENOMEM ? "no memory" : "the parent breaks the protocol";
}

void
proxy_reload_conf(struct proxy_reload *r, int fd)
{
	struct err err;

	if (r->conf != NULL)
		fail(r, reason(-TG_EPROTO));
	else if (conf_load_next_fd(fd, *r->present, &r->conf, &err) != 0)
		fail(r, err.text);
}

void
proxy_reload_edit(struct proxy_reload *r, int fd)
{
	struct edit edit;
	struct err err;

	if (r->conf != NULL) {
		fail(r, reason(-TG_EPROTO));
	} else if (edit_load_fd(fd, *r->present, &edit, &err) != 0) {
		fail(r, err.text);
	} else {
		r->conf = edit.conf;
		r->is_edited = edit.is_edited;
	}
}

static int
keep_socket(struct proxy_reload *r, struct message *m)
{
	if (r->conf == NULL || r->changes != NULL)
		return -TG_EPROTO;
	return handed_add(&r->sockets, r->n_threads, m);
}

void
proxy_reload_listen(struct proxy_reload *r, struct message *m)
{
	int rc = r->is_bad ? 0 : keep_socket(r, m);

	if (rc != 0)
		fail(r, reason(rc));
}

static int
make_changes(struct proxy_reload *r)
{
	unsigned i;

	r->changes = calloc(r->n_threads, sizeof(struct worker_change *));
	if (r->changes == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < r->n_threads; i++) {
		r->changes[i] =
			worker_change_new(&r->threads[i], r->conf, r->registry, r->next,
					  r->next_contexts);
		if (r->changes[i] == NULL)
			return -TG_ENOMEM;
	}
	return 0;
}

static int
give_socket(void *arg, const struct msg_listen *of, int fd)
{
	const struct proxy_reload *r = arg;

	return worker_change_add_socket(r->changes[of->worker], of->listener, fd);
}

static int
hand_out_sockets(struct proxy_reload *r)
{
	unsigned w;
	int rc = handed_give(&r->sockets, give_socket, r);

	if (rc != 0)
		return rc;
	for (w = 0; w < r->n_threads; w++) {
		if (!worker_change_has_sockets(r->changes[w]))
			return -TG_EPROTO;
	}
	return 0;
}

/* An edit leaves listeners as they are. */
static int
make_contexts(struct proxy_reload *r, struct err *err)
{
	if (r->is_edited == NULL)
		return contexts_make(r->conf, r->tickets, &r->next_contexts, err);
	r->next_contexts = contexts_again(*r->contexts);
	return r->next_contexts != NULL ? 0 : err_no_memory(err);
}

static int
build(struct proxy_reload *r)
{
	int rc = registry_prepare(r->registry, r->conf, r->is_edited, &r->next);

	if (rc == 0)
		rc = make_changes(r);
	return rc == 0 ? hand_out_sockets(r) : rc;
}

int
proxy_reload_prepare(struct proxy_reload *r, struct err *err)
{
	struct err why;
	int rc = 0;

	if (!r->is_bad && r->conf != NULL && r->changes == NULL && make_contexts(r, &why) < 0)
		fail(r, why.text);
	if (!r->is_bad) {
		rc = r->conf != NULL && r->changes == NULL ? build(r) : -TG_EPROTO;
		if (rc == 0)
			return 0;
		fail(r, reason(rc));
	}
	*err = r->why;
	proxy_reload_abort(r);
	return -TG_EINVAL;
}

/* going over */

static void
take_view(void *arg, struct view *view)
{
	struct proxy_reload *r = arg;
	unsigned i;

	for (i = 0; i < r->n_threads; i++)
		worker_change_add_view(r->changes[i], view_ref(view));
	view_unref(view);
}

static void
forget(struct proxy_reload *r)
{
	registry_drop(r->next);
	contexts_free(r->next_contexts);
	free(r->changes);
	free(r->is_edited);
	handed_fini(&r->sockets);
	r->next = NULL;
	r->next_contexts = NULL;
	r->changes = NULL;
	r->is_edited = NULL;
}

static void
end_change(struct proxy_reload *r, struct worker_change *c)
{
	unsigned i;

	for (i = 0; i < r->n_threads; i++) {
		if (r->changes[i] == c)
			r->changes[i] = NULL;
	}
	worker_change_end(c);
}

static void
on_worker_changed(void *arg, struct worker_change *c)
{
	struct proxy_reload *r = arg;
	struct conf *conf = r->conf;

	end_change(r, c);
	if (--r->n_changing > 0)
		return;
	contexts_free(*r->contexts);
	*r->contexts = r->next_contexts;
	r->next_contexts = NULL;
	forget(r);
	r->conf = NULL;
	r->on_changed(r, conf);
}

int
proxy_reload_commit(struct proxy_reload *r)
{
	unsigned i;

	if (r->changes == NULL || r->n_changing > 0)
		return -TG_EPROTO;
	if (registry_commit(r->registry, r->next, loop_now(r->loop), take_view, r) != 0)
		log_write(TG_LOG_ERROR, "no memory for a new set of backends", NULL);
	r->n_changing = r->n_threads;
	for (i = 0; i < r->n_threads; i++)
		worker_thread_change(r->changes[i], r->loop, on_worker_changed, r);
	return 0;
}

void
proxy_reload_abort(struct proxy_reload *r)
{
	size_t i;

	r->is_bad = false;
	if (r->n_changing > 0)
		return;
	for (i = 0; r->changes != NULL && i < r->n_threads; i++)
		worker_change_free(r->changes[i]);
	forget(r);
	conf_unref(r->conf);
	r->conf = NULL;
}

void
proxy_reload_fini(struct proxy_reload *r)
{
	unsigned i;

	/* Workers have gone over before they were joined; nobody heard of it. */
	for (i = 0; r->n_changing > 0 && i < r->n_threads; i++) {
		if (r->changes[i] != NULL)
			end_change(r, r->changes[i]);
	}
	r->n_changing = 0;
	proxy_reload_abort(r);
}
