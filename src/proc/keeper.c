/*
 * proc/keeper.c: the control plane: health, names, admin socket, metrics, access log.
 *
 * One loop that nothing may block, and one thread that writes the access log.
 * It never sees a client's socket; what the proxy must know of a backend goes
 * there as an order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "module/module.h"
#include "proc/keeper_acme.h"
#include "proc/keeper_hooks.h"
#include "proc/keeper_priv.h"
#include "proc/keeper_reload.h"
#include "proc/keeper_scale.h"
#include "proc/keeper_share.h"
#include "proc/privileges.h"
#include "proc/proc.h"
#include "proc/questions.h"
#include "steer/kept.h"
#include "steer/limits.h"

#define START_MS      10000 /* between two start-up messages */
#define TICK_MS       1000u

struct keeper_control *
keeper_controls_new(size_t n)
{
	struct keeper_control *controls = calloc(n + 1, sizeof(controls[0]));

	for (size_t i = 0; controls != NULL && i < n; i++)
		controls[i].fd = -1;
	return controls;
}

void
keeper_controls_free(struct keeper_control *controls, size_t n)
{
	for (size_t i = 0; controls != NULL && i < n; i++) {
		if (!controls[i].is_served)
			close_fd(controls[i].fd);
	}
	free(controls);
}

/* start */

static int
on_conf(struct keeper *k, int fd)
{
	struct err err;

	if (k->conf != NULL)
		return -TG_EPROTO;
	if (conf_load_fd(fd, &k->conf, &err) != 0) {
		log_write(TG_LOG_ERROR, "cannot read the configuration handed over", "reason=%s",
			  err.text);
		return -TG_EINVAL;
	}
	log_init(STDERR_FILENO, k->conf->log.format, k->conf->log.level, "keeper");
	/* What the parent found good a moment ago: a service without its module is not scaled, all else goes on. */
	if (modules_load(k->conf, &err) < 0)
		log_write(TG_LOG_ERROR, "cannot load a module", "reason=%s", err.text);
	k->controls = keeper_controls_new(k->conf->admin.n_controls);
	return k->controls != NULL ? 0 : -TG_ENOMEM;
}

static int
on_segment(struct keeper *k, int fd)
{
	struct err err;

	if (k->segment != NULL)
		return -TG_EPROTO;
	if (segment_attach(fd, &k->segment, &err) == 0)
		return 0;
	log_write(TG_LOG_ERROR, "cannot map the statistics segment", "reason=%s", err.text);
	return -TG_EIO;
}

/* Takes the message's descriptor over. */
static int
keep_fd(struct message *m, int *slot)
{
	if (*slot >= 0)
		return -TG_EPROTO;
	*slot = m->fd;
	m->fd = -1;
	return 0;
}

static int
on_control(struct keeper *k, struct message *m)
{
	if (k->conf == NULL || m->u.admin.control >= k->conf->admin.n_controls)
		return -TG_EPROTO;
	return keep_fd(m, &k->controls[m->u.admin.control].fd);
}

static int
on_start_message(struct keeper *k, struct message *m)
{
	switch (m->type) {
	case MSG_CONF:
		return on_conf(k, m->fd);
	case MSG_SEGMENT:
		return on_segment(k, m->fd);
	case MSG_PEER:
		return keep_fd(m, &k->peer_fd);
	case MSG_ADMIN:
		return on_control(k, m);
	case MSG_LOG_FILE:
		return keep_fd(m, &k->log_fd);
	case MSG_STATE:
		return keep_fd(m, &k->state_fd);
	case MSG_LOG_LEVEL:
		log_set_level((enum log_level)m->u.log_level.level);
		return 0;
	case MSG_SEALED:
		k->sealed = m->u.sealed;
		return 0;
	case MSG_TICKETS:
	case MSG_KEYS:
	case MSG_SIGNER:
	case MSG_LINE:
	case MSG_LISTEN:
	case MSG_START:
	case MSG_READY:
	case MSG_STOP:
	case MSG_BACKEND:
	case MSG_CUT:
	case MSG_LIMIT:
	case MSG_QUESTION:
	case MSG_SESSION:
	case MSG_CAPTURE:
	case MSG_ANSWERED:
	case MSG_WANTED:
	case MSG_REFUSE:
	case MSG_CHALLENGE:
	case MSG_ACCEPTING:
	case MSG_HOLD:
	case MSG_HELD:
	case MSG_RESUME:
	case MSG_PING:
	case MSG_PONG:
	case MSG_PREPARE:
	case MSG_PREPARED:
	case MSG_COMMIT:
	case MSG_COMMITTED:
	case MSG_ABORT:
	case MSG_RELOAD:
	case MSG_RELOADED:
	case MSG_EDIT:
	case MSG_NOTE:
	case MSG_ASK:
	case MSG_GIVE:
	case MSG_GIVEN:
	case MSG_SERVING:
	case MSG_YOURS:
	case MSG_REFUSED:
	case MSG_GIVE_SEGMENT:
	case MSG_GIVE_STATE:
	case MSG_GIVE_SECRET:
	case MSG_TYPE_COUNT:
		break;
	}
	return -TG_EPROTO;
}

