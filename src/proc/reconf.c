#include "proc/reconf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/overlay.h"
#include "proc/edit.h"

struct reconf_order {
	uint32_t caller;
	struct reload_order order;
	const char *
		backend; /* name of what is added, of the next configuration; NULL: not known yet */
};

static void start_next(struct reconf *r);

/* By our children, or by other processes. */
static bool
is_under_way(const struct reconf *r)
{
	return reload_is_running(&r->reload) || r->is_replacing;
}

static struct reconf *
reconf_of(struct reload *reload)
{
	return TG_CONTAINER(reload, struct reconf, reload);
}

/* what came of orders */

static void
order_end(struct reconf_order *o)
{
	reload_order_fini(&o->order);
}

static void
answer_done(struct reconf *r, const struct reconf_order *o)
{
	bool is_add = o->order.what == RELOAD_ADD;
	const char *backend = o->backend != NULL ? o->backend : o->order.backend;

	log_write(TG_LOG_INFO, is_add ? "backend added" : "backend deleted",
		  "service=%s backend=%s who=%s why=%s", o->order.service, backend, o->order.who,
		  o->order.why);
	if (o->caller == 0)
		return; /* the keeper it came from is gone */
	replies_format(&r->replies, o->caller, true, "service %s backend %s: %s\n",
		       o->order.service, backend, is_add ? "added" : "removed");
}

static void
drop_batch(struct reconf *r)
{
	size_t i;

	for (i = 0; i < r->n_batch; i++)
		order_end(&r->batch[i]);
	free(r->batch);
	r->batch = NULL;
	r->n_batch = 0;
}

static void
fail_batch(struct reconf *r, const char *why)
{
	size_t i;

	for (i = 0; i < r->n_batch; i++)
		if (r->batch[i].caller != 0)
			replies_format(&r->replies, r->batch[i].caller, false, "%s\n", why);
	drop_batch(r);
}

/* text that grows line by line */

static void
add_line(char **text, const char *line)
{
	char *more = NULL;

	if (asprintf(&more, "%s%s\n", *text != NULL ? *text : "", line) < 0)
		return; /* the log has it */
	free(*text);
	*text = more;
}

static void
on_told(void *user, const char *line)
{
	struct reconf *r = user;

	log_write(TG_LOG_WARN, "configuration", "error=%s", line);
	add_line(&r->notes, line);
}

static void
on_told_quietly(void *user, const char *line)
{
	add_line(user, line);
}

/* the end of a transaction */

static void
count(struct reconf *r, bool is_done)
{
	struct segment_shared *shared = segment_shared(r->segment, 0);

	atomic_fetch_add(is_done ? &shared->reloads : &shared->reloads_failed, 1);
	if (is_done)
		atomic_store(&shared->reloaded_us, (int64_t)wall_read().us);
}

static const char *
notes(const struct reconf *r)
{
	return r->notes != NULL ? r->notes : "";
}

static void
forget_file(struct reconf *r)
{
	free(r->notes);
	r->notes = NULL;
	r->is_of_file = false;
	r->is_renewal = false;
	next_difference_fini(&r->difference);
}

static void
end_file(struct reconf *r, bool is_done)
{
	bool is_renewal = r->is_renewal;

	forget_file(r);
	count(r, is_done);
	if (!is_renewal)
		r->on_ended(r, is_done);
}

/* Of a file: `why` in one line, with the notes before it. */
static void
fail_file(struct reconf *r, const char *why)
{
	log_write(TG_LOG_ERROR, "the reload has failed, going on", "reason=%s", why);
	replies_format(&r->replies, r->caller, false, "%s%s\n", notes(r), why);
	end_file(r, false);
}

static void
fail_orders(struct reconf *r, const char *why)
{
	log_write(TG_LOG_ERROR, "the reload has failed, going on", "reason=%s orders=%zu", why,
		  r->n_batch);
	fail_batch(r, why);
	count(r, false);
}

