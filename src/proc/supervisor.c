#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/container.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "proc/culprit.h"
#include "proc/signing.h"
#include "proc/supervisor.h"

#define FORGIVING_LIFE_US 10000000u

static void child_start_again(struct child *c);

static struct child *
other_child(struct child *c)
{
	return &c->supervisor->children[c->role == CHILD_PROXY ? CHILD_KEEPER : CHILD_PROXY];
}

static bool
may_follow(enum child_state from, enum child_state to)
{
	switch (from) {
	case CHILD_DOWN:
		return to == CHILD_STARTING;
	case CHILD_STARTING:
		return to == CHILD_UP || to == CHILD_STOPPING || to == CHILD_DOWN;
	case CHILD_UP:
		return to == CHILD_STOPPING || to == CHILD_DOWN;
	case CHILD_STOPPING:
		return to == CHILD_DOWN;
	case CHILD_STATE_COUNT:
		break;
	}
	return false;
}

/* The deadline of the new state; what runs out is in on_timer(). */
static void
child_set_state(struct child *c, enum child_state state, uint64_t deadline_ms)
{
	assert(may_follow(c->state, state));
	c->state = state;
	timer_clear(&c->timer);
	if (deadline_ms > 0)
		timer_set(c->supervisor->loop, &c->timer,
			  mono_add_ms(loop_now_update(c->supervisor->loop), deadline_ms));
}

static void
child_kill(struct child *c)
{
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}

static void
child_close_channel(struct child *c)
{
	watch_stop(c->supervisor->loop, &c->watch);
	if (c->channel >= 0)
		close(c->channel);
	c->channel = -1;
}

/* It broke the rules of the channel: its death comes back by SIGCHLD. */
static void
child_condemn(struct child *c, const char *why)
{
	log_write(TG_LOG_ERROR, "killing child", "child=%s pid=%d reason=%s",
		  child_role_str(c->role), (int)c->pid, why);
	c->supervisor->has_failed = true;
	child_close_channel(c);
	child_kill(c);
}

static void
note_serving(struct supervisor *s)
{
	if (s->was_serving || !s->was_ready || !s->is_accepting)
		return;
	s->was_serving = true;
	s->on_serving(s);
}

static bool
msg_is_news(enum msg_type type)
{
	return type == MSG_READY || type == MSG_ACCEPTING || type == MSG_HELD || type == MSG_PONG ||
	       type == MSG_PREPARED || type == MSG_COMMITTED || type == MSG_RELOAD ||
	       type == MSG_SEALED || type == MSG_STATE || type == MSG_LINE;
}

static bool
msg_is_of_reload(enum msg_type type)
{
	return type == MSG_PREPARED || type == MSG_COMMITTED || type == MSG_RELOAD;
}

static bool
take_reload(struct child *c, const struct message *m)
{
	struct supervisor *s = c->supervisor;

	return c->state == CHILD_UP && s->on_reload != NULL && s->on_reload(s, c->role, m);
}

static void
child_on_ready(struct child *c)
{
	struct supervisor *s = c->supervisor;

	child_set_state(c, CHILD_UP, 0);
	log_write(TG_LOG_INFO, "child ready", "child=%s pid=%d", child_role_str(c->role),
		  (int)c->pid);
	if (other_child(c)->state != CHILD_UP)
		return;
	if (s->was_ready) {
		s->on_change(s);
	} else {
		s->was_ready = true;
		s->on_ready(s);
		note_serving(s);
	}
}

static void
child_on_accepting(struct child *c)
{
	c->supervisor->is_accepting = true;
	note_serving(c->supervisor);
}

/* The keeper tells what an operator ordered: ours from now on, and that of all who start. */
static void
take_log_level(struct supervisor *s, enum log_level level)
{
	log_set_level(level);
	s->equipment.has_log_level = true;
	s->equipment.log_level = level;
	for (int i = 0; i < CHILD_ROLE_COUNT; i++) {
		struct child *c = &s->children[i];

		if (c->channel >= 0 && child_send_log_level(c->channel, level) < 0)
			child_condemn(c, "it does not take messages");
	}
}