/* Everything up to MSG_START. */
static int
receive_start(struct keeper *k)
{
	struct message m;
	int rc;

	for (;;) {
		rc = channel_wait(k->channel, START_MS, &m);
		if (rc != 1)
			return -TG_EPROTO;
		if (m.type == MSG_START)
			break;
		rc = on_start_message(k, &m);
		if (m.fd >= 0)
			close(m.fd);
		if (rc != 0)
			return rc;
	}
	return k->conf != NULL && k->segment != NULL ? 0 : -TG_EPROTO;
}

/* health to orders */

static void
on_health_change(void *user, unsigned service, unsigned backend)
{
	struct keeper *k = user;

	keeper_note_agent(k, service, backend);
	orders_mark(k->orders, service, backend);
	names_notice(k->names, service, backend);
	scaler_noticed(k->scaler, service);
	if (k->conf->services[service].health.share != TG_SHARE_OFF)
		keeper_votes_mark(k);
}

static void
fill_order(void *user, unsigned service, unsigned backend, struct msg_backend *ret)
{
	struct keeper *k = user;
	const struct health_status *s = health_status(k->health, service, backend);

	ret->health = s->state;
	ret->has_addr = s->has_addr;
	ret->addr = s->addr;
	ret->record = s->record;
	ret->order = steer_effective(steer_get(k->steer, service, backend),
				     health_agent_order(k->health, service, backend));
}

/* What is ordered of its checks, then where it is. */
static void
place(struct keeper *k, unsigned service, unsigned backend)
{
	const struct conf_endpoint *e = &k->conf->services[service].backends[backend].endpoint;
	const struct steer_entry *entry = steer_get(k->steer, service, backend);

	health_set_check_port(k->health, service, backend, entry->check_port);
	health_set_checked(k->health, service, backend, !entry->is_unchecked);
	if (e->kind == TG_ENDPOINT_ADDR)
		health_set_addr(k->health, service, backend,
				entry->addr.len != 0 ? &entry->addr : &e->addr);
}

void
keeper_place_all(struct keeper *k)
{
	for (size_t i = 0; i < k->conf->n_services; i++) {
		for (size_t j = 0; j < k->conf->services[i].n_backends; j++)
			place(k, (unsigned)i, (unsigned)j);
	}
}

void
keeper_set_output(struct keeper *k, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (copy < 0) {
		log_write(TG_LOG_ERROR, "access log stays where it is", "reason=%s",
			  strerror(errno));
		close(fd);
		return;
	}
	access_log_reopen(k->access_log, copy);
	close_fd(k->log_fd);
	k->log_fd = fd;
}

/* An operator's order goes to the checks and to the proxy. */
static void
on_steer_change(void *user, unsigned service, unsigned backend, enum steer_property property)
{
	struct keeper *k = user;
	const struct steer_entry *entry = steer_get(k->steer, service, backend);
	const struct steer_order *order = &entry->orders[property];

	keeper_save_soon(k);
	log_write(TG_LOG_INFO, k->is_restoring ? "order restored" : "ordered",
		  "svc=%s srv=%s set=%s value=%s who=%s why=%s", k->conf->services[service].name,
		  k->conf->services[service].backends[backend].name, steer_property_str(property),
		  order->value, order->note.who, order->note.why);
	if (property == TG_STEER_STATE)
		cuts_clear(k->cuts, service, backend); /* that of a drain before */
	/* With all that is restored, not one after the other: see begin_backends(). */
	if (k->is_restoring)
		return;
	place(k, service, backend);
	orders_mark(k->orders, service, backend);
	keeper_share_backend(k, service, backend, property);
}

static bool
send_question(void *user, const struct msg_question *question)
{
	const struct keeper *k = user;

	return orders_ask(k->orders, question);
}

static int
hear_proxy(void *user, const struct message *m)
{
	struct keeper *k = user;

	if (m != NULL && m->type == MSG_WANTED)
		return wants_hear(k->wants, &m->u.wanted);
	if (m != NULL)
		return questions_hear(k->questions, m->type, &m->u);
	questions_lose(k->questions);
	return 0;
}

