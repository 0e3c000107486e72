/*
 * proc/keeper_reload.c: prepare, then commit or abort.
 */
#include "proc/keeper_reload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/compare.h"
#include "conf/same.h"
#include "module/module.h"
#include "proc/edit.h"
#include "proc/keeper_acme.h"
#include "proc/keeper_hooks.h"
#include "proc/keeper_scale.h"
#include "steer/carry.h"

#define OLD_FILE_MS  100u /* for a thread to end that has nothing left to write */
#define OLD_STORE_MS 100u /* for the last decisions */

struct keeper_next {
	struct conf *conf; /* NULL: it could not be read, as `err` says */
	bool is_edit;      /* MSG_EDIT led to it */
	struct err err;
	struct conf_same *same;
	struct health_next *health;
	struct names_next *names;
	struct steer_next *steer;
	struct orders_next *orders;
	struct scaler_next *scaler;
	struct hooks_next *hooks;
	struct keeper_store store; /* zeroed: the one before goes on */
	struct keeper_control *controls; /* by conf->admin.controls */
	bool *are_new;                   /* the same: not served before */
	struct http_server *http;        /* holds; NULL: the one before goes on, or there is none */
	int log_fd;                      /* MSG_LOG_FILE; -1: none */
	int log_copy;    /* of the next output, for the log that goes on; -1: it stays */
	bool has_output; /* log_fd is to take the place of the one before */
	struct access_log *access_log; /* begun; NULL: the one before, or none */
	struct state_file *state_file; /* the same */
	bool has_other_file;
	bool is_prepared;
	bool is_over; /* it is gone over to: what is here is the one before */
};

/*** The end of what was prepared ***/

/* Those that answer nobody yet. */
static void
close_new_controls(struct keeper *k, struct keeper_next *next)
{
	for (size_t i = 0; next->conf != NULL && i < next->conf->admin.n_controls; i++) {
		if (next->are_new == NULL || !next->are_new[i])
			continue;
		if (next->conf->admin.controls[i].kind == TG_CONTROL_COMMANDS &&
		    next->controls[i].is_served)
			admin_server_close(k->admin, next->controls[i].fd);
	}
	http_server_stop(next->http);
}

/* What has been gone over to is out of it by then. */
static void
next_free(struct keeper *k, struct keeper_next *next)
{
	if (next == NULL)
		return;
	close_new_controls(k, next);
	if (next->conf != NULL)
		keeper_controls_free(next->controls, next->conf->admin.n_controls);
	free(next->are_new);
	health_drop(next->health);
	names_drop(next->names);
	steer_drop(next->steer);
	orders_drop(next->orders);
	scaler_drop(next->scaler);
	hooks_drop(next->hooks);
	keeper_store_close(&next->store, next->is_over ? OLD_STORE_MS : 0);
	if (!access_log_stop(next->access_log, 0))
		k->ending_log = next->access_log;
	if (!state_file_stop(next->state_file, 0))
		k->ending_file = next->state_file;
	close_fd(next->log_fd);
	close_fd(next->log_copy);
	conf_same_free(next->same);
	conf_unref(next->conf);
	free(next);
}

/*** Prepare ***/

static int
read_edit(struct keeper *k, int fd, struct conf **ret, struct err *err)
{
	struct edit edit;
	int rc = edit_load_fd(fd, k->conf, &edit, err);

	if (rc < 0)
		return rc;
	*ret = conf_ref(edit.conf);
	edit_fini(&edit);
	return 0;
}