static void
fail(struct reconf *r, const char *why)
{
	if (r->is_of_file)
		fail_file(r, why);
	else
		fail_orders(r, why);
}

static void
tell_done(struct reconf *r, const struct next_difference *d)
{
	const struct conf_changes *c = &d->changes;

	log_write(TG_LOG_INFO, "reloaded", "added=%u changed=%u removed=%u", c->added, c->changed,
		  c->removed);
	replies_format(&r->replies, r->caller, true, "%s%s", notes(r), d->text);
}

static void
end_done_file(struct reconf *r)
{
	tell_done(r, &r->next.difference);
	end_file(r, true);
}

static void
end_done_orders(struct reconf *r)
{
	unsigned added = 0;
	size_t i;

	for (i = 0; i < r->n_batch; i++)
		added += r->batch[i].order.what == RELOAD_ADD;
	log_write(TG_LOG_INFO, "reloaded", "added=%u changed=0 removed=%zu", added,
		  r->n_batch - added);
	for (i = 0; i < r->n_batch; i++)
		answer_done(r, &r->batch[i]);
	drop_batch(r);
	count(r, true);
}

/* what the transaction calls */

static bool
lost(struct reconf *r, enum child_role role, int rc)
{
	if (rc < 0)
		supervisor_condemn(r->supervisor, role, "it does not take messages");
	return rc < 0;
}

static bool
prepare(struct reload *reload, enum child_role role)
{
	struct reconf *r = reconf_of(reload);
	int channel = supervisor_channel(r->supervisor, role);
	int rc;

	if (channel < 0)
		return false;
	rc = channel_send(channel, r->next.is_edit ? MSG_EDIT : MSG_CONF, NULL, 0,
			  next_fd(&r->next, role));
	if (rc == 0 && r->next.has_sockets)
		rc = role == CHILD_PROXY ? sockets_tell_proxy_next(&r->next.sockets, channel)
					 : sockets_tell_keeper_next(&r->next.sockets, channel);
	if (rc == 0)
		rc = channel_send(channel, MSG_PREPARE, NULL, 0, -1);
	return !lost(r, role, rc);
}

static bool
tell(struct reload *reload, enum child_role role, enum msg_type type)
{
	struct reconf *r = reconf_of(reload);
	int channel = supervisor_channel(r->supervisor, role);

	return channel >= 0 && !lost(r, role, channel_send(channel, type, NULL, 0, -1));
}

static void
on_decided(struct reload *reload)
{
	struct reconf *r = reconf_of(reload);

	next_go_over(&r->now, &r->next, loop_now(r->loop));
	r->supervisor->equipment.conf = *r->now.conf;
	r->on_changed(r);
}

/* Clients of what is gone are refused from here on. */
static void
on_proxy_over(struct reload *reload)
{
	struct reconf *r = reconf_of(reload);

	if (r->next.has_sockets)
		sockets_close(&r->next.sockets);
	r->next.has_sockets = false;
}

static void
on_done(struct reload *reload)
{
	struct reconf *r = reconf_of(reload);

	if (r->is_of_file)
		end_done_file(r);
	else
		end_done_orders(r);
	next_close(&r->now, &r->next);
}

static void
on_failed(struct reload *reload, const char *why)
{
	struct reconf *r = reconf_of(reload);

	next_close(&r->now, &r->next);
	fail(r, why);
}

static void
on_idle(struct reload *reload)
{
	start_next(reconf_of(reload));
}

static void
on_stuck(struct reload *reload, enum child_role role)
{
	supervisor_condemn(reconf_of(reload)->supervisor, role,
			   "it does not go over to the new configuration");
}

/* starting */

static const char *
why_not(struct reconf *r)
{
	const char *why = r->is_over ? "it is stopping" : r->why_not(r);

	if (why != NULL)
		return why;
	if (supervisor_channel(r->supervisor, CHILD_PROXY) < 0)
		return "the proxy is being started again";
	if (supervisor_channel(r->supervisor, CHILD_KEEPER) < 0)
		return "the keeper is being started again";
	return NULL;
}