static void
fill_refusal(void *user, unsigned service, struct mono *ret)
{
	const struct keeper *k = user;

	*ret = wants_refusal(k->wants, service);
}

static void
ask(void *user, struct asking *asking)
{
	const struct keeper *k = user;

	questions_ask(k->questions, asking);
}

static void
cancel(void *user, struct asking *asking)
{
	const struct keeper *k = user;

	questions_cancel(k->questions, asking);
}

static bool
fill_limit(void *user, uint32_t listener, uint32_t *ret)
{
	const struct keeper *k = user;

	return steer_limits_told(steer_limits(k->steer), listener, ret);
}

static void
on_limit_change(void *user, uint32_t listener)
{
	struct keeper *k = user;
	const struct steer_order *order = steer_limits_get(steer_limits(k->steer), listener);

	keeper_save_soon(k);
	log_write(TG_LOG_INFO, k->is_restoring ? "order restored" : "ordered",
		  "listener=%s set=maxconn value=%s who=%s why=%s",
		  listener == TG_LIMIT_OF_ALL ? "-" : k->conf->listeners[listener].name,
		  order->value, order->note.who, order->note.why);
	orders_mark_limit(k->orders, listener);
}

static void
on_cut_due(void *user, unsigned service, unsigned backend)
{
	struct keeper *k = user;

	log_write(TG_LOG_INFO, "ending what runs on a backend", "svc=%s srv=%s in_flight=%llu",
		  k->conf->services[service].name,
		  k->conf->services[service].backends[backend].name,
		  (unsigned long long)source_in_flight(
			  &k->source, source_backend_slot(&k->source, service, backend)));
	orders_cut(k->orders, service, backend);
}

static int
stop(void *user, bool at_once)
{
	const struct keeper *k = user;
	struct msg_stop m = {.grace_ms = at_once ? 0 : k->conf->shutdown_grace_ms};

	return channel_send(k->channel, MSG_STOP, &m, sizeof(m), -1);
}

/* The parent tells all three; who asks next is to see it already. */
static int
set_log_level(void *user, enum log_level level)
{
	const struct keeper *k = user;
	struct msg_log_level m = {.level = (uint32_t)level};

	log_set_level(level);
	return channel_send(k->channel, MSG_LOG_LEVEL, &m, sizeof(m), -1);
}

static int
reload(void *user, const struct reload_order *order, uint32_t *ret_id)
{
	const struct keeper *k = user;

	return reloads_send(k->reloads, order, ret_id);
}

static int
cut(void *user, unsigned service, unsigned backend, uint64_t after_ms)
{
	struct keeper *k = user;

	return cuts_set(k->cuts, service, backend, after_ms);
}

static void
on_save(struct timer *t)
{
	keeper_save(TG_CONTAINER(t, struct keeper, save));
}

/* Backends with an address begin at once; the others when their name has one. */
static int
begin_backends(struct keeper *k)
{
	struct err err;
	int rc;

	keeper_recall_health(k);
	keeper_place_all(k);
	rc = names_start(k->loop, k->conf, k->health, &k->source, &k->names, &err);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "cannot look up names", "reason=%s", err.text);
	return rc;
}

/* life */

/* What the parent logs is an event like what is logged here. */
static void
on_note(struct keeper *k, const struct msg_note *note)
{
	if (note->n_lost > 0)
		log_write(TG_LOG_WARN, "events of the parent are lost, its log has them", "lines=%u",
			  note->n_lost);
	events_add(k->events, note->line, note->n);
}

static int
answer_ping(const struct keeper *k)
{
	struct msg_pong m = {.loop = TG_PONG_CONTROL};

	return channel_send(k->channel, MSG_PONG, &m, sizeof(m), -1) < 0 ? -TG_EIO : 0;
}