static void
close_kept(struct supervisor *s)
{
	if (s->kept_fd >= 0)
		close(s->kept_fd);
	s->kept_fd = -1;
}

/* For a keeper that starts after this one. Where it cannot be had it is as it was before. */
static void
take_kept(struct supervisor *s, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0) {
		log_write(TG_LOG_WARN, "what is ordered is not kept for another keeper", "errno=%d",
			  errno);
		return;
	}
	close_kept(s);
	s->kept_fd = copy;
}

static void
give_line(struct child *proxy, const struct msg_line *m)
{
	struct signing *signing = proxy->supervisor->equipment.signing;

	if (signing == NULL || signing_give_line(signing, proxy->channel, m->worker) < 0)
		child_condemn(proxy, "a line that is not its to have, or that it does not take");
}

static void
child_on_message(struct child *c, const struct message *m)
{
	if (c->state == CHILD_STOPPING && msg_is_news(m->type))
		return; /* crossed our MSG_STOP */
	if (m->type == MSG_READY && c->state == CHILD_STARTING)
		child_on_ready(c);
	else if (m->type == MSG_ACCEPTING && c->role == CHILD_PROXY && c->state == CHILD_UP)
		child_on_accepting(c);
	else if (m->type == MSG_HELD && c->role == CHILD_KEEPER && c->state == CHILD_UP)
		c->supervisor->on_held(c->supervisor, m->fd);
	else if (m->type == MSG_STOP && c->role == CHILD_KEEPER)
		c->supervisor->on_stop_ordered(c->supervisor, m->u.stop.grace_ms);
	else if (m->type == MSG_SEALED && c->role == CHILD_KEEPER)
		c->supervisor->on_sealed(c->supervisor, &m->u.sealed);
	else if (m->type == MSG_STATE && c->role == CHILD_KEEPER)
		take_kept(c->supervisor, m->fd);
	else if (m->type == MSG_LOG_LEVEL && c->role == CHILD_KEEPER)
		take_log_level(c->supervisor, (enum log_level)m->u.log_level.level);
	else if (m->type == MSG_LINE && c->role == CHILD_PROXY && c->state == CHILD_UP)
		give_line(c, &m->u.line);
	else if (m->type == MSG_PONG ? !pulse_answer(&c->pulse, &m->u.pong)
				     : !msg_is_of_reload(m->type) || !take_reload(c, m))
		child_condemn(c, "a message that is not its to send");
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct child *c = TG_CONTAINER(w, struct child, watch);
	struct message m;
	int rc = channel_receive(c->channel, &m);

	(void)what;
	if (rc == 1) {
		child_on_message(c, &m);
		if (m.fd >= 0)
			close(m.fd);
	} else if (rc == 0 && c->state == CHILD_STOPPING) {
		child_close_channel(c); /* about to end; the timer sees that it does */
	} else if (rc == 0) {
		child_close_channel(c); /* usually its death; else it is no use any more */
		child_kill(c);
	} else if (rc != -TG_EAGAIN) {
		child_condemn(c, "a message that is not valid");
	}
}

/* Runs the program and hands over everything; `peer_fd` stays the caller's. */
static int
child_start(struct child *c, int peer_fd, struct err *err)
{
	struct supervisor *s = c->supervisor;
	struct child_equipment equipment = s->equipment;
	int rc = child_spawn(c->role, s->program_fd, s->privileges, &c->pid, &c->channel, err);

	if (rc < 0)
		return rc;
	equipment.peer_fd = peer_fd;
	/* A file is newer, whatever it had before. */
	if (equipment.state_fd < 0 && equipment.conf->state_file == NULL)
		equipment.state_fd = s->kept_fd;
	c->started = mono_read();
	c->pulse = (struct pulse){.is_asked = false};
	child_set_state(c, CHILD_STARTING, s->ready_timeout_ms);
	rc = watch_start_level(s->loop, &c->watch, c->channel, on_channel);
	if (rc < 0)
		child_condemn(c, "its channel cannot be watched");
	else if (child_equip(c->role, c->channel, &equipment) < 0)
		child_kill(c); /* died already, or does not read: SIGCHLD tells */
	return 0;
}

