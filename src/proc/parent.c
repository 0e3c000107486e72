#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/overlay.h"
#include "proc/activation.h"
#include "proc/limits.h"
#include "proc/notify.h"
#include "proc/parent_priv.h"
#include "proc/proc.h"
#include "proc/program.h"
#include "proc/secrets.h"
#include "proc/state_file.h"
#include "proc/strangers.h"

#define READY_TIMEOUT_MS 10000u
#define STOP_MARGIN_MS   3000u
/* A child that builds what runs next beside what runs now. */
#define RELOAD_TIMEOUT_MS 10000u
/* The limit of a hang in questions, and what a service manager gives in them. */
#define HANG_INTERVALS    10u
#define MANAGER_INTERVALS 4u
/* A core may be large. */
#define ABORT_MS 3000u
/* What was killed and is not gone. */
#define STRANGERS_TIMEOUT_MS 3000u

static const int handled_signals[HANDLED_COUNT] = {
	[HANDLED_CHLD] = SIGCHLD, [HANDLED_TERM] = SIGTERM, [HANDLED_INT] = SIGINT,
	[HANDLED_HUP] = SIGHUP,   [HANDLED_USR1] = SIGUSR1, [HANDLED_USR2] = SIGUSR2,
};

static void
log_listeners(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->n_listeners; i++)
		log_write(TG_LOG_INFO, "listening", "listener=%s address=%s",
			  conf->listeners[i].name, conf->listeners[i].bind_text);
	if (conf->admin.http != NULL)
		log_write(TG_LOG_INFO, "serving metrics", "address=%s", conf->admin.http);
}

void
parent_announce(const struct parent *p)
{
	const struct conf *conf = p->conf;

	log_listeners(conf);
	log_write(TG_LOG_INFO, "ready", "pid=%d workers=%u listeners=%zu services=%zu",
		  (int)getpid(), conf->workers, conf->n_listeners, conf->n_services);
}

void
parent_notify_serving(const struct parent *p)
{
	notify_status("serving %zu listeners with %u workers", p->conf->n_listeners,
		      p->conf->workers);
}

static void
tell_sealed(struct parent *p)
{
	int channel = supervisor_news_channel(&p->supervisor, CHILD_KEEPER);
	const struct msg_sealed *m = &p->shared_tickets.sealed;

	/* One that is started again is told at its start. */
	if (channel >= 0)
		(void)!channel_send(channel, MSG_SEALED, m, sizeof(*m), -1);
}

static void
on_sealed(struct supervisor *s, const struct msg_sealed *m)
{
	struct parent *p = parent_of(s);
	int channel = supervisor_news_channel(s, CHILD_PROXY);
	bool is_new = false;

	if (!shared_tickets_heard(&p->shared_tickets, p->conf, m->word, wall_read(), &p->tickets,
				  &is_new))
		return;
	if (is_new && channel >= 0)
		(void)!child_send_tickets(channel, &p->tickets);
	tell_sealed(p);
}

/* At each interval while all loops turn, and while they end: four times at least in what the service
 * manager asks for. */
static void
on_pulse(struct supervisor *s, bool is_well)
{
	/* What it was until now is forgotten. */
	(void)!ticket_seed_turn(&parent_of(s)->tickets, wall_read());
	if (shared_tickets_turned(&parent_of(s)->shared_tickets, parent_of(s)->conf,
				  &parent_of(s)->tickets))
		tell_sealed(parent_of(s));
	if (notify_watchdog_ms() > 0 && (is_well || s->is_stopping))
		notify_watchdog();
}

/* Thousands of backends take seconds on a busy machine, a disk that a state file waits for may too. */
static bool
is_busy(struct supervisor *s)
{
	const struct parent *p = parent_of(s);

	return reconf_is_busy(&p->reconf) || upgrade_is_running(&p->upgrade);
}

/* Questions for our own limit and for the service manager's are the same ones. */
static void
watch_children(struct parent *p)
{
	uint64_t limit_ms = p->conf->watchdog_ms;
	uint64_t interval_ms = limit_ms / HANG_INTERVALS;
	uint64_t manager_ms = notify_watchdog_ms() / MANAGER_INTERVALS;

	if (manager_ms > 0 && (interval_ms == 0 || manager_ms < interval_ms))
		interval_ms = manager_ms;
	supervisor_watch(&p->supervisor, interval_ms,
			 limit_ms > 0 ? (unsigned)((limit_ms + interval_ms - 1) / interval_ms) : 0);
}

