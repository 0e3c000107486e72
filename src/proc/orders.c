#include "proc/orders.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "ipc/channel.h"

#define READS_PER_TURN 64

/* One backend; in the queue when `is_marked`. */
struct order {
	TAILQ_ENTRY(order) link;
	unsigned service;
	unsigned backend;
	bool is_marked;
	bool is_cut; /* to be said behind it */
};

/* By service and backend of one configuration, by listener, and by service. */
struct order_table {
	struct order *list;
	size_t *first; /* by service: index of its first backend in list */
	size_t n;
	bool *limits;    /* marked: of all, then by listener */
	size_t n_limits; /* marked */
	bool *refusals;  /* marked: by service */
	size_t n_refusals;
};

struct orders_next {
	const struct conf_same *same;
	struct order_table table;
	bool *is_equal; /* by service of the next one: it is as it was */
};

struct orders {
	struct loop *loop;
	const struct conf *conf;
	orders_fill_cb *fill;
	void *user;
	struct order_table table;
	TAILQ_HEAD(, order) queue;
	orders_limit_cb *limit; /* NULL: nothing is said of them */
	orders_refusal_cb *refusal; /* the same */
	orders_challenge_cb *challenge; /* the same */
	bool has_challenges; /* they are marked */
	uint32_t challenge_at; /* those before it are said */
	orders_hear_cb *hear;
	struct msg_question question;
	bool has_question; /* it waits for room */
	int peer; /* -1: none */
	struct watch read_watch;
	struct watch write_watch;
	bool is_waiting; /* write_watch runs */
};

static void
close_peer(struct orders *o)
{
	if (o->peer < 0)
		return;
	watch_stop(o->loop, &o->read_watch);
	watch_stop(o->loop, &o->write_watch);
	o->is_waiting = false;
	o->has_question = false;
	o->has_challenges = false;
	close(o->peer);
	o->peer = -1;
	if (o->hear != NULL)
		(void)o->hear(o->user, NULL);
}

/* What it is and then, when there is room for that too, that it is cut. 0: all is said. */
static int
send_order(struct orders *o, struct order *order)
{
	const struct conf_service *service = &o->conf->services[order->service];
	uint32_t slot = service->backends[order->backend].segment_slot;
	struct msg_backend m = {.backend = slot};
	struct msg_cut cut = {.backend = slot};
	int rc;

	o->fill(o->user, order->service, order->backend, &m);
	rc = channel_send(o->peer, MSG_BACKEND, &m, sizeof(m), -1);
	if (rc != 0 || !order->is_cut)
		return rc;
	if (!channel_has_room(o->peer))
		return -TG_EAGAIN;
	order->is_cut = false;
	return channel_send(o->peer, MSG_CUT, &cut, sizeof(cut), -1);
}

static int
send_question(struct orders *o)
{
	if (!o->has_question)
		return 0;
	if (!channel_has_room(o->peer))
		return -TG_EAGAIN;
	o->has_question = false;
	return channel_send(o->peer, MSG_QUESTION, &o->question, sizeof(o->question), -1);
}

/* 0: all are said. */
static int
send_limits(struct orders *o)
{
	for (size_t i = 0; i <= o->conf->n_listeners && o->table.n_limits > 0; i++) {
		uint32_t listener = i > 0 ? (uint32_t)i - 1 : TG_LIMIT_OF_ALL;
		struct msg_limit m = {
			.slot = i > 0 ? o->conf->listeners[listener].segment_slot : 0};
		int rc = 0;

		if (!o->table.limits[i])
			continue;
		if (!channel_has_room(o->peer))
			return -TG_EAGAIN;
		if (o->limit(o->user, listener, &m.n))
			rc = channel_send(o->peer, MSG_LIMIT, &m, sizeof(m), -1);
		if (rc != 0)
			return rc;
		o->table.limits[i] = false;
		o->table.n_limits--;
	}
	return 0;
}

/* 0: all are said. */
static int
send_refusals(struct orders *o)
{
	for (size_t i = 0; i < o->conf->n_services && o->table.n_refusals > 0; i++) {
		struct msg_refuse m = {.service = o->conf->services[i].segment_slot};
		struct mono until;
		int rc;

		if (!o->table.refusals[i])
			continue;
		if (!channel_has_room(o->peer))
			return -TG_EAGAIN;
		o->refusal(o->user, (unsigned)i, &until);
		m.until_us = until.us;
		rc = channel_send(o->peer, MSG_REFUSE, &m, sizeof(m), -1);
		if (rc != 0)
			return rc;
		o->table.refusals[i] = false;
		o->table.n_refusals--;
	}
	return 0;
}

/* 0: all are said. */
static int
send_challenges(struct orders *o)
{
	while (o->has_challenges) {
		struct msg_challenge m = {.at = o->challenge_at};
		int rc;

		if (!channel_has_room(o->peer))
			return -TG_EAGAIN;
		o->challenge(o->user, &m);
		rc = channel_send(o->peer, MSG_CHALLENGE, &m, sizeof(m), -1);
		if (rc != 0)
			return rc;
		o->challenge_at++;
		o->has_challenges = o->challenge_at < m.n;
	}
	return 0;
}