static int
take_conf(struct keeper *k, const struct message *m)
{
	int rc;
	struct keeper_next *next;

	if (k->next != NULL)
		return -TG_EPROTO;
	next = calloc(1, sizeof(*next));
	if (next == NULL)
		return -TG_ENOMEM;
	k->next = next;
	next->log_fd = -1;
	next->log_copy = -1;
	next->is_edit = m->type == MSG_EDIT;
	rc = next->is_edit ? read_edit(k, m->fd, &next->conf, &next->err)
				 : conf_load_next_fd(m->fd, k->conf, &next->conf, &next->err);
	if (rc != 0) {
		next->conf = NULL;
		return 0;
	}
	if (modules_load(next->conf, &next->err) < 0) {
		conf_unref(next->conf);
		next->conf = NULL;
		return 0;
	}
	next->controls = keeper_controls_new(next->conf->admin.n_controls);
	next->are_new = calloc(next->conf->admin.n_controls + 1, sizeof(next->are_new[0]));
	if (next->controls != NULL && next->are_new != NULL)
		return 0;
	keeper_controls_free(next->controls, 0);
	next->controls = NULL;
	conf_unref(next->conf);
	next->conf = NULL;
	err_no_memory(&next->err);
	return 0;
}

static int
take_control(struct keeper *k, struct message *m)
{
	struct keeper_next *next = k->next;
	uint32_t i = m->u.admin.control;

	if (next->is_prepared)
		return -TG_EPROTO;
	if (next->conf == NULL)
		return 0;
	if (i >= next->conf->admin.n_controls || next->controls[i].fd >= 0)
		return -TG_EPROTO;
	next->controls[i].fd = m->fd;
	m->fd = -1;
	return 0;
}

static int
take_log_file(struct keeper *k, struct message *m)
{
	if (k->next->log_fd >= 0)
		return -TG_EPROTO;
	k->next->log_fd = m->fd;
	m->fd = -1;
	return 0;
}

/* The socket that is served at this address now; NULL: none is. */
static const struct keeper_control *
find_control(const struct keeper *k, const struct conf_control *conf, enum conf_control_kind *ret)
{
	for (size_t i = 0; i < k->conf->admin.n_controls; i++) {
		const struct conf_control *known = &k->conf->admin.controls[i];

		if (k->controls[i].fd >= 0 && addr_equal(&known->addr, &conf->addr)) {
			*ret = known->kind;
			return &k->controls[i];
		}
	}
	return NULL;
}

/* What is listened on already goes on, be it for another kind of clients. */
static int
inherit_control(const struct keeper *k, struct keeper_next *next, size_t i, struct err *err)
{
	const struct conf_control *conf = &next->conf->admin.controls[i];
	struct keeper_control *control = &next->controls[i];
	enum conf_control_kind kind;
	const struct keeper_control *known = find_control(k, conf, &kind);

	if (known == NULL)
		return err_set(err, TG_EINVAL, "no socket for %s at \"%.128s\"", conf->key,
			       conf->text);
	if (kind == conf->kind) {
		*control = *known;
		return 0;
	}
	control->fd = fcntl(known->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (control->fd < 0)
		return err_set(err, TG_EIO, "cannot keep the socket at \"%.128s\": %s", conf->text,
			       strerror(errno));
	return 0;
}

/* Nobody is let in before the commit. */
static int
open_control(struct keeper *k, struct keeper_next *next, size_t i, struct err *err)
{
	const struct conf_control *conf = &next->conf->admin.controls[i];
	struct keeper_control *control = &next->controls[i];
	int fd = control->fd;
	int rc;

	next->are_new[i] = true;
	control->fd = -1;
	if (conf->kind == TG_CONTROL_HTTP)
		rc = http_server_start(k->loop, fd, &k->source, &next->http);
	else
		rc = admin_server_listen(k->admin, fd, conf->rights);
	if (rc < 0)
		return err_set(err, TG_EIO, "cannot listen for %s at \"%.128s\"", conf->key,
			       conf->text);
	*control = (struct keeper_control){.fd = fd, .is_served = true};
	if (conf->kind == TG_CONTROL_HTTP)
		http_server_hold(next->http);
	else
		admin_server_hold_one(k->admin, fd);
	return 0;
}

static int
prepare_controls(struct keeper *k, struct keeper_next *next, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < next->conf->admin.n_controls && rc == 0; i++) {
		struct keeper_control *control = &next->controls[i];

		if (control->fd < 0)
			rc = inherit_control(k, next, i, err);
		if (rc == 0 && !control->is_served)
			rc = open_control(k, next, i, err);
	}
	return rc;
}

