/*
 * proc/proxy.c: the process that reads strangers' bytes.
 *
 * Control: hears the parent and the keeper, keeps the registry and hands views
 * to the workers; never touches a client. It is the work of the first thread.
 * That also runs the worker when there is one and little to control: a process
 * of one thread pays no reference to its file in each call. With many backends
 * control takes milliseconds, in which clients would wait: then the worker has a
 * thread of its own, from the start or from the reload on that brings them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "proc/proc.h"
#include "proc/proxy_priv.h"

/* Accepting starts when each backend has its first verdict, or after this. */
#define SETTLE_MS 3000u

/* Some worker has no line to the signer. What cannot be said now is said again. */
static void
on_lost(void *arg)
{
	struct proxy *p = arg;

	for (unsigned i = 0; i < p->n_threads; i++) {
		const struct msg_line m = {.worker = i};

		if (atomic_exchange(&p->threads[i].worker.sign_line.is_lost, false))
			(void)!channel_send(p->channel, MSG_LINE, &m, sizeof(m), -1);
	}
}

void
proxy_set_peer(struct proxy *p, int fd)
{
	answers_set_peer(&p->answers, fd);
	needs_set_peer(&p->needs, fd);
	if (p->peer >= 0) {
		watch_stop(p->loop, &p->peer_watch);
		close(p->peer);
	}
	p->peer = fd;
}

/* views and accepting */

static void
publish_view(void *arg, struct view *view)
{
	struct proxy *p = arg;
	unsigned i;

	for (i = 0; i < p->n_threads; i++) {
		if (worker_thread_set_view(&p->threads[i], view_ref(view)) != 0)
			log_write(TG_LOG_ERROR, "no memory to tell a worker of its backends",
				  "svc=%s worker=%u", view->conf->name, i);
	}
	view_unref(view);
}

static void
start_accepting(struct proxy *p)
{
	unsigned i;

	if (p->is_accepting || p->is_stopping)
		return;
	p->is_accepting = true;
	timer_clear(&p->settle);
	for (i = 0; i < p->n_threads; i++)
		worker_thread_accept(&p->threads[i]);
	if (channel_send(p->channel, MSG_ACCEPTING, NULL, 0, -1) != 0)
		log_write(TG_LOG_ERROR, "the parent does not hear that clients are accepted", NULL);
}

static void
publish(struct proxy *p)
{
	struct mono due;

	if (registry_publish(p->registry, loop_now(p->loop), publish_view, p) != 0)
		log_write(TG_LOG_ERROR, "no memory for a new set of backends", NULL);
	if (registry_is_settled(p->registry))
		start_accepting(p);
	needs_tell(&p->needs);
	due = registry_due(p->registry);
	if (mono_is_set(due))
		timer_set(p->loop, &p->due, due);
	else
		timer_clear(&p->due);
}

/* First verdicts of many backends come in many parts: with a view for each part, most would be made for nobody. */
static bool
is_early(const struct proxy *p)
{
	return !p->is_accepting && !registry_is_settled(p->registry);
}

static void
on_settle(struct timer *t)
{
	struct proxy *p = TG_CONTAINER(t, struct proxy, settle);

	log_write(TG_LOG_INFO, "accepting before every backend has its first verdict", NULL);
	publish(p);
	start_accepting(p);
}

static void
on_due(struct timer *t)
{
	publish(TG_CONTAINER(t, struct proxy, due));
}

static void
on_alarm(void *arg)
{
	publish(arg);
}

/* messages */

static void
on_ended(struct loop_call *call)
{
	struct proxy *p = TG_CONTAINER(call, struct worker_thread, ended)->user;

	if (++p->n_ended == p->n_threads)
		loop_stop(p->loop);
}

/* What the keeper says counts to the end. A worker stops its loop itself, when it is done. */
static void
stop(struct proxy *p, uint64_t grace_ms)
{
	unsigned i;

	if (p->is_stopping)
		return;
	p->is_stopping = true;
	for (i = 0; i < p->n_threads; i++) {
		struct worker_thread *t = &p->threads[i];

		if (!p->is_shared) {
			t->user = p;
			t->on_ended = on_ended;
			t->control = p->loop;
		}
		worker_thread_drain(t, grace_ms);
	}
}

/* Behind the view it follows. */
static int
cut(struct proxy *p, const struct msg_cut *m)
{
	unsigned i;

	if (m->backend >= segment_slots(p->segment))
		return -TG_EPROTO;
	publish(p);
	for (i = 0; i < p->n_threads; i++) {
		if (worker_thread_cut(&p->threads[i], m->backend) != 0)
			log_write(TG_LOG_ERROR, "no memory to end what a backend has", "worker=%u",
				  i);
	}
	return 0;
}