/* Nobody has done anything wrong, and in a moment it can be. */
static bool
must_wait(struct reconf *r)
{
	return !r->is_over &&
	       (r->is_starting(r) || supervisor_channel(r->supervisor, CHILD_PROXY) < 0);
}

/* Theirs is the file as they find it. */
static void
start_replacing(struct reconf *r)
{
	struct err err;

	r->is_replacing = r->replace(r, &err) == 0;
	if (!r->is_replacing)
		fail_file(r, err.text);
}

/* Takes `conf` over. */
static void
start_transaction(struct reconf *r, struct conf *conf)
{
	struct err err;

	if (next_open(&r->now, conf, &r->next, &err) < 0) {
		fail_file(r, err.text);
		return;
	}
	r->next.difference = r->difference;
	r->difference = (struct next_difference){.text = NULL};
	reload_start(&r->reload);
}

static void
start_file(struct reconf *r, uint32_t caller)
{
	struct conf *conf = NULL;
	struct err err;

	r->is_of_file = true;
	r->caller = caller;
	log_write(TG_LOG_INFO, "reloading", "conf=%s", r->conf_path);
	r->on_begun(r);
	if (next_read(*r->now.conf, r->conf_path, &conf, on_told, r) < 0) {
		fail_file(r, "the configuration file cannot be used");
		return;
	}
	if (next_compare(&r->now, conf, &r->difference, &err) < 0) {
		conf_unref(conf);
		fail_file(r, err.text);
	} else if (r->difference.needs_processes) {
		r->is_log_level_edited = conf->log.level != (*r->now.conf)->log.level;
		conf_unref(conf);
		start_replacing(r);
	} else {
		start_transaction(r, conf);
	}
}

/* What the draft takes stays in the batch, the rest is answered. Without memory nobody knows what a draft
 * has, and the children are to have the same. */
static int
take_orders(struct reconf *r, struct conf_draft *d)
{
	bool is_out = false;
	size_t n = 0;
	size_t i;

	for (i = 0; i < r->n_batch; i++) {
		struct reconf_order *o = &r->batch[i];
		struct err err;
		int rc = is_out ? 0 : edit_take(d, &o->order, &o->backend, &err);

		is_out |= rc == -TG_ENOMEM;
		if (rc == 0 || is_out) {
			r->batch[n++] = *o;
			continue;
		}
		replies_format(&r->replies, o->caller, false, "%s\n", err.text);
		order_end(o);
	}
	r->n_batch = n;
	return is_out ? -TG_ENOMEM : 0;
}

/* Takes `conf` over, which the batch has made. */
static int
open_edit(struct reconf *r, struct conf *conf, struct err *err)
{
	struct reload_order *orders = calloc(r->n_batch, sizeof(orders[0]));
	size_t i;
	int rc;

	if (orders == NULL) {
		conf_unref(conf);
		return err_no_memory(err);
	}
	for (i = 0; i < r->n_batch; i++) {
		orders[i] = r->batch[i].order;
		if (r->batch[i].backend != NULL)
			orders[i].backend = r->batch[i].backend;
	}
	rc = next_open_edit(&r->now, conf, orders, r->n_batch, &r->next, err);
	free(orders);
	return rc;
}

static void
start_orders(struct reconf *r)
{
	struct conf_draft *d = NULL;
	struct err err;

	r->batch = r->queue;
	r->n_batch = r->n_queue;
	r->queue = NULL;
	r->n_queue = 0;
	if (conf_draft_open(*r->now.conf, &d) < 0 || take_orders(r, d) < 0) {
		conf_draft_drop(d);
		fail_orders(r, "no memory");
	} else if (r->n_batch == 0) {
		conf_draft_drop(d);
		drop_batch(r);
	} else if (open_edit(r, conf_draft_finish(d), &err) < 0) {
		fail_orders(r, err.text);
	} else {
		reload_start(&r->reload);
	}
}

static void
on_renewal_told(void *user, const char *line)
{
	(void)user;
	log_write(TG_LOG_WARN, "certificate", "said=%s", line);
}