static void on_writable(struct watch *w, unsigned what);

/* Writing is watched exactly while there is something to say and no room for it. */
static void
set_waiting(struct orders *o, bool wanted)
{
	if (o->is_waiting == wanted)
		return;
	o->is_waiting = wanted;
	if (!wanted)
		watch_stop(o->loop, &o->write_watch);
	else if (watch_start_level_write(o->loop, &o->write_watch, o->peer, on_writable) != 0)
		close_peer(o);
}

/* Limits and refusals, then backends: it may let clients in when it knows of these. 0: all is said. */
static int
send_all(struct orders *o)
{
	struct order *order;
	int rc = send_question(o);

	if (rc == 0)
		rc = send_limits(o);
	if (rc == 0)
		rc = send_refusals(o);
	if (rc == 0)
		rc = send_challenges(o);
	while (rc == 0 && (order = TAILQ_FIRST(&o->queue)) != NULL) {
		rc = channel_has_room(o->peer) ? send_order(o, order) : -TG_EAGAIN;
		if (rc != 0)
			break;
		TAILQ_REMOVE(&o->queue, order, link);
		order->is_marked = false;
	}
	return rc;
}

static void
flush(struct orders *o)
{
	int rc = o->peer >= 0 ? send_all(o) : 0;

	if (rc != 0 && rc != -TG_EAGAIN) {
		log_write(TG_LOG_WARN, "the proxy is gone, waiting for a new one", NULL);
		close_peer(o);
		return;
	}
	set_waiting(o, rc == -TG_EAGAIN);
}

static void
on_writable(struct watch *w, unsigned what)
{
	(void)what;
	flush(TG_CONTAINER(w, struct orders, write_watch));
}

/* An answer to a question, its end, or a breach of the protocol. */
static void
on_readable(struct watch *w, unsigned what)
{
	struct orders *o = TG_CONTAINER(w, struct orders, read_watch);
	int rc = 1;
	int i;

	(void)what;
	for (i = 0; i < READS_PER_TURN && rc == 1 && o->peer >= 0; i++) {
		struct message m;

		rc = channel_receive(o->peer, &m);
		if (rc == 1 && m.fd >= 0)
			close(m.fd);
		if (rc == 1 && (o->hear == NULL || o->hear(o->user, &m) < 0))
			rc = -TG_EPROTO;
	}
	if (rc == 1 || rc == -TG_EAGAIN)
		return;
	if (rc != 0)
		log_write(TG_LOG_ERROR, "the proxy breaks the protocol, not talking to it", "rc=%d",
			  rc);
	close_peer(o);
}

static void
mark(struct orders *o, struct order *order)
{
	if (order->is_marked)
		return;
	order->is_marked = true;
	TAILQ_INSERT_TAIL(&o->queue, order, link);
}

static void
mark_limit(struct orders *o, size_t i)
{
	if (o->limit == NULL || o->table.limits[i])
		return;
	o->table.limits[i] = true;
	o->table.n_limits++;
}

/* Of services that hold nobody there is nothing to refuse. */
static void
mark_refusal(struct orders *o, size_t i)
{
	if (o->refusal == NULL || o->table.refusals[i] || o->conf->services[i].hold.requests == 0)
		return;
	o->table.refusals[i] = true;
	o->table.n_refusals++;
}

static void
mark_refusals(struct orders *o)
{
	for (size_t i = 0; i < o->conf->n_services; i++)
		mark_refusal(o, i);
}

void
orders_tell_refusals(struct orders *o, orders_refusal_cb *refusal)
{
	o->refusal = refusal;
}

void
orders_mark_refusal(struct orders *o, unsigned service)
{
	assert(service < o->conf->n_services);
	mark_refusal(o, service);
	if (!o->is_waiting)
		flush(o);
}

static void
mark_challenges(struct orders *o)
{
	o->challenge_at = 0;
	o->has_challenges = o->challenge != NULL;
}

void
orders_tell_challenges(struct orders *o, orders_challenge_cb *challenge)
{
	o->challenge = challenge;
}

void
orders_mark_challenges(struct orders *o)
{
	mark_challenges(o);
	if (!o->is_waiting)
		flush(o);
}

void
orders_tell_limits(struct orders *o, orders_limit_cb *limit)
{
	o->limit = limit;
}

void
orders_listen(struct orders *o, orders_hear_cb *hear)
{
	o->hear = hear;
}

bool
orders_ask(struct orders *o, const struct msg_question *question)
{
	if (o->peer < 0)
		return false;
	o->question = *question;
	o->has_question = true;
	if (!o->is_waiting)
		flush(o);
	return true;
}

void
orders_mark_limit(struct orders *o, uint32_t listener)
{
	assert(listener == TG_LIMIT_OF_ALL || listener < o->conf->n_listeners);
	mark_limit(o, listener == TG_LIMIT_OF_ALL ? 0 : (size_t)listener + 1);
	if (!o->is_waiting)
		flush(o);
}