/* Exact from here on. Without memory those that paused look again by themselves, a little later. */
static int
set_limit(struct proxy *p, const struct msg_limit *m)
{
	unsigned i;

	if (m->slot >= segment_slots(p->segment))
		return -TG_EPROTO;
	worker_set_limit(&p->threads[0].worker, m);
	for (i = 0; i < p->n_threads; i++)
		(void)!worker_thread_retry(&p->threads[i]);
	return 0;
}

/* Takes the reference. */
static void
publish_challenges(struct proxy *p, struct challenges *set)
{
	unsigned i;

	for (i = 0; i < p->n_threads; i++) {
		if (worker_thread_set_challenges(&p->threads[i],
						 set != NULL ? challenges_ref(set) : NULL) != 0)
			log_write(TG_LOG_ERROR, "no memory to tell a worker of challenges",
				  "worker=%u", i);
	}
	challenges_unref(set);
}

static int
hear_challenge(struct proxy *p, const struct msg_challenge *m)
{
	struct challenges *set;
	int rc = told_hear(&p->told, m, &set);

	if (rc == 1)
		publish_challenges(p, set);
	return rc < 0 ? rc : 0;
}

static int
on_peer_message(struct proxy *p, const struct message *m)
{
	if (m->type == MSG_BACKEND)
		return registry_observe(p->registry, &m->u.backend);
	if (m->type == MSG_CUT)
		return cut(p, &m->u.cut);
	if (m->type == MSG_LIMIT)
		return set_limit(p, &m->u.limit);
	if (m->type == MSG_REFUSE)
		return registry_refuse(p->registry, &m->u.refuse);
	if (m->type == MSG_CHALLENGE)
		return hear_challenge(p, &m->u.challenge);
	if (m->type == MSG_QUESTION) {
		answers_begin(&p->answers, &m->u.question);
		return 0;
	}
	return -TG_EPROTO;
}

static void
on_peer(struct watch *w, unsigned what)
{
	struct proxy *p = TG_CONTAINER(w, struct proxy, peer_watch);
	struct message m;
	int rc;

	(void)what;
	while ((rc = channel_receive(p->peer, &m)) == 1) {
		if (m.fd >= 0)
			close(m.fd);
		if (on_peer_message(p, &m) != 0) {
			rc = -TG_EPROTO;
			break;
		}
	}
	if (!is_early(p))
		publish(p);
	if (rc == -TG_EAGAIN)
		return;
	if (rc != 0)
		log_write(TG_LOG_ERROR, "the keeper breaks the protocol, not listening to it",
			  "rc=%d", rc);
	proxy_set_peer(p, -1);
}

static int
watch_peer(struct proxy *p)
{
	return watch_start_level(p->loop, &p->peer_watch, p->peer, on_peer);
}

/* Of one thread the answer says that its one loop turns. */
static void
answer_ping(struct proxy *p)
{
	struct msg_pong m = {.loop = TG_PONG_CONTROL};

	if (p->is_stopping)
		return;
	if (!p->is_shared)
		turns_ask(&p->turns, &m);
	/* What cannot be sent now has a parent that is gone: the channel tells. */
	(void)!channel_send(p->channel, MSG_PONG, &m, sizeof(m), -1);
}

/* reload */

static void
prepare(struct proxy *p)
{
	struct msg_prepared m = {.is_ready = 0};
	struct err err;

	if (proxy_reload_prepare(&p->reload, &err) == 0)
		m.is_ready = 1;
	else
		snprintf(m.reason, sizeof(m.reason), "%.500s", err.text);
	/* What cannot be sent now has a parent that is gone: the channel tells. */
	(void)!channel_send(p->channel, MSG_PREPARED, &m, sizeof(m), -1);
}

static void
on_changed(struct proxy_reload *r, struct conf *conf)
{
	struct proxy *p = TG_CONTAINER(r, struct proxy, reload);

	log_set_format(conf->log.format);
	/* One that is ordered holds until what is configured is edited. */
	if (conf->log.level != p->conf->log.level)
		log_set_level(conf->log.level);
	conf_unref(p->conf);
	p->conf = conf;
	publish(p);
	(void)!channel_send(p->channel, MSG_COMMITTED, NULL, 0, -1);
}