void
parent_start_watchdog(struct parent *p)
{
	if (notify_watchdog_ms() > 0)
		notify_watchdog();
	watch_children(p);
}

static void
on_ready(struct supervisor *s)
{
	struct parent *p = parent_of(s);

	/* A keeper that starts again has what the file says, or without one the keeper before it. */
	s->equipment.state_fd = -1;
	predecessor_close_files(&p->predecessor);
	if (parent_is_waiting(p))
		return; /* until the proxy accepts */
	parent_announce(p);
	notify_ready("serving %zu listeners with %u workers", p->conf->n_listeners,
		     p->conf->workers);
	parent_start_watchdog(p);
	reconf_go_on(&p->reconf);
}

static void
on_change(struct supervisor *s)
{
	struct parent *p = parent_of(s);
	int i;

	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		if (s->children[i].state == CHILD_UP)
			continue;
		if (!parent_is_waiting(p))
			notify_status("starting the %s again", child_role_str((enum child_role)i));
		parent_upgrade_on_death(p);
		return;
	}
	parent_notify_serving(p);
	reconf_go_on(&p->reconf);
}

/* reload */

static struct parent *
parent_of_reconf(struct reconf *r)
{
	return TG_CONTAINER(r, struct parent, reconf);
}

static bool
on_reload_message(struct supervisor *s, enum child_role role, const struct message *m)
{
	return reconf_on_message(&parent_of(s)->reconf, role, m);
}

static void
on_death(struct supervisor *s, enum child_role role)
{
	reconf_on_death(&parent_of(s)->reconf, role);
}

static bool
is_starting(struct reconf *r)
{
	const struct parent *p = parent_of_reconf(r);

	return !p->supervisor.is_stopping && (parent_is_waiting(p) || !p->supervisor.was_ready);
}

static const char *
why_no_reload(struct reconf *r)
{
	const struct parent *p = parent_of_reconf(r);

	if (p->supervisor.is_stopping)
		return "it is stopping";
	if (is_starting(r))
		return "it is starting";
	return upgrade_is_running(&p->upgrade) ? "an upgrade is under way" : NULL;
}

/* What an operator ordered to be logged stands. */
static void
on_conf_changed(struct reconf *r)
{
	struct parent *p = parent_of_reconf(r);
	const struct conf *conf = p->conf;

	watch_children(p);
	if (r->is_of_file && !r->is_renewal)
		certificate_watch_again(&p->certificates);
	if (shared_tickets_set(&p->shared_tickets, conf, &p->tickets))
		tell_sealed(p);
	log_init(STDERR_FILENO, conf->log.format,
		 p->supervisor.equipment.has_log_level ? log_level() : conf->log.level, "parent");
}

static bool
on_certificates_changed(struct certificate_watch *w)
{
	return reconf_renew(&TG_CONTAINER(w, struct parent, certificates)->reconf);
}

static void
on_reload_begun(struct reconf *r)
{
	(void)r;
	notify_reloading("reloading");
}

static void
on_reload_ended(struct reconf *r, bool is_done)
{
	const struct parent *p = parent_of_reconf(r);

	if (p->supervisor.is_stopping || r->is_over)
		return;
	notify_ready("serving %zu listeners with %u workers%s", p->conf->n_listeners,
		     p->conf->workers, is_done ? "" : "; the last reload failed");
}

/* signals */

/* Who moved the file away has its place taken by a new one. */
static void
reopen_log(struct parent *p)
{
	struct err err;

	if (p->sockets.log_fd < 0) {
		log_write(TG_LOG_INFO, "no access log file to open anew", NULL);
		return;
	}
	if (sockets_reopen_log(&p->sockets, p->conf, &err) < 0) {
		log_write(TG_LOG_ERROR, "going on with the access log as it is", "reason=%s",
			  err.text);
		return;
	}
	supervisor_renew_log(&p->supervisor);
	log_write(TG_LOG_INFO, "access log opened anew", "file=%s", p->conf->log.file);
}