/* The next configuration, in which what could not be read is as it was; NULL: no memory. */
static struct conf *
renew(struct reconf *r, size_t *ret_kept)
{
	struct conf_draft *d = NULL;

	if (conf_draft_open(*r->now.conf, &d) < 0)
		return NULL;
	if (conf_draft_renew(d, on_renewal_told, r, ret_kept) == 0)
		return conf_draft_finish(d);
	conf_draft_drop(d);
	return NULL;
}

/* Nothing but certificates: what else is edited in the file waits for who edits it. */
static void
start_renewal(struct reconf *r)
{
	size_t n_kept = 0;
	struct conf *conf = renew(r, &n_kept);
	struct err err;

	r->is_of_file = true;
	r->is_renewal = true;
	r->caller = 0;
	if (conf == NULL || next_compare(&r->now, conf, &r->difference, &err) < 0) {
		conf_unref(conf);
		fail_file(r, "no memory");
	} else if (r->difference.changes.changed == 0) {
		conf_unref(conf);
		forget_file(r);
	} else {
		log_write(TG_LOG_INFO, "renewing certificates", "changed=%u kept=%zu",
			  r->difference.changes.changed, n_kept);
		start_transaction(r, conf);
	}
}

static void
refuse_queue(struct reconf *r, const char *why)
{
	r->batch = r->queue;
	r->n_batch = r->n_queue;
	r->queue = NULL;
	r->n_queue = 0;
	fail_batch(r, why);
}

/* What came meanwhile; one transaction, or several failures one after the other. */
static void
start_next(struct reconf *r)
{
	while (!is_under_way(r) && !must_wait(r) && (r->is_due_again || r->n_queue > 0)) {
		const char *why = why_not(r);

		if (r->is_due_again && why == NULL) {
			r->is_due_again = false;
			start_file(r, 0);
		} else if (r->n_queue > 0 && why == NULL) {
			start_orders(r);
		} else {
			r->is_due_again = false;
			refuse_queue(r, why);
		}
	}
}

void
reconf_go_on(struct reconf *r)
{
	start_next(r);
}

void
reconf_read_file(struct reconf *r)
{
	const char *why = why_not(r);

	if (is_under_way(r)) {
		log_write(TG_LOG_INFO, "a reload is under way, another follows", NULL);
		r->is_due_again = true;
	} else if (why != NULL) {
		log_write(TG_LOG_ERROR, "not reloading", "reason=%s", why);
	} else {
		start_file(r, 0);
		start_next(r);
	}
}

bool
reconf_renew(struct reconf *r)
{
	if (is_under_way(r) || why_not(r) != NULL)
		return false;
	start_renewal(r);
	start_next(r);
	return true;
}

/* orders */

static void
order_file(struct reconf *r, uint32_t caller)
{
	const char *why = why_not(r);

	if (is_under_way(r))
		why = "a reload is under way";
	if (why != NULL) {
		replies_format(&r->replies, caller, false, "%s\n", why);
		return;
	}
	start_file(r, caller);
	start_next(r);
}

/* What differs, and whether it can be. */
static int
try_file(struct reconf *r, char **told, struct next_difference *ret, struct err *err)
{
	struct privileges privileges = {.groups = NULL};
	struct conf *conf = NULL;
	int rc = next_read(*r->now.conf, r->conf_path, &conf, on_told_quietly, told);

	if (rc < 0)
		return err_set(err, (enum tg_errno) - rc, "the configuration file cannot be used");
	rc = privileges_resolve(conf->user, conf->group, &privileges, err);
	if (rc == 0)
		rc = sockets_try_next(r->now.sockets, conf, &privileges, err);
	if (rc == 0)
		rc = next_compare(&r->now, conf, ret, err);
	privileges_fini(&privileges);
	conf_unref(conf);
	return rc;
}