/* The survivor hears of the new one; when it cannot, it is on its own way out. */
static void
introduce(struct child *survivor, int peer_fd)
{
	if (survivor->channel < 0 || survivor->state == CHILD_STOPPING)
		return;
	if (channel_send(survivor->channel, MSG_PEER, NULL, 0, peer_fd) < 0)
		child_condemn(survivor, "it does not take messages");
}

uint64_t
supervisor_restart_ms(unsigned *deaths, uint64_t life_us)
{
	/* With the start: back within a second. */
	static const struct backoff restarts = {.first_ms = 100, .max_ms = 500};

	if (life_us >= FORGIVING_LIFE_US)
		*deaths = 0;
	(*deaths)++;
	return *deaths > 1 ? backoff_ms(&restarts, *deaths - 2, 0) : 0;
}

/* A death that is to be answered by a new start after a while. */
static void
child_schedule(struct child *c)
{
	struct supervisor *s = c->supervisor;
	uint64_t life_us = mono_diff_us(mono_read(), c->started);
	uint64_t wait_ms = supervisor_restart_ms(&c->deaths, life_us);

	if (wait_ms == 0)
		child_start_again(c);
	else
		timer_set(s->loop, &c->timer, mono_add_ms(loop_now_update(s->loop), wait_ms));
	s->on_change(s);
}

static void
child_start_again(struct child *c)
{
	int peer[2];
	struct err err;
	int rc = channel_pair(peer, &err);

	log_write(TG_LOG_INFO, "starting child again", "child=%s", child_role_str(c->role));
	if (rc == 0) {
		rc = child_start(c, peer[0], &err);
		if (rc == 0)
			introduce(other_child(c), peer[1]);
		close(peer[0]);
		close(peer[1]);
	}
	if (rc < 0) {
		log_write(TG_LOG_ERROR, "cannot start child", "child=%s error=%s",
			  child_role_str(c->role), err.text);
		c->started = mono_read();
		child_schedule(c);
	}
}

static void
on_timer(struct timer *t)
{
	struct child *c = TG_CONTAINER(t, struct child, timer);

	switch (c->state) {
	case CHILD_DOWN:
		child_start_again(c);
		break;
	case CHILD_STARTING:
		child_condemn(c, "not ready in time");
		break;
	case CHILD_STOPPING:
		child_condemn(c, "did not stop in time");
		break;
	case CHILD_UP:
	case CHILD_STATE_COUNT:
		break;
	}
}

/* whether loops turn */

static void
count_hang(struct child *c)
{
	struct segment_shared *shared = segment_shared(c->supervisor->equipment.segment, 0);

	atomic_fetch_add(c->role == CHILD_PROXY ? &shared->hangs_proxy : &shared->hangs_keeper, 1);
}

static void
log_hang(const struct child *c, uint32_t loop, uint64_t for_ms)
{
	const struct child_equipment *e = &c->supervisor->equipment;
	struct culprit in = {.service = "-", .module = "-"};
	char name[32] = "main";

	if (loop != TG_PONG_CONTROL)
		snprintf(name, sizeof(name), "worker-%u", loop);
	if (c->role == CHILD_KEEPER)
		(void)culprit_find(e->segment, e->conf, &in);
	log_write(TG_LOG_ERROR, "child hangs, ending it",
		  "child=%s pid=%d loop=%s for_ms=%llu svc=%s module=%s", child_role_str(c->role),
		  (int)c->pid, name, (unsigned long long)for_ms, in.service, in.module);
}

/* One that stands still takes a signal when it is continued. */
static void
child_abort(struct child *c)
{
	child_set_state(c, CHILD_STOPPING, c->supervisor->abort_ms);
	kill(c->pid, SIGABRT);
	kill(c->pid, SIGCONT);
}