void
parent_stop(struct parent *p, const char *why, uint64_t grace_ms)
{
	uint64_t keeper_grace_ms;

	if (p->supervisor.is_stopping) {
		log_write(TG_LOG_WARN, "stopping at once", "reason=%s", why);
		supervisor_kill(&p->supervisor);
		return;
	}
	log_write(TG_LOG_INFO, "stopping", "reason=%s grace_ms=%llu", why,
		  (unsigned long long)grace_ms);
	if (!parent_is_waiting(p))
		notify_stopping();
	upgrade_abort(&p->upgrade, "it is stopping");
	reconf_stop(&p->reconf, "it is stopping");
	sockets_stop_listening(&p->sockets);
	(void)conf_stop_grace(p->conf, &keeper_grace_ms);
	p->supervisor.keeper_grace_ms = grace_ms > 0 ? keeper_grace_ms : 0;
	supervisor_stop(&p->supervisor, grace_ms);
}

static void
on_stop_ordered(struct supervisor *s, uint64_t grace_ms)
{
	parent_stop(parent_of(s), "control socket", grace_ms);
}

static void
reap_strangers(const struct parent *p)
{
	const struct child *children = p->supervisor.children;
	const pid_t ours[] = {children[CHILD_PROXY].pid, children[CHILD_KEEPER].pid, p->signing.pid,
			      p->upgrade.pid};

	strangers_reap(ours, sizeof(ours) / sizeof(ours[0]));
}

static void
on_signal(struct loop_signal *s, int signo)
{
	struct parent *p = ((struct parent_signal *)(void *)s)->parent;
	struct err err;

	if (signo != SIGCHLD && parent_hand_on(p, signo))
		return;
	switch (signo) {
	case SIGCHLD:
		upgrade_reap(&p->upgrade);
		supervisor_reap(&p->supervisor);
		signing_reap(&p->signing);
		reap_strangers(p);
		break;
	case SIGUSR1:
		reopen_log(p);
		break;
	case SIGUSR2:
		(void)!parent_upgrade(p, &err); /* the log says why not */
		break;
	case SIGHUP:
		p->is_reload_due = parent_is_waiting(p);
		if (!p->is_reload_due)
			reconf_read_file(&p->reconf);
		break;
	case SIGINT:
		parent_stop(p, "SIGINT", 0);
		break;
	default:
		parent_stop(p, "SIGTERM", p->conf->shutdown_grace_ms);
		break;
	}
}

static int
start_signals(struct parent *p, struct err *err)
{
	int i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < HANDLED_COUNT; i++) {
		struct parent_signal *s = &p->signals[i];

		s->parent = p;
		if (loop_signal_start(p->loop, &s->signal, handled_signals[i], on_signal) < 0)
			return err_set(err, TG_EIO, "cannot handle signals");
	}
	return 0;
}

static void
stop_signals(struct parent *p)
{
	int i;

	for (i = 0; i < HANDLED_COUNT; i++)
		if (p->signals[i].parent != NULL)
			loop_signal_stop(&p->signals[i].signal);
}

static int
check_descriptors(const struct conf *conf, struct err *err)
{
	unsigned long limit;
	unsigned long wanted = limits_descriptors_for(conf->max_connections);
	int rc = limits_raise_descriptors(&limit, err);

	if (rc < 0)
		return rc;
	if (conf->max_connections > 0 && limit < wanted)
		log_write(TG_LOG_WARN, "descriptor limit is below max_connections",
			  "limit=%lu wanted=%lu max_connections=%u", limit, wanted,
			  conf->max_connections);
	return 0;
}

/* Where nobody was root to begin with, or all are, the processes that the keeper starts have what it has. */
static void
warn_of_heirs(const struct parent *p)
{
	if (p->privileges.n_secrets == 0 || privileges_hold_secrets(&p->privileges))
		return;
	for (size_t i = 0; i < p->conf->n_services; i++) {
		if (p->conf->services[i].provider.type == TG_PROVIDER_PROCESS)
			log_write(TG_LOG_WARN,
				  "processes that the keeper starts can reach the daemons of nodes too",
				  "svc=%s", p->conf->services[i].name);
	}
	for (size_t i = 0; i < p->conf->n_hooks; i++) {
		if (p->conf->hooks[i].url == NULL)
			log_write(TG_LOG_WARN,
				  "programs that the keeper runs can reach the daemons of nodes too",
				  "hook=%s", p->conf->hooks[i].name);
	}
}