/* False: the message is not one of a reload. */
static bool
on_reload_message(struct proxy *p, struct message *m)
{
	switch (m->type) {
	case MSG_CONF:
		proxy_reload_conf(&p->reload, m->fd);
		return true;
	case MSG_EDIT:
		proxy_reload_edit(&p->reload, m->fd);
		return true;
	case MSG_LISTEN:
		proxy_reload_listen(&p->reload, m);
		return true;
	case MSG_PREPARE:
		prepare(p);
		return true;
	case MSG_COMMIT:
		/* Without it there is no way on: the parent starts another proxy, configured so. */
		if (proxy_reload_commit(&p->reload) != 0)
			_exit(EXIT_FAILURE);
		return true;
	case MSG_ABORT:
		proxy_reload_abort(&p->reload);
		return true;
	default:
		return false;
	}
}

/* Takes the descriptor over. */
static void
on_message(struct proxy *p, struct message *m)
{
	if (on_reload_message(p, m)) {
		/* done */
	} else if (m->type == MSG_STOP) {
		stop(p, m->u.stop.grace_ms);
	} else if (m->type == MSG_PING) {
		answer_ping(p);
	} else if (m->type == MSG_TICKETS) {
		(void)!proxy_take_tickets(p, &m->u.tickets);
	} else if (m->type == MSG_SIGNER) {
		if (proxy_take_line(p, m) < 0)
			log_write(TG_LOG_ERROR, "a worker has no line to the signer", NULL);
	} else if (m->type == MSG_LOG_LEVEL) {
		log_set_level((enum log_level)m->u.log_level.level);
	} else if (m->type == MSG_PEER) {
		proxy_set_peer(p, m->fd);
		m->fd = -1;
		if (watch_peer(p) != 0)
			log_write(TG_LOG_ERROR, "cannot watch the keeper", NULL);
	}
	if (m->fd >= 0)
		close(m->fd);
}

/* It is long to read, or what was read is much to build. */
static bool
needs_thread(const struct proxy *p, const struct message *m)
{
	if (!p->is_shared || p->is_stopping)
		return false;
	if (m->type == MSG_CONF)
		return proxy_is_long_text(m->fd);
	return m->type == MSG_PREPARE && p->reload.conf != NULL &&
	       proxy_has_many_backends(p->reload.conf);
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct proxy *p = TG_CONTAINER(w, struct proxy, channel_watch);
	struct message m;
	int rc;

	(void)what;
	while ((rc = channel_receive(p->channel, &m)) == 1) {
		if (needs_thread(p, &m)) {
			p->held = m;
			p->has_held = true;
			loop_stop(p->loop);
			return;
		}
		on_message(p, &m);
	}
	/* Without a parent nobody watches over us: end, whatever runs. */
	if (rc != -TG_EAGAIN)
		_exit(EXIT_FAILURE);
}

static int
start_control(struct proxy *p)
{
	int rc;

	p->loop = p->is_shared ? p->threads[0].worker.loop : loop_new();
	if (p->loop == NULL)
		return -TG_ENOMEM;
	answers_init(&p->answers, p->loop, p->threads, p->n_threads);
	answers_set_peer(&p->answers, p->peer);
	needs_init(&p->needs, p->loop, p->registry);
	needs_set_peer(&p->needs, p->peer);
	rc = turns_init(&p->turns, p->loop, p->threads, p->n_threads);
	if (rc == 0)
		rc = watch_start_level(p->loop, &p->channel_watch, p->channel, on_channel);
	if (rc == 0 && p->peer >= 0)
		rc = watch_peer(p);
	return rc;
}

/* All that is control's goes on in `to`. Between two turns of the one there is. */
static int
move_control(struct proxy *p, struct loop *to)
{
	struct loop *from = p->loop;
	struct mono settle = p->settle.deadline;
	int rc;

	watch_stop(from, &p->channel_watch);
	watch_stop(from, &p->peer_watch);
	timer_fini(&p->settle);
	timer_fini(&p->due);
	p->loop = to;
	p->reload.loop = to;
	p->turns.loop = to;
	needs_move(&p->needs, to);
	registry_watch(p->registry, to, on_alarm, p);
	alarm_watch(&p->lost, to, on_lost, p);
	if (mono_is_set(settle))
		timer_set(to, &p->settle, settle);
	rc = answers_move(&p->answers, to);
	if (rc == 0)
		rc = watch_start_level(to, &p->channel_watch, p->channel, on_channel);
	if (rc == 0 && p->peer >= 0)
		rc = watch_peer(p);
	publish(p);
	return rc;
}

/* What was posted to the loop while it was control's as well is not the worker's to do; nor is what such a
 * call has posted. */
static void
serve_own_calls(struct proxy *p)
{
	loop_serve_calls(p->loop);
	do
		loop_serve_calls(p->loop);
	while (answers_are_on_way(&p->answers));
}