static void
child_pulse(struct child *c)
{
	struct supervisor *s = c->supervisor;
	uint32_t loop;
	unsigned n;

	if (c->state != CHILD_UP || c->channel < 0)
		return;
	if (pulse_tick(&c->pulse, channel_has_room(c->channel)) &&
	    channel_send(c->channel, MSG_PING, NULL, 0, -1) < 0)
		return; /* dying: the channel tells */
	if (s->is_busy != NULL && s->is_busy(s))
		pulse_forgive(&c->pulse);
	n = pulse_missed(&c->pulse, &loop);
	if (s->hang_limit == 0 || n < s->hang_limit)
		return;
	log_hang(c, loop, n * s->interval_ms);
	count_hang(c);
	child_abort(c);
}

static bool
child_is_well(const struct child *c)
{
	return c->state == CHILD_UP && c->channel >= 0 && pulse_is_good(&c->pulse);
}

static void
on_pulse_timer(struct timer *t)
{
	struct supervisor *s = TG_CONTAINER(t, struct supervisor, pulse_timer);
	bool is_well = true;
	int i;

	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		is_well = child_is_well(&s->children[i]) && is_well;
	if (s->on_pulse != NULL)
		s->on_pulse(s, is_well);
	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		child_pulse(&s->children[i]);
	timer_set(s->loop, t, mono_add_ms(loop_now(s->loop), s->interval_ms));
}

void
supervisor_watch(struct supervisor *s, uint64_t interval_ms, unsigned hang_limit)
{
	s->hang_limit = hang_limit;
	if (s->interval_ms == interval_ms)
		return;
	s->interval_ms = interval_ms;
	timer_clear(&s->pulse_timer);
	if (interval_ms > 0)
		timer_set(s->loop, &s->pulse_timer,
			  mono_add_ms(loop_now_update(s->loop), interval_ms));
}

void
supervisor_init(struct supervisor *s)
{
	int i;

	s->kept_fd = -1;
	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		struct child *c = &s->children[i];

		*c = (struct child){.supervisor = s, .role = (enum child_role)i, .channel = -1};
		timer_init(&c->timer, on_timer);
	}
	timer_init(&s->pulse_timer, on_pulse_timer);
}

void
supervisor_fini(struct supervisor *s)
{
	int i;

	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		assert(s->children[i].pid == 0);
		child_close_channel(&s->children[i]);
		timer_fini(&s->children[i].timer);
	}
	timer_fini(&s->pulse_timer);
	close_kept(s);
}

int
supervisor_start(struct supervisor *s, struct err *err)
{
	struct child *proxy = &s->children[CHILD_PROXY];
	struct child *keeper = &s->children[CHILD_KEEPER];
	int peer[2];
	int rc = channel_pair(peer, err);

	if (rc < 0)
		return rc;
	rc = child_start(keeper, peer[0], err);
	if (rc == 0)
		rc = child_start(proxy, peer[1], err);
	close(peer[0]);
	close(peer[1]);
	if (rc < 0 && keeper->pid > 0) {
		child_kill(keeper);
		waitpid(keeper->pid, NULL, 0);
		keeper->pid = 0;
		child_set_state(keeper, CHILD_DOWN, 0);
	}
	return rc;
}