static int
resolve_privileges(struct parent *p, struct err *err)
{
	int rc = privileges_resolve(p->conf->user, p->conf->group, &p->privileges, err);

	if (rc == 0 && privileges_are_root(&p->privileges))
		log_write(TG_LOG_WARN, "the children run as root: set user in the configuration",
			  NULL);
	if (rc == 0)
		rc = secrets_add(&p->privileges, p->conf, err);
	if (rc == 0)
		warn_of_heirs(p);
	return rc;
}

/* What the predecessor has and we do not want stays open for it alone. */
static int
open_sockets(struct parent *p, struct err *err)
{
	int rc = 0;

	if (parent_is_waiting(p))
		rc = predecessor_ask(&p->predecessor, &p->inherited, err);
	else
		activation_take(&p->inherited);
	if (rc == 0)
		rc = sockets_open(p->conf, &p->privileges, &p->inherited, &p->sockets, err);
	if (rc == 0 && !parent_is_waiting(p))
		inherited_warn_unused(&p->inherited);
	inherited_close(&p->inherited);
	return rc;
}

static void
on_not_kept(void *user, const char *service, const char *backend, const char *what)
{
	(void)user;
	log_write(TG_LOG_WARN, "an order of before is not kept",
		  "service=%s backend=%s reason=%s", service, backend, what);
}

/* The keeper tells of one that is no good, and sets the file aside. NULL: none, or none that is good. */
static struct conf_state *
read_state(const struct parent *p)
{
	const char *path = p->conf->state_file;
	struct conf_state *state = NULL;
	struct err err;
	char *text;
	size_t n;

	if (p->predecessor.state_fd >= 0)
		return state_load_fd(p->predecessor.state_fd, &state, &err) < 0 ? NULL : state;
	if (path == NULL || conf_read_file(path, TG_CONF_STATE_MAX, &text, &n, &err) < 0)
		return NULL;
	if (conf_state_load(text, n, &state, &err) < 0)
		state = NULL;
	free(text);
	return state;
}

/* What the autoscaler started for a tidegate that has ended went with that, or is found by its provider; by
 * now somebody else may have the address. */
static bool
is_kept(const struct parent *p, const struct conf_state_order *order)
{
	const struct conf_service *service =
		order->service != NULL ? conf_find_service(p->conf, order->service) : NULL;

	if (strcmp(order->who, TG_WHO_AUTOSCALE) != 0)
		return true;
	return parent_is_waiting(p) && service != NULL && conf_is_scaled(service);
}

static void
leave_out_ended(const struct parent *p, struct conf_state *state)
{
	size_t n = 0;

	for (size_t i = 0; i < state->n_orders; i++) {
		if (is_kept(p, &state->orders[i]))
			state->orders[n++] = state->orders[i];
	}
	state->n_orders = n;
}

/* Of the one before. */
static int
leave_nodes(struct conf_draft *d, const struct conf_state *state)
{
	int rc = conf_draft_leave_nodes(d, state->nodes, state->n_nodes, mono_read());

	return rc == 0 ? conf_draft_leave_nodes(d, state->left_nodes, state->n_left_nodes, mono_read())
		       : rc;
}

/* Backends that operators added and deleted before this start lie over the file. What they ordered
 * last is there only when the keeper of a predecessor holds. */
static int
lay_state_over(struct parent *p, struct err *err)
{
	struct conf_state *state = read_state(p);
	struct conf_draft *d = NULL;
	int rc;

	if (state == NULL)
		return 0;
	leave_out_ended(p, state);
	rc = conf_draft_open(p->conf, &d);
	if (rc == 0)
		rc = conf_draft_apply(d, state, on_not_kept, NULL);
	if (rc == 0 && parent_is_waiting(p))
		rc = leave_nodes(d, state);
	conf_state_free(state);
	if (rc < 0) {
		conf_draft_drop(d);
		return err_no_memory(err);
	}
	conf_unref(p->conf);
	p->conf = conf_draft_finish(d);
	conf_number(p->conf);
	return 0;
}