static int
serve_message(struct keeper *k, struct message *m)
{
	if (keeper_reload_wants(k, m->type))
		return keeper_reload_message(k, m);
	if (m->type == MSG_STOP) {
		acme_stop(k->acme);
		keeper_scale_stop(k, m->u.stop.grace_ms);
	} else if (m->type == MSG_PING) {
		return answer_ping(k);
	} else if (m->type == MSG_LOG_LEVEL) {
		log_set_level((enum log_level)m->u.log_level.level);
	} else if (m->type == MSG_LOG_FILE) {
		keeper_set_output(k, m->fd);
		m->fd = -1;
	} else if (m->type == MSG_HOLD) {
		keeper_hold(k);
	} else if (m->type == MSG_RESUME) {
		keeper_resume(k);
	} else if (m->type == MSG_RELOADED) {
		reloads_answered(k->reloads, &m->u.reloaded, m->fd, &k->source, k->admin);
	} else if (m->type == MSG_SEALED) {
		k->sealed = m->u.sealed;
		keeper_share_tickets(k);
	} else if (m->type == MSG_NOTE) {
		on_note(k, &m->u.note);
	} else if (m->type == MSG_PEER) {
		orders_set_peer(k->orders, m->fd);
		m->fd = -1;
	}
	return 0;
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct keeper *k = TG_CONTAINER(w, struct keeper, channel_watch);
	struct message m;
	int rc;

	(void)what;
	while ((rc = channel_receive(k->channel, &m)) == 1) {
		rc = serve_message(k, &m);
		if (m.fd >= 0)
			close(m.fd);
		if (rc < 0)
			break;
	}
	if (rc == -TG_EAGAIN)
		return;
	if (rc == -TG_EPROTO || rc == -TG_ENOMEM)
		log_write(TG_LOG_ERROR, "cannot serve what the parent says, ending", "reason=%s",
			  rc == -TG_ENOMEM ? "no memory" : "it breaks the protocol");
	else
		log_write(TG_LOG_WARN, "the parent is gone, ending", NULL);
	watch_stop(k->loop, &k->channel_watch);
	acme_stop(k->acme);
	keeper_scale_stop(k, UINT64_MAX);
}

void
keeper_end_old_files(struct keeper *k, unsigned timeout_ms)
{
	if (access_log_stop(k->ending_log, timeout_ms))
		k->ending_log = NULL;
	if (state_file_stop(k->ending_file, timeout_ms))
		k->ending_file = NULL;
}

static void
on_tick(struct timer *t)
{
	struct keeper *k = TG_CONTAINER(t, struct keeper, tick);

	keeper_end_old_files(k, 0);
	access_log_watch(k->access_log);
	state_file_watch(k->state_file);
	source_sample(&k->source, loop_now(k->loop));
	keeper_note_health(k);
	keeper_hooks_tick(k);
	keeper_acme_tick(k);
	keeper_certificates_tick(&k->certificates, k->conf, k->hooks, loop_now(k->loop));
	timer_set(k->loop, &k->tick, mono_add_ms(loop_now(k->loop), TICK_MS));
}

static bool
has_proxy(const void *user)
{
	const struct keeper *k = user;

	return orders_has_peer(k->orders);
}

static int
start_control(struct keeper *k, const struct conf_control *conf, struct keeper_control *control)
{
	int fd = control->fd;
	int rc;

	if (fd < 0)
		return 0;
	control->fd = -1;
	if (conf->kind == TG_CONTROL_HTTP)
		rc = http_server_start(k->loop, fd, &k->source, &k->http);
	else
		rc = admin_server_listen(k->admin, fd, conf->rights);
	if (rc == 0)
		*control = (struct keeper_control){.fd = fd, .is_served = true};
	return rc;
}

static int
start_admin(struct keeper *k)
{
	int rc = source_init(&k->source, k->conf, k->segment, k->health, k->steer,
			     loop_now_update(k->loop));

	if (rc < 0) {
		log_write(TG_LOG_ERROR, "the statistics segment does not fit the configuration",
			  NULL);
		return rc;
	}
	k->source.events = k->events;
	k->source.actions = (struct admin_actions){.user = k,
						   .cut = cut,
						   .stop = stop,
						   .set_log_level = set_log_level,
						   .reload = reload,
						   .ask = ask,
						   .cancel = cancel};
	k->source.has_proxy = has_proxy;
	k->source.proxy_user = k;
	k->admin = admin_server_new(k->loop, &k->source);
	if (k->admin == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < k->conf->admin.n_controls && rc == 0; i++)
		rc = start_control(k, &k->conf->admin.controls[i], &k->controls[i]);
	return rc;
}

/* The loop's thread alone logs in this process. */
static void
on_log_line(void *user, const char *line, size_t n)
{
	events_add(user, line, n);
}