static void
log_death(const struct child *c, int status)
{
	if (c->supervisor->is_stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		log_write(TG_LOG_INFO, "child stopped", "child=%s pid=%d status=0",
			  child_role_str(c->role), (int)c->pid);
	else
		child_log_death(c->role, c->pid, status);
}

/* Of a hang it is told already. */
static void
blame(const struct child *c)
{
	const struct child_equipment *e = &c->supervisor->equipment;
	struct culprit in;

	if (c->state != CHILD_STOPPING && culprit_find(e->segment, e->conf, &in))
		log_write(TG_LOG_ERROR, "the keeper died in a module", "svc=%s module=%s",
			  in.service, in.module);
	culprit_forget(e->segment);
}

/* The next step on the way down: the first child that still runs is told, or killed. */
static void
stop_next(struct supervisor *s)
{
	struct child *c = &s->children[CHILD_PROXY];
	struct msg_stop stop = {.grace_ms = s->grace_ms};

	if (c->pid == 0) {
		c = &s->children[CHILD_KEEPER];
		stop.grace_ms = s->keeper_grace_ms;
	}
	if (c->pid == 0) {
		loop_stop(s->loop);
		return;
	}
	if (c->state == CHILD_STOPPING)
		return;
	child_set_state(c, CHILD_STOPPING, stop.grace_ms + s->stop_margin_ms);
	if (c->channel < 0 || channel_send(c->channel, MSG_STOP, &stop, sizeof(stop), -1) < 0)
		child_kill(c); /* dying already */
}

static void
child_on_death(struct child *c, int status)
{
	struct supervisor *s = c->supervisor;
	bool is_clean = c->state == CHILD_STOPPING && WIFEXITED(status) && WEXITSTATUS(status) == 0;

	log_death(c, status);
	if (c->role == CHILD_KEEPER)
		blame(c);
	child_close_channel(c);
	c->pid = 0;
	child_set_state(c, CHILD_DOWN, 0);
	if (s->is_stopping)
		s->has_failed = s->has_failed || !is_clean;
	if (s->on_death != NULL)
		s->on_death(s, c->role);
}

static void
child_answer_death(struct child *c)
{
	struct supervisor *s = c->supervisor;

	if (s->is_stopping) {
		stop_next(s);
	} else if (!s->was_ready) {
		log_write(TG_LOG_ERROR, "child could not start", "child=%s",
			  child_role_str(c->role));
		supervisor_kill(s);
	} else {
		child_schedule(c);
	}
}

/* One that starts has the file of before among its messages, and this one behind it. */
void
supervisor_renew_log(struct supervisor *s)
{
	struct child *keeper = &s->children[CHILD_KEEPER];

	if (keeper->channel >= 0 &&
	    channel_send(keeper->channel, MSG_LOG_FILE, NULL, 0, s->equipment.sockets->log_fd) < 0)
		child_condemn(keeper, "it does not take messages");
}

static bool
tell_keeper(struct supervisor *s, enum msg_type type)
{
	struct child *keeper = &s->children[CHILD_KEEPER];

	if (keeper->state != CHILD_UP || keeper->channel < 0)
		return false;
	return channel_send(keeper->channel, type, NULL, 0, -1) == 0;
}

bool
supervisor_hold(struct supervisor *s)
{
	return tell_keeper(s, MSG_HOLD);
}

void
supervisor_resume(struct supervisor *s)
{
	(void)tell_keeper(s, MSG_RESUME); /* a new one begins unheld */
}

int
supervisor_channel(const struct supervisor *s, enum child_role role)
{
	return s->children[role].state == CHILD_UP ? s->children[role].channel : -1;
}

int
supervisor_news_channel(const struct supervisor *s, enum child_role role)
{
	const struct child *c = &s->children[role];

	return c->state == CHILD_STARTING || c->state == CHILD_UP ? c->channel : -1;
}

void
supervisor_condemn(struct supervisor *s, enum child_role role, const char *why)
{
	if (s->children[role].channel >= 0)
		child_condemn(&s->children[role], why);
}

/* All deaths are noted before any is answered: the new child is not introduced to a dead one. */
void
supervisor_reap(struct supervisor *s)
{
	bool died[CHILD_ROLE_COUNT] = {false};
	int i;

	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		struct child *c = &s->children[i];
		int status;

		died[i] = c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid;
		if (died[i])
			child_on_death(c, status);
	}
	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		if (died[i])
			child_answer_death(&s->children[i]);
}

void
supervisor_stop(struct supervisor *s, uint64_t grace_ms)
{
	int i;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	s->has_failed = false; /* restarts up to now were mended */
	s->grace_ms = grace_ms;
	for (i = 0; i < CHILD_ROLE_COUNT; i++)
		if (s->children[i].state == CHILD_DOWN)
			timer_clear(&s->children[i].timer);
	stop_next(s);
}

void
supervisor_kill(struct supervisor *s)
{
	int i;

	s->is_stopping = true;
	s->has_failed = true;
	for (i = 0; i < CHILD_ROLE_COUNT; i++) {
		timer_clear(&s->children[i].timer);
		child_kill(&s->children[i]);
	}
	if (s->children[CHILD_PROXY].pid == 0 && s->children[CHILD_KEEPER].pid == 0)
		loop_stop(s->loop);
}