void
orders_set_peer(struct orders *o, int fd)
{
	close_peer(o);
	o->peer = fd;
	if (watch_start_level(o->loop, &o->read_watch, fd, on_readable) != 0) {
		log_write(TG_LOG_ERROR, "cannot watch the proxy", NULL);
		close_peer(o);
		return;
	}
	for (size_t i = 0; i <= o->conf->n_listeners; i++)
		mark_limit(o, i);
	mark_refusals(o);
	mark_challenges(o);
	for (size_t i = 0; i < o->table.n; i++) {
		o->table.list[i].is_cut = false;
		mark(o, &o->table.list[i]);
	}
	flush(o);
}

bool
orders_has_peer(const struct orders *o)
{
	return o->peer >= 0;
}

static struct order *
find(struct orders *o, unsigned service, unsigned backend)
{
	assert(service < o->conf->n_services);
	assert(backend < o->conf->services[service].n_backends);
	return &o->table.list[o->table.first[service] + backend];
}

static void
mark_and_flush(struct orders *o, struct order *order)
{
	mark(o, order);
	if (!o->is_waiting)
		flush(o);
}

void
orders_mark(struct orders *o, unsigned service, unsigned backend)
{
	mark_and_flush(o, find(o, service, backend));
}

void
orders_cut(struct orders *o, unsigned service, unsigned backend)
{
	struct order *order = find(o, service, backend);

	/* A proxy that is not there has nothing to cut. */
	order->is_cut = o->peer >= 0;
	mark_and_flush(o, order);
}

/* Nothing is marked. -TG_ENOMEM. */
static int
table_init(struct order_table *t, const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	t->list = calloc(n + 1, sizeof(t->list[0]));
	t->first = calloc(conf->n_services + 1, sizeof(t->first[0]));
	t->limits = calloc(conf->n_listeners + 1, sizeof(t->limits[0]));
	t->refusals = calloc(conf->n_services + 1, sizeof(t->refusals[0]));
	if (t->list == NULL || t->first == NULL || t->limits == NULL || t->refusals == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->n_services; i++) {
		t->first[i] = t->n;
		for (size_t j = 0; j < conf->services[i].n_backends; j++) {
			t->list[t->n].service = (unsigned)i;
			t->list[t->n++].backend = (unsigned)j;
		}
	}
	return 0;
}

static void
table_fini(struct order_table *t)
{
	free(t->list);
	free(t->first);
	free(t->limits);
	free(t->refusals);
}

struct orders *
orders_new(struct loop *loop, const struct conf *conf, orders_fill_cb *fill, void *user)
{
	struct orders *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->loop = loop;
	o->conf = conf;
	o->fill = fill;
	o->user = user;
	o->peer = -1;
	TAILQ_INIT(&o->queue);
	if (table_init(&o->table, conf) < 0) {
		orders_free(o);
		return NULL;
	}
	return o;
}

void
orders_free(struct orders *o)
{
	if (o == NULL)
		return;
	o->hear = NULL;
	close_peer(o);
	table_fini(&o->table);
	free(o);
}

/* reload */

int
orders_prepare(const struct orders *o, const struct conf_same *same, struct orders_next **ret)
{
	struct orders_next *next = calloc(1, sizeof(*next));

	(void)o;
	if (next == NULL)
		return -TG_ENOMEM;
	next->same = same;
	next->is_equal = calloc(same->next->n_services + 1, sizeof(next->is_equal[0]));
	if (table_init(&next->table, same->next) < 0 || next->is_equal == NULL) {
		orders_drop(next);
		return -TG_ENOMEM;
	}
	for (size_t i = 0; i < same->next->n_services; i++)
		next->is_equal[i] = conf_same_is_equal(same, &same->next->services[i]);
	*ret = next;
	return 0;
}

void
orders_drop(struct orders_next *next)
{
	if (next == NULL)
		return;
	table_fini(&next->table);
	free(next->is_equal);
	free(next);
}

/* `before` is the table of the configuration before. */
static void
carry_marks(struct orders *o, struct order_table *before, const struct orders_next *next)
{
	for (size_t i = 0; i < o->table.n; i++) {
		struct order *order = &o->table.list[i];
		const struct conf_service *service = &o->conf->services[order->service];
		const struct conf_backend *backend = &service->backends[order->backend];
		struct conf_place was = conf_same_backend(next->same, service, backend);
		const struct order *known = NULL;

		if (was.service != NULL)
			known = &before->list[before->first[was.service->index] +
					      was.backend->index];
		order->is_cut = known != NULL && known->is_cut;
		if (known == NULL || known->is_marked || !next->is_equal[order->service] ||
		    (next->same->is_edit && backend->is_new && was.backend != backend))
			mark(o, order);
	}
}

void
orders_commit(struct orders *o, struct orders_next *next)
{
	struct order_table before = o->table;

	o->table = next->table;
	o->conf = next->same->next;
	TAILQ_INIT(&o->queue);
	carry_marks(o, &before, next);
	for (size_t i = 0; i <= o->conf->n_listeners; i++)
		mark_limit(o, i);
	mark_refusals(o);
	table_fini(&before);
	free(next->is_equal);
	free(next);
}

void
orders_settle(struct orders *o)
{
	if (!o->is_waiting)
		flush(o);
}