static int
start_parts(struct keeper *k)
{
	int fd = k->log_fd >= 0 ? k->log_fd : STDOUT_FILENO;
	int rc = 0;

	k->events = events_new();
	if (k->events == NULL)
		return -TG_ENOMEM;
	log_listen(on_log_line, k->events);
	k->orders = orders_new(k->loop, k->conf, fill_order, k);
	k->health = health_new(k->loop, k->conf, on_health_change, k);
	k->steer = steer_new(k->conf, on_steer_change, k);
	k->cuts = cuts_new(k->loop, on_cut_due, k);
	k->reloads = reloads_new(k->channel);
	k->wants = wants_new(k->conf, segment_slots(k->segment));
	k->questions = questions_new(k->loop, segment_slots(k->segment), send_question, k);
	if (k->orders == NULL || k->health == NULL || k->steer == NULL || k->cuts == NULL ||
	    k->reloads == NULL || k->wants == NULL || k->questions == NULL)
		return -TG_ENOMEM;
	orders_listen(k->orders, hear_proxy);
	orders_tell_limits(k->orders, fill_limit);
	orders_tell_refusals(k->orders, fill_refusal);
	steer_limits_watch(steer_limits(k->steer), on_limit_change, k);
	keeper_scale_watch(k);
	if (k->conf->log.access != TG_ACCESS_OFF)
		rc = access_log_start(k->conf, k->segment, fd, &k->access_log);
	if (rc == 0)
		rc = start_admin(k);
	if (rc == 0)
		rc = watch_start_level(k->loop, &k->channel_watch, k->channel, on_channel);
	return rc;
}

static int
keeper_serve(struct keeper *k)
{
	int rc = receive_start(k);

	if (rc == 0)
		rc = start_parts(k);
	if (rc == 0)
		rc = keeper_hooks_start(k);
	if (rc == 0)
		rc = keeper_restore(k);
	if (rc == 0)
		rc = begin_backends(k);
	if (rc == 0)
		rc = keeper_scale_start(k);
	if (rc == 0)
		rc = keeper_acme_start(k);
	if (rc == 0)
		rc = channel_send(k->channel, MSG_READY, NULL, 0, -1);
	if (rc != 0)
		return rc;
	if (k->peer_fd >= 0)
		orders_set_peer(k->orders, k->peer_fd);
	k->peer_fd = -1;
	timer_set(k->loop, &k->tick, mono_add_ms(loop_now(k->loop), TICK_MS));
	loop_run(k->loop);
	return 0;
}

static void
keeper_fini(struct keeper *k)
{
	keeper_reload_fini(k);
	keeper_votes_fini(k);
	keeper_acme_fini(k);
	keeper_scale_fini(k);
	keeper_hooks_fini(k);
	if (k->has_unsaved && k->state_file != NULL)
		keeper_save(k);
	keeper_end_old_files(k, LAST_WRITE_MS);
	if (!state_file_stop(k->state_file, LAST_WRITE_MS) || k->ending_file != NULL) {
		log_write(TG_LOG_WARN, "state file does not take the last orders, leaving it",
			  NULL);
		_exit(EXIT_SUCCESS);
	}
	if (!access_log_stop(k->access_log, LAST_WRITE_MS) || k->ending_log != NULL) {
		log_write(TG_LOG_WARN, "access log does not take its last lines, leaving them",
			  NULL);
		_exit(EXIT_SUCCESS);
	}
	admin_server_free(k->admin);
	http_server_stop(k->http);
	log_listen(NULL, NULL);
	events_free(k->events);
	names_free(k->names);
	source_fini(&k->source);
	health_free(k->health);
	orders_free(k->orders);
	wants_free(k->wants);
	questions_free(k->questions);
	steer_free(k->steer);
	cuts_free(k->cuts);
	reloads_free(k->reloads);
	timer_fini(&k->tick);
	timer_fini(&k->save);
	watch_stop(k->loop, &k->channel_watch);
	close_fd(k->peer_fd);
	if (k->conf != NULL)
		keeper_controls_free(k->controls, k->conf->admin.n_controls);
	close_fd(k->state_fd);
	close_fd(k->log_fd);
	loop_free(k->loop);
	segment_close(k->segment);
	keeper_certificates_fini(&k->certificates);
	conf_unref(k->conf);
}

int
keeper_main(int channel_fd)
{
	struct keeper k = {.channel = channel_fd, .peer_fd = -1, .log_fd = -1, .state_fd = -1};
	int rc;

	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "keeper");
	timer_init(&k.tick, on_tick);
	timer_init(&k.save, on_save);
	k.loop = loop_new();
	if (k.loop == NULL) {
		log_write(TG_LOG_ERROR, "no memory or descriptors for the event loop", NULL);
		return EXIT_FAILURE;
	}
	rc = privileges_keep_secrets();
	if (rc == 0)
		rc = keeper_serve(&k);
	if (rc != 0)
		log_write(TG_LOG_ERROR, "the keeper cannot serve", "rc=%d", rc);
	keeper_fini(&k);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