/* Where the access log goes: next->has_output says whether that is elsewhere than before. */
static int
prepare_output(struct keeper *k, struct keeper_next *next, struct err *err)
{
	const char *file = next->conf->log.file;
	bool is_on = next->conf->log.access != TG_ACCESS_OFF;
	int fd = next->log_fd;

	next->has_output = fd >= 0 || !conf_is_equal_text(file, k->conf->log.file);
	if (is_on && file != NULL && (next->has_output ? fd : k->log_fd) < 0)
		return err_set(err, TG_EINVAL, "no access log file \"%.128s\"", file);
	if (!is_on || !next->has_output || k->access_log == NULL)
		return 0;
	next->log_copy = fcntl(fd >= 0 ? fd : STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (next->log_copy < 0)
		return err_set(err, TG_EIO, "access log: %s", strerror(errno));
	return 0;
}

static int
prepare_access_log(struct keeper *k, struct keeper_next *next, struct err *err)
{
	int fd = next->has_output ? next->log_fd : k->log_fd;

	if (next->conf->log.access == TG_ACCESS_OFF)
		return 0;
	if (k->access_log != NULL)
		return access_log_learn(k->access_log, next->conf) < 0 ? err_no_memory(err) : 0;
	keeper_end_old_files(k, OLD_FILE_MS);
	if (k->ending_log != NULL)
		return err_set(err, TG_EINVAL,
			       "the access log of before does not take its last lines");
	if (access_log_start(next->conf, k->segment, fd >= 0 ? fd : STDOUT_FILENO,
			     &next->access_log) < 0)
		return err_no_memory(err);
	return 0;
}

static int
prepare_state_file(struct keeper *k, struct keeper_next *next, struct err *err)
{
	const char *path = next->conf->state_file;

	next->has_other_file = !conf_is_equal_text(path, k->conf->state_file);
	if (!next->has_other_file)
		return 0;
	keeper_end_old_files(k, OLD_FILE_MS);
	if (k->ending_file != NULL)
		return err_set(err, TG_EINVAL,
			       "the state file of before does not take the last orders");
	if (path != NULL && state_file_start(path, &next->state_file) < 0)
		return err_no_memory(err);
	return 0;
}

static int
prepare_parts(struct keeper *k, struct keeper_next *next, struct err *err)
{
	next->same = conf_same_new(k->conf, next->conf);
	if (next->same != NULL)
		next->same->is_edit = next->is_edit;
	if (next->same == NULL || health_prepare(k->health, next->same, &next->health) < 0 ||
	    steer_prepare(k->steer, next->same, &next->steer) < 0 ||
	    orders_prepare(k->orders, next->same, &next->orders) < 0)
		return err_no_memory(err);
	if (source_prepare(&k->source, next->same) < 0)
		return err_no_memory(err);
	if (scaler_prepare(k->scaler, next->same, next->conf, &next->scaler, err) < 0)
		return -TG_EINVAL;
	return names_prepare(k->names, next->same, &next->names, err);
}

/* One that does not answer is no reason to refuse: it is not well then, as at a start. */
static int
prepare_store(struct keeper *k, struct keeper_next *next, struct err *err)
{
	if (!keeper_store_differs(k->conf, next->conf))
		return 0;
	return keeper_store_open(next->conf, k->loop, keeper_scale_on_store, k, &next->store, err);
}

static int
prepare_all(struct keeper *k, struct keeper_next *next)
{
	struct err *err = &next->err;
	int rc;

	if (next->conf == NULL)
		return -TG_EINVAL;
	if (k->is_holding)
		return err_set(err, TG_EINVAL, "a new tidegate is taking over");
	if (!source_fits(&k->source, next->conf))
		return err_set(err, TG_EINVAL,
			       "the statistics segment does not fit the configuration");
	rc = prepare_parts(k, next, err);
	if (rc == 0)
		rc = prepare_store(k, next, err);
	if (rc == 0)
		rc = keeper_hooks_prepare(k, next->conf, &next->hooks, err);
	if (rc == 0)
		rc = prepare_output(k, next, err);
	if (rc == 0)
		rc = prepare_access_log(k, next, err);
	if (rc == 0)
		rc = prepare_state_file(k, next, err);
	if (rc == 0)
		rc = prepare_controls(k, next, err);
	return rc;
}

static void
drop(struct keeper *k)
{
	struct keeper_next *next = k->next;

	k->next = NULL;
	next_free(k, next);
}

/* What cannot be is dropped at once: the parent has only to say so to who ordered it. */
static int
prepare(struct keeper *k)
{
	struct msg_prepared m = {.is_ready = 0};

	if (k->next->is_prepared)
		return -TG_EPROTO;
	if (prepare_all(k, k->next) == 0) {
		k->next->is_prepared = true;
		m.is_ready = 1;
	} else {
		snprintf(m.reason, sizeof(m.reason), "%.*s", (int)sizeof(m.reason) - 1,
			 k->next->err.text);
		drop(k);
	}
	return channel_send(k->channel, MSG_PREPARED, &m, sizeof(m), -1) < 0 ? -TG_EIO : 0;
}

/*** Commit ***/

/* First all go over, telling nobody; then each says what has changed, and the others understand it. */
static void
commit_parts(struct keeper *k, struct keeper_next *next)
{
	orders_commit(k->orders, next->orders);
	wants_commit(k->wants, next->conf);
	steer_commit(k->steer, next->steer);
	cuts_commit(k->cuts, next->same);
	source_commit(&k->source, next->conf);
	health_commit(k->health, next->health);
	names_commit(k->names, next->names);
	scaler_commit(k->scaler, next->scaler);
	next->scaler = NULL;
	hooks_commit(k->hooks, next->hooks);
	next->hooks = NULL;
	if (next->store.store != NULL)
		keeper_scale_set_store(k, &next->store);
	next->orders = NULL;
	next->steer = NULL;
	next->health = NULL;
	next->names = NULL;
	keeper_scale_reloaded(k);
	reloads_committed(k->reloads, k->steer);
	health_settle(k->health);
	keeper_place_all(k);
	names_settle(k->names);
	orders_settle(k->orders);
	wants_settle(k->wants);
}

static void
commit_access_log(struct keeper *k, struct keeper_next *next)
{
	if (next->has_output) {
		close_fd(k->log_fd);
		k->log_fd = next->log_fd;
		next->log_fd = -1;
	}
	if (next->access_log != NULL) {
		k->access_log = next->access_log;
		next->access_log = NULL;
		return;
	}
	if (k->access_log == NULL)
		return;
	if (next->conf->log.access == TG_ACCESS_OFF) {
		if (!access_log_stop(k->access_log, 0))
			k->ending_log = k->access_log;
		k->access_log = NULL;
		return;
	}
	/* It knows the names already. */
	if (access_log_reload(k->access_log, next->conf) < 0)
		log_write(TG_LOG_ERROR, "no memory for names in the access log", NULL);
	if (next->log_copy >= 0)
		access_log_reopen(k->access_log, next->log_copy);
	next->log_copy = -1;
}

static void
commit_state_file(struct keeper *k, struct keeper_next *next)
{
	if (next->has_other_file) {
		if (k->has_unsaved)
			keeper_save(k);
		if (!state_file_stop(k->state_file, 0))
			k->ending_file = k->state_file;
		k->state_file = next->state_file;
		next->state_file = NULL;
	}
	keeper_save(k);
}

/* A level that was ordered stays, unless what is configured is another one. */
static void
commit_log(const struct conf *before, const struct conf *conf)
{
	log_set_format(conf->log.format);
	if (before->log.level != conf->log.level)
		log_set_level(conf->log.level);
}

static bool
has_control(const struct keeper_next *next, int fd)
{
	for (size_t i = 0; i < next->conf->admin.n_controls; i++) {
		if (next->controls[i].fd == fd)
			return true;
	}
	return false;
}

/* `before` is that of which k->controls still are. */
static void
close_old_controls(struct keeper *k, const struct keeper_next *next, const struct conf *before)
{
	for (size_t i = 0; i < before->admin.n_controls; i++) {
		struct keeper_control *control = &k->controls[i];

		if (!control->is_served || has_control(next, control->fd))
			continue;
		if (before->admin.controls[i].kind == TG_CONTROL_COMMANDS) {
			admin_server_close(k->admin, control->fd);
		} else {
			http_server_stop(k->http);
			k->http = NULL;
		}
	}
}

static void
commit_controls(struct keeper *k, struct keeper_next *next, const struct conf *before)
{
	const struct conf *conf = next->conf;

	close_old_controls(k, next, before);
	http_server_forget(k->http);
	if (next->http != NULL) {
		k->http = next->http;
		next->http = NULL;
		http_server_resume(k->http);
	}
	for (size_t i = 0; i < conf->admin.n_controls; i++) {
		int fd = next->controls[i].fd;

		if (conf->admin.controls[i].kind != TG_CONTROL_COMMANDS)
			continue;
		admin_server_set_rights(k->admin, fd, conf->admin.controls[i].rights);
		if (next->are_new[i])
			admin_server_resume_one(k->admin, fd);
		next->are_new[i] = false;
	}
	keeper_controls_free(k->controls, before->admin.n_controls);
	k->controls = next->controls;
	next->controls = NULL;
}

static int
commit(struct keeper *k)
{
	struct keeper_next *next = k->next;
	struct conf *before = k->conf;

	if (!next->is_prepared)
		return -TG_EPROTO;
	k->conf = next->conf;
	k->certificates.conf = NULL; /* they are looked at anew */
	commit_log(before, next->conf);
	commit_parts(k, next);
	keeper_votes_reloaded(k, before);
	keeper_acme_reloaded(k);
	commit_access_log(k, next);
	commit_state_file(k, next);
	commit_controls(k, next, before);
	k->next = NULL;
	next->conf = NULL;
	next->is_over = true;
	next_free(k, next);
	conf_unref(before);
	return channel_send(k->channel, MSG_COMMITTED, NULL, 0, -1) < 0 ? -TG_EIO : 0;
}

/*** Messages ***/

bool
keeper_reload_wants(const struct keeper *k, uint32_t type)
{
	switch (type) {
	case MSG_CONF:
	case MSG_EDIT:
	case MSG_ADMIN:
	case MSG_PREPARE:
	case MSG_COMMIT:
	case MSG_ABORT:
		return true;
	case MSG_LOG_FILE:
		return k->next != NULL && !k->next->is_prepared;
	default:
		return false;
	}
}

int
keeper_reload_message(struct keeper *k, struct message *m)
{
	if (m->type == MSG_CONF || m->type == MSG_EDIT)
		return take_conf(k, m);
	/* It was dropped when it could not be prepared. */
	if (m->type == MSG_ABORT && k->next == NULL)
		return 0;
	if (k->next == NULL)
		return -TG_EPROTO;
	switch (m->type) {
	case MSG_ADMIN:
		return take_control(k, m);
	case MSG_LOG_FILE:
		return take_log_file(k, m);
	case MSG_PREPARE:
		return prepare(k);
	case MSG_COMMIT:
		return commit(k);
	default:
		drop(k);
		return 0;
	}
}

void
keeper_reload_fini(struct keeper *k)
{
	if (k->next != NULL)
		drop(k);
}
