#include "proc/reloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"

/* One that the parent has not answered. */
struct pending {
	LIST_ENTRY(pending) link;
	uint32_t id;
	enum reload_what what;
	bool is_own; /* the listener hears of `service` and `backend` */
	/* of these, and of an added backend that is to wait in maintenance: */
	char *service; /* NULL: there is none, or it does */
	char *backend;
	struct steer_note note;
};

struct reloads {
	int channel;
	uint32_t last_id;
	unsigned n;
	LIST_HEAD(, pending) pending;
	reloads_told *told;
	void *user;
};

struct reloads *
reloads_new(int channel)
{
	struct reloads *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->channel = channel;
	LIST_INIT(&r->pending);
	return r;
}

static void
forget_hold(struct pending *p)
{
	free(p->service);
	free(p->backend);
	p->service = NULL;
	p->backend = NULL;
}

static void
pending_free(struct pending *p)
{
	forget_hold(p);
	free(p);
}

static void
pending_drop(struct reloads *r, struct pending *p)
{
	LIST_REMOVE(p, link);
	r->n--;
	pending_free(p);
}

void
reloads_free(struct reloads *r)
{
	if (r == NULL)
		return;
	while (!LIST_EMPTY(&r->pending))
		pending_drop(r, LIST_FIRST(&r->pending));
	free(r);
}

void
reloads_listen(struct reloads *r, reloads_told *told, void *user)
{
	r->told = told;
	r->user = user;
}

static int
send_order(const struct reloads *r, const struct reload_order *order, uint32_t id)
{
	struct msg_reload m = {.order = id};
	struct err err;
	int fd;
	int rc = reload_order_save_fd(order, &fd, &err);

	if (rc < 0) {
		log_write(TG_LOG_ERROR, "order to the parent cannot be made", "reason=%s",
			  err.text);
		return rc;
	}
	rc = channel_send(r->channel, MSG_RELOAD, &m, sizeof(m), fd);
	close(fd);
	return rc;
}

static struct pending *
pending_new(struct reloads *r, const struct reload_order *order, bool is_own)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	LIST_INSERT_HEAD(&r->pending, p, link);
	r->n++;
	p->id = ++r->last_id != 0 ? r->last_id : ++r->last_id;
	p->what = order->what;
	p->is_own = is_own;
	if (!is_own && (order->what != RELOAD_ADD || order->is_enabled))
		return p;
	p->note.when.us = order->when_us;
	snprintf(p->note.who, sizeof(p->note.who), "%s", order->who);
	snprintf(p->note.why, sizeof(p->note.why), "%s", order->why);
	p->service = strdup(order->service);
	p->backend = strdup(order->backend);
	if (p->service != NULL && p->backend != NULL)
		return p;
	pending_drop(r, p);
	return NULL;
}

static int
send_new(struct reloads *r, const struct reload_order *order, bool is_own, uint32_t *ret_id)
{
	struct pending *p = r->n < TG_RELOADS_MAX ? pending_new(r, order, is_own) : NULL;
	int rc;

	if (p == NULL)
		return -TG_ELIMIT;
	rc = send_order(r, order, p->id);
	if (rc < 0)
		pending_drop(r, p);
	else
		*ret_id = p->id;
	return rc;
}

int
reloads_send(struct reloads *r, const struct reload_order *order, uint32_t *ret_id)
{
	return send_new(r, order, false, ret_id);
}

int
reloads_send_own(struct reloads *r, const struct reload_order *order)
{
	uint32_t id;

	return send_new(r, order, true, &id);
}

/* Another of the same name may have come meanwhile, by the file. */
static bool
is_of(const struct pending *p, const struct conf *conf, const struct steer_target *t)
{
	const struct conf_note *added = &conf->services[t->service].backends[t->backend].added;

	return added->who != NULL && added->when_us == p->note.when.us;
}

static void
hold(struct pending *p, struct steer *steer)
{
	struct steer_target t;
	struct err err;

	if (p->is_own || p->service == NULL || !steer_find(steer, p->service, p->backend, &t) ||
	    !is_of(p, steer_conf(steer), &t))
		return;
	if (steer_set(&t, TG_STEER_STATE, steer_admin_str(TG_ADMIN_MAINT), &p->note, &err) < 0)
		log_write(TG_LOG_ERROR, "backend cannot be put into maintenance",
			  "svc=%s srv=%s reason=%s", p->service, p->backend, err.text);
	forget_hold(p);
}

void
reloads_committed(struct reloads *r, struct steer *steer)
{
	struct pending *p;

	LIST_FOREACH (p, &r->pending, link)
		hold(p, steer);
}

static struct pending *
find(const struct reloads *r, uint32_t id)
{
	struct pending *p;

	LIST_FOREACH (p, &r->pending, link) {
		if (p->id == id)
			return p;
	}
	return NULL;
}

/* SIGHUP has no number, and is the file. */
static void
note_outcome(const struct pending *p, bool is_done, struct admin_source *source)
{
	if (p == NULL || p->what == RELOAD_FILE)
		atomic_store_explicit(&segment_shared(source->segment, 0)->reload_is_bad, !is_done,
				      memory_order_relaxed);
}

void
reloads_answered(struct reloads *r, const struct msg_reloaded *m, int fd,
		 struct admin_source *source, struct admin_server *admin)
{
	struct pending *p = find(r, m->order);
	char *text = NULL;
	struct err err;
	size_t n = 0;

	if (p == NULL && m->order != 0)
		return;
	note_outcome(p, m->is_done != 0, source);
	if (p == NULL)
		return;
	if (m->is_done != 0)
		hold(p, source->steer);
	if (reload_text_load_fd(fd, TG_RELOAD_TEXT_MAX, &text, &n, &err) < 0)
		log_write(TG_LOG_ERROR, "answer of the parent cannot be read", "reason=%s",
			  err.text);
	LIST_REMOVE(p, link);
	r->n--;
	if (p->is_own)
		r->told(r->user, p->what, p->service, p->backend, m->is_done != 0,
			text != NULL ? text : "");
	else
		admin_server_reloaded(admin, m->order, m->is_done != 0, text != NULL ? text : "",
				      n);
	pending_free(p);
	free(text);
}
