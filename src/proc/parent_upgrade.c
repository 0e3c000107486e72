/*
 * proc/parent_upgrade.c: a parent's part in its replacement, as the one before and as the one after.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/notify.h"
#include "proc/parent_priv.h"
#include "proc/proc.h"

/* A new parent has its children, and backends their first verdicts, well before. */
#define UPGRADE_TIMEOUT_MS 30000u
/* Process 1 of a container and its successors, each of which waits for the next. */
#define GENERATIONS_MAX 16u

/* the one after */

void
parent_on_serving(struct supervisor *s)
{
	struct parent *p = parent_of(s);

	if (parent_is_waiting(p) && predecessor_tell_serving(&p->predecessor, p->loop) < 0)
		p->predecessor.on_gone(&p->predecessor);
}

void
parent_on_yours(struct predecessor *predecessor)
{
	struct parent *p = TG_CONTAINER(predecessor, struct parent, predecessor);

	sockets_own(&p->sockets, &p->privileges);
	inherited_remove_files(&p->inherited);
	inherited_fini(&p->inherited);
	carry_run(&p->carry, p->loop);
	parent_announce(p);
	parent_notify_serving(p);
	parent_start_watchdog(p);
	if (p->is_reload_due)
		reconf_read_file(&p->reconf);
	reconf_go_on(&p->reconf);
}

void
parent_on_gone(struct predecessor *predecessor)
{
	struct parent *p = TG_CONTAINER(predecessor, struct parent, predecessor);

	log_write(TG_LOG_ERROR, "the old tidegate has ended without handing over, ending", NULL);
	supervisor_kill(&p->supervisor);
}

/* the one before */

static struct parent *
parent_of_upgrade(struct upgrade *u)
{
	return TG_CONTAINER(u, struct parent, upgrade);
}

/* A child of ours that dies now proves the opposite of health; one of the old parent's keeper would
 * not hold any more. */
void
parent_upgrade_on_death(struct parent *p)
{
	if (parent_is_waiting(p))
		supervisor_kill(&p->supervisor);
	if (p->supervisor.children[CHILD_KEEPER].state != CHILD_UP)
		upgrade_abort(&p->upgrade, "the keeper has died meanwhile");
}

static void
on_asked(struct upgrade *u)
{
	if (!supervisor_hold(&parent_of_upgrade(u)->supervisor))
		upgrade_abort(u, "there is no keeper that could hand over");
}

void
parent_on_held(struct supervisor *s, int fd)
{
	struct parent *p = parent_of(s);
	const struct child_equipment *e = &s->equipment;
	bool lasts = e->has_log_level && reconf_keeps_log_level(&p->reconf);

	upgrade_give(&p->upgrade, fd, lasts ? &e->log_level : NULL, &p->tickets, p->conf);
}

/* From here on all that is shared is the new one's; ours is only to finish. */
static void
on_replaced(struct upgrade *u)
{
	struct parent *p = parent_of_upgrade(u);
	bool is_reload = reconf_is_replacing(&p->reconf);

	log_write(TG_LOG_INFO, "stopping", "reason=%s successor=%d grace_ms=%llu",
		  is_reload ? "reload" : "upgrade", (int)u->pid,
		  (unsigned long long)p->conf->shutdown_grace_ms);
	notify_replaced(u->pid);
	reconf_upgraded(&p->reconf, NULL);
	if (is_reload && reconf_replaced(&p->reconf, NULL))
		kill(u->pid, SIGHUP);
	sockets_disown(&p->sockets);
	sockets_stop_listening(&p->sockets);
	supervisor_stop(&p->supervisor, p->conf->shutdown_grace_ms);
}