/* Before our children start, which are to see no number fall. */
static void
go_on_counting(struct parent *p)
{
	struct err err;

	if (p->predecessor.segment_fd >= 0 &&
	    carry_begin(&p->carry, p->predecessor.segment_fd, p->segment, &err) < 0)
		log_write(TG_LOG_WARN, "counters begin anew", "reason=%s", err.text);
}

/* Sessions of the one before are resumed here. */
static int
make_tickets(struct parent *p, struct err *err)
{
	p->tickets = p->predecessor.tickets;
	if (p->tickets.hour == 0 && ticket_seed_make(&p->tickets, wall_read()) < 0)
		return err_set(err, TG_EIO, "this system has no randomness");
	return 0;
}

static int
open_slots(struct parent *p, struct err *err)
{
	int rc = slots_create(p->conf, &p->segment, err);

	if (rc == 0 && slots_init(&p->slots, p->segment, p->conf) < 0)
		rc = err_no_memory(err);
	if (rc == 0)
		go_on_counting(p);
	return rc;
}

/* Everything the children get, and the loop. On failure parent_close() cleans up. */
static int
parent_open(struct parent *p, const char *argv0, struct err *err)
{
	int rc = check_descriptors(p->conf, err);

	if (rc == 0)
		rc = program_find(argv0, &p->program, err);
	if (rc == 0)
		rc = child_open_program(&p->program_fd, err);
	if (rc == 0)
		rc = resolve_privileges(p, err);
	if (rc == 0)
		rc = open_sockets(p, err);
	if (rc == 0)
		rc = lay_state_over(p, err);
	if (rc == 0)
		rc = open_slots(p, err);
	if (rc == 0)
		rc = next_measure(p->conf, &p->text_max, err);
	if (rc < 0)
		return rc;
	p->loop = loop_new();
	if (p->loop == NULL)
		return err_set(err, TG_ENOMEM, "cannot make an event loop");
	return start_signals(p, err);
}

static void
parent_close(struct parent *p)
{
	stop_signals(p);
	predecessor_fini(&p->predecessor);
	predecessor_close_files(&p->predecessor);
	carry_fini(&p->carry);
	inherited_fini(&p->inherited);
	if (p->loop != NULL)
		loop_free(p->loop);
	slots_fini(&p->slots);
	segment_close(p->segment);
	sockets_close(&p->sockets);
	privileges_fini(&p->privileges);
	if (p->program_fd >= 0)
		close(p->program_fd);
	free(p->program);
	conf_unref(p->conf);
}

/* Both children are gone. Who was replaced leaves all backends to its successor; who never took its place, to its
 * predecessor. */
static void
end_strangers(const struct parent *p)
{
	unsigned n = 0;

	if (p->upgrade.state == UPGRADE_DONE || parent_is_waiting(p) || !p->supervisor.was_ready)
		return;
	if (!strangers_end(p->conf->origin, STRANGERS_TIMEOUT_MS, &n))
		log_write(TG_LOG_ERROR, "processes of backends do not end", NULL);
	if (n > 0)
		log_write(TG_LOG_WARN, "killed what was left of backends", "processes=%u", n);
}

/* Who was replaced waits for whoever must not end after it. */
static void
end_replaced(struct parent *p)
{
	if (p->upgrade.state != UPGRADE_DONE)
		return;
	carry_wait(&p->carry);
	segment_finish(p->segment);
	if (parent_stays(p))
		p->supervisor.has_failed = parent_stay(p) != 0;
}