/* Sockets of a file that is on its way would be taken for those of strangers. */
static void
order_compare(struct reconf *r, uint32_t caller)
{
	struct next_difference difference = {.text = NULL};
	char *told = NULL;
	struct err err;
	int rc;

	if (r->is_of_file && is_under_way(r)) {
		replies_format(&r->replies, caller, false, "a reload is under way\n");
		return;
	}
	rc = try_file(r, &told, &difference, &err);
	replies_format(&r->replies, caller, rc == 0, "%s%s%s", told != NULL ? told : "",
		       rc == 0 ? difference.text : err.text, rc == 0 ? "" : "\n");
	free(told);
	next_difference_fini(&difference);
}

static void
order_upgrade(struct reconf *r, uint32_t caller)
{
	struct err err;

	if (r->upgrade(r, &err) < 0)
		replies_format(&r->replies, caller, false, "%s\n", err.text);
	else
		r->upgrader = caller;
}

static void
set_certificate(struct reconf *r, uint32_t caller, const struct reload_order *o)
{
	char *said = NULL;
	struct err err;

	if (certificate_edit_set(&r->certificate, *r->now.conf, o->backend, o->text, &said, &err) <
	    0)
		replies_format(&r->replies, caller, false, "%s\n", err.text);
	else
		replies_format(&r->replies, caller, true, "%s", said);
	free(said);
}

static void
abort_certificate(struct reconf *r, uint32_t caller, const struct reload_order *o)
{
	struct err err;

	if (certificate_edit_abort(&r->certificate, o->backend, &err) < 0)
		replies_format(&r->replies, caller, false, "%s\n", err.text);
	else
		replies_format(&r->replies, caller, true,
			       "Transaction aborted for certificate '%s'!\n", o->backend);
}

/* As a renewal, which it is to all others. */
static void
commit_certificate(struct reconf *r, uint32_t caller, const struct reload_order *o)
{
	const char *why = is_under_way(r) ? "a reload is under way" : why_not(r);
	struct conf *conf = NULL;
	struct err err;

	if (why != NULL) {
		replies_format(&r->replies, caller, false, "%s\n", why);
		return;
	}
	if (certificate_edit_commit(&r->certificate, *r->now.conf, o->backend, &conf, &err) < 0) {
		replies_format(&r->replies, caller, false, "%s\n", err.text);
		return;
	}
	log_write(TG_LOG_INFO, "certificate set", "file=%s who=%s why=%s", o->backend, o->who,
		  o->why);
	r->is_of_file = true;
	r->is_renewal = true;
	r->caller = caller;
	if (next_compare(&r->now, conf, &r->difference, &err) == 0) {
		start_transaction(r, conf);
	} else {
		conf_unref(conf);
		fail_file(r, err.text);
	}
	start_next(r);
}

/* Who orders it sees by what is in use what came of it, and orders it again. */
static void
order_renewal(struct reconf *r, uint32_t caller)
{
	bool is_begun = reconf_renew(r);

	replies_format(&r->replies, caller, is_begun, "%s\n", is_begun ? "done" : "not now");
}

static void
order_wait(struct reconf *r, struct reconf_order *o)
{
	const char *why = must_wait(r) ? NULL : why_not(r);
	struct reconf_order *queue = NULL;

	if (why == NULL && r->n_queue >= TG_RECONF_QUEUE)
		why = "too many orders wait";
	if (why == NULL) {
		queue = realloc(r->queue, (r->n_queue + 1) * sizeof(queue[0]));
		why = queue == NULL ? "no memory" : NULL;
	}
	if (why != NULL) {
		replies_format(&r->replies, o->caller, false, "%s\n", why);
		order_end(o);
		return;
	}
	r->queue = queue;
	r->queue[r->n_queue++] = *o;
	start_next(r);
}