static void
on_failed(struct upgrade *u, const char *why)
{
	struct parent *p = parent_of_upgrade(u);
	bool is_reload = reconf_is_replacing(&p->reconf);

	if (!is_reload)
		log_write(TG_LOG_ERROR, "the upgrade has failed, going on", "reason=%s", why);
	if (!p->supervisor.is_stopping)
		supervisor_resume(&p->supervisor);
	reconf_upgraded(&p->reconf, why);
	if (is_reload)
		(void)!reconf_replaced(&p->reconf, why);
	else if (!p->supervisor.is_stopping)
		notify_ready("serving %zu listeners with %u workers; the last upgrade failed",
			     p->conf->n_listeners, p->conf->workers);
}

static void
on_ended(struct upgrade *u, int status)
{
	struct parent *p = parent_of_upgrade(u);
	bool is_clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	log_write(is_clean ? TG_LOG_INFO : TG_LOG_ERROR, "the new tidegate has ended", "status=%d",
		  status);
	p->status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
	if (parent_stays(p))
		supervisor_kill(&p->supervisor); /* or what is left of our children, and the loop */
}

/* Process 1, or the number our predecessor gave us. */
static unsigned
generation(void)
{
	const char *text = getenv(TG_GENERATION);
	unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;

	if (getpid() == 1)
		return 1;
	return n > 0 && n <= GENERATIONS_MAX ? (unsigned)n + 1 : 0;
}

bool
parent_stays(const struct parent *p)
{
	return p->upgrade.generation > 0;
}

bool
parent_hand_on(const struct parent *p, int signo)
{
	if (!parent_stays(p) || p->upgrade.state != UPGRADE_DONE)
		return false;
	if (p->upgrade.pid > 0)
		kill(p->upgrade.pid, signo);
	return true;
}

int
parent_stay(struct parent *p)
{
	if (p->upgrade.pid > 0)
		loop_run(p->loop);
	return p->status;
}

void
parent_upgrade_init(struct parent *p)
{
	p->upgrade = (struct upgrade){
		.loop = p->loop,
		.program = p->program,
		.program_fd = p->program_fd,
		.conf_path = p->conf_path,
		.sockets = &p->sockets,
		.segment = p->segment,
		.timeout_ms = UPGRADE_TIMEOUT_MS,
		.generation = generation(),
		.on_asked = on_asked,
		.on_serving = on_replaced,
		.on_ended = on_ended,
		.on_failed = on_failed,
	};
	upgrade_init(&p->upgrade);
}

static int
check(const struct parent *p, struct err *err)
{
	if (p->supervisor.is_stopping)
		return err_set(err, TG_EINVAL, "it is stopping");
	if (parent_is_waiting(p) || !p->supervisor.was_ready)
		return err_set(err, TG_EAGAIN, "it is starting");
	if (p->upgrade.generation > GENERATIONS_MAX)
		return err_set(err, TG_ELIMIT,
			       "%u processes of before stay until the container ends: restart it",
			       GENERATIONS_MAX);
	if (reconf_is_busy(&p->reconf))
		return err_set(err, TG_EAGAIN, "a reload is under way");
	return 0;
}

static int
start(struct parent *p, bool is_same_program, struct err *err)
{
	int rc = check(p, err);

	return rc < 0 ? rc : upgrade_start(&p->upgrade, is_same_program, err);
}

int
parent_upgrade(struct parent *p, struct err *err)
{
	int rc = start(p, false, err);

	if (rc < 0) {
		log_write(TG_LOG_ERROR, "not upgrading", "reason=%s", err->text);
		return rc;
	}
	log_write(TG_LOG_INFO, "upgrading", "program=%s successor=%d", p->program,
		  (int)p->upgrade.pid);
	notify_reloading("upgrading");
	return 0;
}

int
parent_upgrade_ordered(struct reconf *r, struct err *err)
{
	return parent_upgrade(TG_CONTAINER(r, struct parent, reconf), err);
}

int
parent_replace(struct reconf *r, struct err *err)
{
	struct parent *p = TG_CONTAINER(r, struct parent, reconf);
	int rc = start(p, true, err);

	if (rc == 0)
		log_write(TG_LOG_INFO, "starting new processes", "successor=%d",
			  (int)p->upgrade.pid);
	return rc;
}
