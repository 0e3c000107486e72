#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "loop/loop.h"
#include "proc/limits.h"
#include "proc/notify.h"
#include "proc/privileges.h"
#include "proc/proc.h"
#include "proc/slots.h"
#include "proc/sockets.h"
#include "proc/supervisor.h"

#define READY_TIMEOUT_MS 10000u
#define STOP_MARGIN_MS   3000u

enum handled_signal {
	HANDLED_CHLD = 0,
	HANDLED_TERM = 1,
	HANDLED_INT = 2,
	HANDLED_HUP = 3,
	HANDLED_COUNT
};

static const int handled_signals[HANDLED_COUNT] = {
	[HANDLED_CHLD] = SIGCHLD,
	[HANDLED_TERM] = SIGTERM,
	[HANDLED_INT] = SIGINT,
	[HANDLED_HUP] = SIGHUP,
};

/* A signal and whose it is: the loop gives back only the first. */
struct parent_signal {
	struct loop_signal signal;
	struct parent *parent;
};

struct parent {
	struct conf *conf;
	struct privileges privileges;
	struct sockets sockets;
	struct segment *segment;
	int conf_fd;
	int program_fd;
	struct loop *loop;
	struct parent_signal signals[HANDLED_COUNT];
	struct supervisor supervisor;
};

static struct parent *
parent_of(struct supervisor *s)
{
	return TG_CONTAINER(s, struct parent, supervisor);
}

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

static void
on_ready(struct supervisor *s)
{
	const struct conf *conf = parent_of(s)->conf;
	char status[128];

	log_listeners(conf);
	log_write(TG_LOG_INFO, "ready", "workers=%u listeners=%zu services=%zu", conf->workers,
		  conf->n_listeners, conf->n_services);
	snprintf(status, sizeof(status), "serving %zu listeners with %u workers", conf->n_listeners,
		 conf->workers);
	notify_ready(status);
}

static void
on_change(struct supervisor *s)
{
	int i;

	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		if (s->children[i].state == CHILD_UP)
			continue;
		notify_status("starting the %s again", child_role_str((enum child_role)i));
		return;
	}
	notify_status("serving %zu listeners with %u workers", parent_of(s)->conf->n_listeners,
		      parent_of(s)->conf->workers);
}

static void
parent_stop(struct parent *p, int signo)
{
	const char *name = sigabbrev_np(signo);

	if (p->supervisor.is_stopping) {
		log_write(TG_LOG_WARN, "stopping at once", "signal=%s", name);
		supervisor_kill(&p->supervisor);
		return;
	}
	log_write(TG_LOG_INFO, "stopping", "signal=%s grace_ms=%llu", name,
		  (unsigned long long)p->conf->shutdown_grace_ms);
	notify_stopping();
	sockets_stop_listening(&p->sockets);
	supervisor_stop(&p->supervisor, p->conf->shutdown_grace_ms);
}

static void
on_signal(struct loop_signal *s, int signo)
{
	struct parent *p = ((struct parent_signal *)(void *)s)->parent;

	switch (signo) {
	case SIGCHLD:
		supervisor_reap(&p->supervisor);
		break;
	case SIGHUP:
		log_write(TG_LOG_WARN, "reload is not available in this version, ignoring", NULL);
		break;
	default:
		parent_stop(p, signo);
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

static int
resolve_privileges(struct parent *p, struct err *err)
{
	int rc = privileges_resolve(p->conf->user, p->conf->group, &p->privileges, err);

	if (rc == 0 && privileges_are_root(&p->privileges))
		log_write(TG_LOG_WARN, "the children run as root: set user in the configuration",
			  NULL);
	return rc;
}

/* Everything the children get, and the loop. On failure parent_close() cleans up. */
static int
parent_open(struct parent *p, struct err *err)
{
	int rc = check_descriptors(p->conf, err);

	if (rc == 0)
		rc = child_open_program(&p->program_fd, err);
	if (rc == 0)
		rc = resolve_privileges(p, err);
	if (rc == 0)
		rc = sockets_open(p->conf, &p->privileges, &p->sockets, err);
	if (rc == 0)
		rc = slots_create(p->conf, &p->segment, err);
	if (rc == 0)
		rc = conf_save_fd(p->conf, &p->conf_fd, err);
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
	if (p->loop != NULL)
		loop_free(p->loop);
	segment_close(p->segment);
	sockets_close(&p->sockets);
	privileges_fini(&p->privileges);
	if (p->conf_fd >= 0)
		close(p->conf_fd);
	if (p->program_fd >= 0)
		close(p->program_fd);
	conf_unref(p->conf);
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
		.equipment = {.conf_fd = p->conf_fd,
			      .segment = p->segment,
			      .sockets = &p->sockets,
			      .peer_fd = -1},
		.ready_timeout_ms = READY_TIMEOUT_MS,
		.stop_margin_ms = STOP_MARGIN_MS,
		.on_ready = on_ready,
		.on_change = on_change,
	};
	supervisor_init(s);
	rc = supervisor_start(s, err);
	if (rc == 0)
		loop_run(p->loop);
	supervisor_fini(s);
	return rc;
}

int
parent_main(struct conf *conf, const char *conf_path)
{
	struct parent p = {
		.conf = conf,
		.conf_fd = -1,
		.program_fd = -1,
		.sockets = {.log_fd = -1},
	};
	struct err err;
	int rc;

	log_init(STDERR_FILENO, conf->log.format, conf->log.level, "parent");
	log_write(TG_LOG_INFO, "starting", "version=%s pid=%d conf=%s", PACKAGE_VERSION,
		  (int)getpid(), conf_path);
	rc = parent_open(&p, &err);
	if (rc == 0)
		rc = parent_run(&p, &err);
	if (rc < 0)
		log_write(TG_LOG_ERROR, "cannot start", "error=%s", err.text);
	else
		log_write(TG_LOG_INFO, "stopped", "clean=%s",
			  p.supervisor.has_failed ? "no" : "yes");
	parent_close(&p);
	return rc < 0 || p.supervisor.has_failed ? 1 : 0;
}
