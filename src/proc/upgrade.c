#include "proc/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "proc/child.h"
#include "proc/proc.h"
#include "proc/spawn.h"

/* A new parent that has said why it ends may take this long for it. */
#define END_MS 5000u

static bool
may_follow(enum upgrade_state from, enum upgrade_state to)
{
	switch (from) {
	case UPGRADE_NONE:
		return to == UPGRADE_STARTING;
	case UPGRADE_STARTING:
		return to == UPGRADE_ASKED || to == UPGRADE_ENDING;
	case UPGRADE_ASKED:
		return to == UPGRADE_GIVEN || to == UPGRADE_ENDING;
	case UPGRADE_GIVEN:
		return to == UPGRADE_DONE || to == UPGRADE_ENDING;
	case UPGRADE_ENDING:
		return to == UPGRADE_NONE;
	case UPGRADE_DONE:
	case UPGRADE_STATE_COUNT:
		break;
	}
	return false;
}

static void
set_state(struct upgrade *u, enum upgrade_state state)
{
	assert(may_follow(u->state, state));
	u->state = state;
}

bool
upgrade_is_running(const struct upgrade *u)
{
	return u->state != UPGRADE_NONE && u->state != UPGRADE_DONE;
}

static void
close_channel(struct upgrade *u)
{
	watch_stop(u->loop, &u->watch);
	if (u->channel >= 0)
		close(u->channel);
	u->channel = -1;
}

/* The rest is its death's to tell. */
static void
begin_end(struct upgrade *u, const char *why)
{
	if (u->state == UPGRADE_ENDING)
		return;
	set_state(u, UPGRADE_ENDING);
	snprintf(u->why, sizeof(u->why), "%s", why);
	close_channel(u);
	timer_set(u->loop, &u->timer, mono_add_ms(loop_now_update(u->loop), END_MS));
}

void
upgrade_abort(struct upgrade *u, const char *why)
{
	if (!upgrade_is_running(u))
		return;
	begin_end(u, why);
	kill(u->pid, SIGKILL);
}

static void
on_timer(struct timer *t)
{
	struct upgrade *u = TG_CONTAINER(t, struct upgrade, timer);

	if (u->state == UPGRADE_ENDING)
		kill(u->pid, SIGKILL);
	else
		upgrade_abort(u, "it does not serve in time");
}

static void
finish(struct upgrade *u)
{
	set_state(u, UPGRADE_DONE);
	timer_clear(&u->timer);
	u->on_serving(u);
	/* Deaf by now, it serves all the same. */
	(void)!channel_send(u->channel, MSG_YOURS, NULL, 0, -1);
	close_channel(u);
}

static void
on_message(struct upgrade *u, const struct message *m)
{
	if (m->type == MSG_ASK && u->state == UPGRADE_STARTING) {
		set_state(u, UPGRADE_ASKED);
		u->on_asked(u);
	} else if (m->type == MSG_SERVING && u->state == UPGRADE_GIVEN) {
		finish(u);
	} else if (m->type == MSG_REFUSED) {
		begin_end(u, m->u.refused.reason);
	} else {
		upgrade_abort(u, "it breaks the protocol");
	}
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct upgrade *u = TG_CONTAINER(w, struct upgrade, watch);
	struct message m;
	int rc = channel_receive(u->channel, &m);

	(void)what;
	if (rc == 1) {
		if (m.fd >= 0)
			close(m.fd);
		on_message(u, &m);
	} else if (rc == 0) {
		begin_end(u, "");
	} else if (rc != -TG_EAGAIN) {
		upgrade_abort(u, "it breaks the protocol");
	}
}

/* the start */

struct successor_spawn {
	struct spawn spawn; /* first */
	const struct upgrade *upgrade;
	bool is_same_program;
};

/* The service manager's words to us are not for another process. */
static void
arrange_environment(const struct upgrade *u)
{
	char generation[16];

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("WATCHDOG_PID");
	snprintf(generation, sizeof(generation), "%u", u->generation);
	if (u->generation > 0)
		setenv(TG_GENERATION, generation, 1);
}

static enum spawn_step
become_successor(const struct spawn *s, pid_t parent)
{
	const struct successor_spawn *successor = (const struct successor_spawn *)(const void *)s;
	const struct upgrade *u = successor->upgrade;
	char *program = strdup(u->program);
	char *conf_path = strdup(u->conf_path);
	char option[] = "-c";
	char role[] = TG_ROLE_ARG TG_ROLE_SUCCESSOR;
	char *argv[] = {program, option, conf_path, role, NULL};
	sigset_t none;

	(void)parent;
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	arrange_environment(u);
	if (spawn_arrange_channel(s) < 0)
		return SPAWN_DESCRIPTORS;
	if (program == NULL || conf_path == NULL)
		return SPAWN_EXEC;
	if (successor->is_same_program)
		fexecve(u->program_fd, argv, environ);
	else
		execv(program, argv);
	return SPAWN_EXEC;
}