/* The worker gets a thread of its own; where that cannot be, all goes on as it was. -TG_EIO: nothing can. */
static int
part(struct proxy *p)
{
	struct worker_thread *t = &p->threads[0];
	struct loop *control = loop_new();
	int rc;

	if (control == NULL) {
		log_write(TG_LOG_WARN, "no memory for a thread, clients wait for reloads", NULL);
		return 0;
	}
	serve_own_calls(p);
	rc = move_control(p, control);
	p->is_shared = false;
	if (rc == 0 && worker_thread_start(t) == 0)
		return 0;
	p->is_shared = true;
	log_write(TG_LOG_WARN, "no thread for the worker, clients wait for reloads", NULL);
	rc = move_control(p, t->worker.loop);
	loop_free(control);
	return rc;
}

/* Until it stops. */
static int
run(struct proxy *p)
{
	int rc = 0;

	loop_run(p->loop);
	while (rc == 0 && p->has_held) {
		p->has_held = false;
		rc = part(p);
		on_message(p, &p->held);
		if (rc == 0)
			loop_run(p->loop);
	}
	return rc;
}

static int
proxy_serve(struct proxy *p)
{
	int rc = proxy_receive_start(p);

	if (rc != 0)
		return rc;
	segment_reset_gauges(p->segment);
	p->registry = registry_new(p->conf, p->segment);
	p->clients = throttle_table_new();
	if (p->registry == NULL || p->clients == NULL)
		return -TG_ENOMEM;
	rc = proxy_start_threads(p);
	if (rc == 0)
		rc = start_control(p);
	if (rc == 0)
		rc = channel_send(p->channel, MSG_READY, NULL, 0, -1);
	if (rc != 0)
		return rc;
	p->reload = (struct proxy_reload){
		.registry = p->registry,
		.present = &p->conf,
		.contexts = &p->contexts,
		.tickets = p->tickets,
		.threads = p->threads,
		.n_threads = p->n_threads,
		.loop = p->loop,
		.on_changed = on_changed,
	};
	timer_init(&p->settle, on_settle);
	timer_init(&p->due, on_due);
	registry_watch(p->registry, p->loop, on_alarm, p);
	alarm_watch(&p->lost, p->loop, on_lost, p);
	timer_set(p->loop, &p->settle, mono_add_ms(loop_now(p->loop), SETTLE_MS));
	publish(p);
	return run(p);
}

/* What the end of the grace has cut, of all workers. */
static void
report_cut(const struct proxy *p)
{
	unsigned cut[FRONT_KIND_COUNT] = {0};
	unsigned i;
	int kind;

	for (i = 0; i < p->n_threads; i++)
		for (kind = 0; kind < FRONT_KIND_COUNT; kind++)
			cut[kind] += p->threads[i].cut[kind];
	if (cut[FRONT_REQUEST] + cut[FRONT_TUNNEL] + cut[FRONT_TCP] + cut[FRONT_RESTING] == 0)
		return;
	log_write(TG_LOG_WARN, "grace is over, what still ran is cut",
		  "requests=%u tunnels=%u tcp=%u idle=%u", cut[FRONT_REQUEST], cut[FRONT_TUNNEL],
		  cut[FRONT_TCP], cut[FRONT_RESTING]);
}

static void
proxy_fini(struct proxy *p)
{
	unsigned i;

	timer_fini(&p->settle);
	timer_fini(&p->due);
	if (p->loop != NULL)
		watch_stop(p->loop, &p->channel_watch);
	proxy_set_peer(p, -1);
	for (i = 0; i < p->n_threads; i++) {
		/* A start that failed half-way: the threads know of no end yet. */
		if (p->threads[i].is_running && !p->is_stopping)
			worker_thread_drain(&p->threads[i], 0);
		worker_thread_join(&p->threads[i]);
	}
	report_cut(p);
	if (p->threads != NULL && !p->is_shared)
		loop_free(p->loop);
	turns_fini(&p->turns);
	proxy_reload_fini(&p->reload);
	free(p->threads);
	handed_fini(&p->sockets);
	lines_fini(&p->lines);
	told_fini(&p->told);
	registry_free(p->registry);
	contexts_free(p->contexts);
	throttle_table_free(p->clients);
	tickets_free(p->tickets);
	segment_close(p->segment);
	conf_unref(p->conf);
}

int
proxy_main(int channel_fd)
{
	struct proxy p = {.channel = channel_fd, .peer = -1};
	int rc;

	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "proxy");
	rc = proxy_serve(&p);
	if (rc != 0)
		log_write(TG_LOG_ERROR, "the proxy cannot serve", "rc=%d", rc);
	proxy_fini(&p);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