/* From the first start of the children to the end of both. */
static int
parent_run(struct parent *p, struct err *err)
{
	struct supervisor *s = &p->supervisor;
	int rc;

	*s = (struct supervisor){
		.loop = p->loop,
		.privileges = &p->privileges,
		.program_fd = p->program_fd,
		.equipment = {.conf = p->conf,
			      .segment = p->segment,
			      .sockets = &p->sockets,
			      .state_fd = p->predecessor.state_fd,
			      .has_log_level = p->predecessor.has_log_level,
			      .log_level = p->predecessor.log_level,
			      .tickets = &p->tickets,
			      .sealed = &p->shared_tickets.sealed,
			      .signing = p->conf->key_isolation ? &p->signing : NULL,
			      .peer_fd = -1},
		.ready_timeout_ms = READY_TIMEOUT_MS,
		.stop_margin_ms = STOP_MARGIN_MS,
		.abort_ms = ABORT_MS,
		.on_ready = on_ready,
		.on_change = on_change,
		.on_serving = parent_on_serving,
		.on_held = parent_on_held,
		.on_stop_ordered = on_stop_ordered,
		.on_sealed = on_sealed,
		.on_reload = on_reload_message,
		.is_busy = is_busy,
		.on_pulse = on_pulse,
		.on_death = on_death,
	};
	rc = make_tickets(p, err);
	if (rc < 0)
		return rc;
	(void)!shared_tickets_set(&p->shared_tickets, p->conf, &p->tickets);
	parent_upgrade_init(p);
	p->reconf = (struct reconf){
		.loop = p->loop,
		.supervisor = s,
		.now = {.conf = &p->conf,
			.text_max = p->text_max,
			.sockets = &p->sockets,
			.slots = &p->slots,
			.privileges = &p->privileges,
			.signing = &p->signing},
		.segment = p->segment,
		.conf_path = p->conf_path,
		.timeout_ms = RELOAD_TIMEOUT_MS,
		.why_not = why_no_reload,
		.is_starting = is_starting,
		.replace = parent_replace,
		.upgrade = parent_upgrade_ordered,
		.on_changed = on_conf_changed,
		.on_begun = on_reload_begun,
		.on_ended = on_reload_ended,
	};
	if (p->predecessor.has_log_level)
		log_set_level(p->predecessor.log_level);
	reconf_init(&p->reconf);
	supervisor_init(s);
	p->certificates = (struct certificate_watch){
		.loop = p->loop, .conf = &p->conf, .on_changed = on_certificates_changed};
	certificate_watch_start(&p->certificates);
	p->signing = (struct signing){.loop = p->loop,
				      .supervisor = s,
				      .conf = &p->conf,
				      .privileges = &p->privileges,
				      .program_fd = p->program_fd};
	signing_init(&p->signing);
	rc = signing_start(&p->signing, err);
	if (rc == 0)
		rc = supervisor_start(s, err);
	if (rc == 0) {
		loop_run(p->loop);
		signing_stop(&p->signing);
		end_replaced(p);
		end_strangers(p);
	}
	signing_stop(&p->signing);
	certificate_watch_stop(&p->certificates);
	supervisor_fini(s);
	reconf_fini(&p->reconf);
	upgrade_fini(&p->upgrade);
	return rc;
}

/* Why an upgrade ends here, for the log of whom we do not replace. */
static void
refuse(struct parent *p, int rc, const struct err *err)
{
	if (parent_is_waiting(p))
		predecessor_refuse(p->predecessor.channel,
				   rc < 0 ? err->text : "its children could not serve");
}

int
parent_main(const struct parent_start *start)
{
	const struct conf *conf = start->conf;
	struct parent p = {
		.conf = start->conf,
		.conf_path = start->conf_path,
		.predecessor = {.channel = start->predecessor,
				.conf = start->conf,
				.segment_fd = -1,
				.state_fd = -1,
				.on_yours = parent_on_yours,
				.on_gone = parent_on_gone},
		.program_fd = -1,
		.sockets = {.log_fd = -1},
	};
	struct err err;
	int rc;

	log_init(STDERR_FILENO, conf->log.format, conf->log.level, "parent");
	p.notes.supervisor = &p.supervisor;
	notes_begin(&p.notes);
	log_write(TG_LOG_INFO, "starting", "version=%s pid=%d conf=%s", PACKAGE_VERSION,
		  (int)getpid(), start->conf_path);
	rc = strangers_adopt(&err);
	if (rc == 0)
		rc = parent_open(&p, start->argv0, &err);
	if (rc == 0)
		rc = parent_run(&p, &err);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "cannot start", "error=%s", err.text);
	else
		log_write(TG_LOG_INFO, "stopped", "clean=%s",
			  p.supervisor.has_failed ? "no" : "yes");
	notes_end();
	refuse(&p, rc, &err);
	parent_close(&p);
	return rc < 0 || p.supervisor.has_failed ? 1 : 0;
}