static bool
on_order(struct reconf *r, const struct message *m)
{
	struct reconf_order o = {.caller = m->u.reload.order};
	struct err err;

	if (reload_order_load_fd(m->fd, &o.order, &err) < 0)
		return false;
	switch (o.order.what) {
	case RELOAD_FILE:
		order_file(r, o.caller);
		break;
	case RELOAD_COMPARE:
		order_compare(r, o.caller);
		break;
	case RELOAD_ADD:
	case RELOAD_DELETE:
		order_wait(r, &o);
		return true;
	case RELOAD_UPGRADE:
		order_upgrade(r, o.caller);
		break;
	case RELOAD_SET_CERTIFICATE:
		set_certificate(r, o.caller, &o.order);
		break;
	case RELOAD_COMMIT_CERTIFICATE:
		commit_certificate(r, o.caller, &o.order);
		break;
	case RELOAD_ABORT_CERTIFICATE:
		abort_certificate(r, o.caller, &o.order);
		break;
	case RELOAD_RENEW:
		order_renewal(r, o.caller);
		break;
	case RELOAD_WHAT_COUNT:
		break;
	}
	order_end(&o);
	return true;
}

bool
reconf_on_message(struct reconf *r, enum child_role role, const struct message *m)
{
	switch (m->type) {
	case MSG_PREPARED:
		return reload_on_prepared(&r->reload, role, &m->u.prepared);
	case MSG_COMMITTED:
		return reload_on_committed(&r->reload, role);
	case MSG_RELOAD:
		return role == CHILD_KEEPER && on_order(r, m);
	default:
		return false;
	}
}

/* Its operators are gone with it: what they ordered and was not begun is nobody's any more. */
static void
forget_callers(struct reconf *r)
{
	size_t i;

	for (i = 0; i < r->n_queue; i++)
		order_end(&r->queue[i]);
	free(r->queue);
	r->queue = NULL;
	r->n_queue = 0;
	for (i = 0; i < r->n_batch; i++)
		r->batch[i].caller = 0;
	r->caller = 0;
	r->upgrader = 0;
	replies_drop(&r->replies);
}

void
reconf_on_death(struct reconf *r, enum child_role role)
{
	if (role == CHILD_KEEPER)
		forget_callers(r);
	reload_on_death(&r->reload, role);
}

bool
reconf_is_replacing(const struct reconf *r)
{
	return r->is_replacing;
}

bool
reconf_keeps_log_level(const struct reconf *r)
{
	return r->is_replacing && !r->is_log_level_edited;
}

bool
reconf_replaced(struct reconf *r, const char *why)
{
	bool is_due_again = r->is_due_again;

	r->is_replacing = false;
	if (why != NULL) {
		fail_file(r, why);
		start_next(r);
		return false;
	}
	r->is_due_again = false;
	tell_done(r, &r->difference);
	forget_file(r);
	count(r, true);
	return is_due_again;
}

void
reconf_upgraded(struct reconf *r, const char *why)
{
	uint32_t caller = r->upgrader;

	r->upgrader = 0;
	if (caller != 0 && why == NULL)
		replies_add(&r->replies, caller, true, "");
	else if (caller != 0)
		replies_format(&r->replies, caller, false, "%s\n", why);
}

bool
reconf_is_busy(const struct reconf *r)
{
	return reload_is_running(&r->reload);
}

void
reconf_stop(struct reconf *r, const char *why)
{
	r->is_over = true;
	reload_cut(&r->reload, why);
	start_next(r); /* refuses what waits */
}

void
reconf_init(struct reconf *r)
{
	r->reload = (struct reload){
		.loop = r->loop,
		.timeout_ms = r->timeout_ms,
		.prepare = prepare,
		.tell = tell,
		.on_decided = on_decided,
		.on_proxy_over = on_proxy_over,
		.on_done = on_done,
		.on_failed = on_failed,
		.on_idle = on_idle,
		.on_stuck = on_stuck,
	};
	reload_init(&r->reload);
	replies_init(&r->replies, r->loop, r->supervisor);
}

void
reconf_fini(struct reconf *r)
{
	reload_fini(&r->reload);
	next_close(&r->now, &r->next);
	drop_batch(r);
	forget_callers(r);
	replies_fini(&r->replies);
	certificate_edit_fini(&r->certificate);
	forget_file(r);
}