int
upgrade_start(struct upgrade *u, bool is_same_program, struct err *err)
{
	struct successor_spawn s = {
		.spawn = {.name = u->program, .become = become_successor},
		.upgrade = u,
		.is_same_program = is_same_program,
	};
	int channel[2];
	int rc;

	if (u->state != UPGRADE_NONE)
		return err_set(err, TG_EEXIST, "an upgrade is under way");
	rc = channel_pair(channel, err);
	if (rc < 0)
		return rc;
	s.spawn.channel = channel[1];
	rc = spawn(&s.spawn, &u->pid, err);
	close(channel[1]);
	if (rc < 0) {
		close(channel[0]);
		return rc;
	}
	u->channel = channel[0];
	u->why[0] = '\0';
	set_state(u, UPGRADE_STARTING);
	timer_set(u->loop, &u->timer, mono_add_ms(loop_now_update(u->loop), u->timeout_ms));
	if (watch_start_level(u->loop, &u->watch, u->channel, on_channel) < 0)
		upgrade_abort(u, "its channel cannot be watched");
	return 0;
}

static int
give_secrets(int channel, const struct conf *conf)
{
	struct msg_give_secret m;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < conf->n_services; i++) {
		const struct conf_service *s = &conf->services[i];

		if (!s->sticky.has_made_secret)
			continue;
		memset(&m, 0, sizeof(m));
		snprintf(m.service, sizeof(m.service), "%s", s->name);
		snprintf(m.secret, sizeof(m.secret), "%s", s->sticky.secret);
		rc = channel_send(channel, MSG_GIVE_SECRET, &m, sizeof(m), -1);
		explicit_bzero(&m, sizeof(m));
	}
	return rc;
}

void
upgrade_give(struct upgrade *u, int state_fd, const enum log_level *level,
	     const struct ticket_seed *tickets, const struct conf *conf)
{
	int rc;

	if (u->state != UPGRADE_ASKED)
		return; /* it failed meanwhile */
	set_state(u, UPGRADE_GIVEN);
	rc = channel_send(u->channel, MSG_GIVE_SEGMENT, NULL, 0, segment_fd(u->segment));
	if (rc == 0)
		rc = channel_send(u->channel, MSG_GIVE_STATE, NULL, 0, state_fd);
	if (rc == 0 && level != NULL)
		rc = child_send_log_level(u->channel, *level);
	if (rc == 0)
		rc = child_send_tickets(u->channel, tickets);
	if (rc == 0)
		rc = give_secrets(u->channel, conf);
	if (rc == 0)
		rc = sockets_give(u->sockets, u->channel);
	if (rc < 0)
		upgrade_abort(u, "it does not take the sockets");
}

/* the end */

static void
describe_death(struct upgrade *u, int status)
{
	if (u->why[0] != '\0')
		return;
	if (WIFSIGNALED(status))
		snprintf(u->why, sizeof(u->why), "it was killed by SIG%s before it served",
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(u->why, sizeof(u->why), "it ended with status %d before it served",
			 WEXITSTATUS(status));
}

/* What it said last may be unread yet. */
static void
read_last_word(struct upgrade *u)
{
	struct message m;

	if (u->channel < 0 || channel_receive(u->channel, &m) != 1)
		return;
	if (m.fd >= 0)
		close(m.fd);
	if (m.type == MSG_REFUSED)
		begin_end(u, m.u.refused.reason);
}

void
upgrade_reap(struct upgrade *u)
{
	int status;

	if (u->pid <= 0 || waitpid(u->pid, &status, WNOHANG) != u->pid)
		return;
	u->pid = 0;
	if (u->state == UPGRADE_DONE) {
		u->on_ended(u, status);
		return;
	}
	read_last_word(u);
	begin_end(u, "");
	describe_death(u, status);
	timer_clear(&u->timer);
	set_state(u, UPGRADE_NONE);
	u->on_failed(u, u->why);
}

void
upgrade_init(struct upgrade *u)
{
	u->state = UPGRADE_NONE;
	u->pid = 0;
	u->channel = -1;
	timer_init(&u->timer, on_timer);
}

void
upgrade_fini(struct upgrade *u)
{
	if (u->loop == NULL)
		return;
	if (upgrade_is_running(u) && u->pid > 0) {
		kill(u->pid, SIGKILL);
		waitpid(u->pid, NULL, 0);
	}
	close_channel(u);
	timer_fini(&u->timer);
}
