/*
 * provider/process.c: each backend is a process of this machine. doc/internals/providers.md tells who owns what.
 *
 *	          executed             stop, stop_all          gone
 *	STARTING ----------> RUNNING ----------------> STOPPING ---> ENDED
 *	    |                   |                                      ^
 *	    +-------------------+-------------- gone ------------------+
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "loop/fork.h"
#include "provider/cgroup.h"
#include "provider/mark.h"
#include "provider/output.h"
#include "provider/port.h"
#include "provider/provider_priv.h"
#include "provider/spawn.h"

#define BACKENDS_MAX 4096u
#define GROUP_NAME   192u
#define SWEEP_MS     20u
/* A control group that is not empty after so many sweeps stays. */
#define REMOVES_MAX 100u

/* One order that waits for a backend. */
struct order {
	STAILQ_ENTRY(order) link;
	uint64_t token;
	bool is_stop;
};

struct processes;

struct backend {
	LIST_ENTRY(backend) link;
	struct processes *all;
	struct instance instance; /* its `why`: what is known of its end before it ended */
	pid_t pid;
	int pid_fd;
	int report_fd; /* -1: it has executed its program, or failed to */
	struct watch end_watch;
	struct watch report_watch;
	struct timer kill; /* set while it has its grace */
	struct output output;
	STAILQ_HEAD(, order) orders;
	char place[GROUP_NAME];
	unsigned n_removes; /* of its control group, that failed */
};

LIST_HEAD(backend_list, backend);

struct processes {
	struct provider *provider;
	struct mark_owner owner;
	struct spawn_user user;
	struct port_recent ports;
	struct cgroup_limits limits;
	struct cgroup_root *cgroups; /* NULL: none */
	bool has_warned;             /* that nothing holds the limits */
	struct backend_list backends;
	unsigned n;
	struct backend_list gone; /* until the next sweep */
	struct timer sweep;
	bool has_leftovers; /* perhaps */
};

static struct backend *
find(const struct processes *all, const char *name)
{
	struct backend *b;

	LIST_FOREACH(b, &all->backends, link)
		if (strcmp(b->instance.name, name) == 0)
			return b;
	return NULL;
}

static void
group_name(const struct processes *all, const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "tidegate-%s.%s", all->owner.service, name);
}

/* signals */

static bool
has_ended(const struct backend *b)
{
	struct pollfd fd = {.fd = b->pid_fd, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

/* As long as it has not ended, its number is its own. */
static void
signal_group(const struct backend *b, int signo)
{
	if (!has_ended(b))
		kill(-b->pid, signo);
}

static void
on_kill(struct timer *t)
{
	signal_group(TG_CONTAINER(t, struct backend, kill), SIGKILL);
}

/* One that stops already gets no more time than it has. */
static void
begin_stop(struct backend *b, uint64_t grace_ms)
{
	struct loop *loop = b->all->provider->loop;
	struct mono due = mono_add_ms(loop_now(loop), grace_ms);
	bool is_first = b->instance.state != TG_INSTANCE_STOPPING;

	b->instance.state = TG_INSTANCE_STOPPING;
	if (is_first && grace_ms > 0)
		signal_group(b, SIGTERM);
	if (grace_ms == 0)
		signal_group(b, SIGKILL);
	else if (is_first || due.us < b->kill.deadline.us)
		timer_set(loop, &b->kill, due);
}

/* orders */

static int
add_order(struct backend *b, uint64_t token, bool is_stop)
{
	struct order *o = malloc(sizeof(*o));

	if (o == NULL)
		return -TG_ENOMEM;
	o->token = token;
	o->is_stop = is_stop;
	STAILQ_INSERT_TAIL(&b->orders, o, link);
	return 0;
}

/* Those of its start, or all when it is gone. */
static void
answer_orders(struct backend *b, bool is_gone, int rc, const char *why)
{
	STAILQ_HEAD(, order) mine = STAILQ_HEAD_INITIALIZER(mine);
	struct provider *p = b->all->provider;
	struct order *o;

	STAILQ_CONCAT(&mine, &b->orders);
	while ((o = STAILQ_FIRST(&mine)) != NULL) {
		STAILQ_REMOVE_HEAD(&mine, link);
		if (o->is_stop && !is_gone) {
			STAILQ_INSERT_TAIL(&b->orders, o, link);
			continue;
		}
		provider_answer(p, o->token, o->is_stop ? 0 : rc, o->is_stop ? "" : why);
		free(o);
	}
}

static void
close_report(struct backend *b)
{
	if (b->report_fd < 0)
		return;
	watch_stop(b->all->provider->loop, &b->report_watch);
	close(b->report_fd);
	b->report_fd = -1;
}

/* Detached, with nothing that waits for it. */
static void
backend_free(struct backend *b)
{
	struct order *o;

	while ((o = STAILQ_FIRST(&b->orders)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->orders, link);
		free(o);
	}
	close_report(b);
	output_stop(&b->output);
	timer_fini(&b->kill);
	watch_stop(b->all->provider->loop, &b->end_watch);
	close(b->pid_fd);
	free(b);
}

static void
detach(struct backend *b)
{
	LIST_REMOVE(b, link);
	b->all->n--;
}

/* its end */

static bool
is_alive(pid_t pid)
{
	struct pollfd fd = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	bool is_there = fd.fd >= 0 && poll(&fd, 1, 0) == 0;

	if (fd.fd >= 0)
		close(fd.fd);
	return is_there;
}

/* Who has left the group of a backend that is gone. */
static void
on_leftover(void *user, const struct mark *mark, pid_t pid, int pid_fd)
{
	(void)user;
	if (pid != mark->pid && !is_alive(mark->pid))
		pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
}

static void
sweep_later(struct processes *all)
{
	struct loop *loop = all->provider->loop;

	timer_set(loop, &all->sweep, mono_add_ms(loop_now(loop), SWEEP_MS));
}

/* Its control group is empty only once all that was in it is gone. */
static bool
try_remove_group(struct backend *b)
{
	char group[GROUP_NAME];

	if (b->all->cgroups == NULL)
		return true;
	group_name(b->all, b->instance.name, group, sizeof(group));
	return cgroup_remove(b->all->cgroups, group) || ++b->n_removes >= REMOVES_MAX;
}

/* What backends that are gone have left behind; once for all of them that ended about now. */
static void
sweep(struct processes *all)
{
	struct backend *b;
	struct backend *next;

	if (all->has_leftovers && mark_scan(&all->owner, on_leftover, all) < 0)
		log_write(TG_LOG_WARN, "cannot look for what backends left behind", "service=%s",
			  all->owner.service);
	all->has_leftovers = false;
	for (b = LIST_FIRST(&all->gone); b != NULL; b = next) {
		next = LIST_NEXT(b, link);
		if (!try_remove_group(b))
			continue;
		LIST_REMOVE(b, link);
		backend_free(b);
	}
}

static void
on_sweep(struct timer *t)
{
	struct processes *all = TG_CONTAINER(t, struct processes, sweep);

	sweep(all);
	if (!LIST_EMPTY(&all->gone))
		sweep_later(all);
}

static void
describe_end(const struct backend *b, const siginfo_t *info, bool is_known, char *ret, size_t size)
{
	const char *name;
	size_t n;

	if (b->instance.why[0] != '\0') {
		snprintf(ret, size, "%s", b->instance.why);
		return;
	}
	if (!is_known)
		snprintf(ret, size, "ended, its status went to who started it");
	else if (info->si_code == CLD_EXITED)
		snprintf(ret, size, "exit status %d", info->si_status);
	else if ((name = sigabbrev_np(info->si_status)) != NULL)
		snprintf(ret, size, "killed by SIG%s", name);
	else
		snprintf(ret, size, "killed by signal %d", info->si_status);
	if (b->output.last[0] == '\0')
		return;
	n = strlen(ret);
	snprintf(ret + n, size - n, "; it said: %s", b->output.last);
}

/* Of one that we started ourselves; its group ends while its number is ours still. */
static bool
reap(const struct backend *b, siginfo_t *ret)
{
	*ret = (siginfo_t){.si_pid = 0};
	if (waitid(P_PIDFD, (id_t)b->pid_fd, ret, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    ret->si_pid != b->pid)
		return false;
	kill(-b->pid, SIGKILL);
	return waitid(P_PIDFD, (id_t)b->pid_fd, ret, WEXITED | WNOHANG) == 0;
}

/* It is nobody's any more; freed by the next sweep. */
static void
retire(struct backend *b)
{
	struct processes *all = b->all;

	detach(b);
	watch_stop(all->provider->loop, &b->end_watch);
	timer_clear(&b->kill);
	LIST_INSERT_HEAD(&all->gone, b, link);
	all->has_leftovers = true;
	sweep_later(all);
}

static void
take_report(struct backend *b)
{
	struct fork_failure failure;
	struct instance *i = &b->instance;
	bool has_failed;

	if (b->report_fd < 0)
		return;
	has_failed = fork_failed(b->report_fd, &failure);
	close_report(b);
	if (has_failed) {
		snprintf(i->why, sizeof(i->why), "%s: %.120s: %s", spawn_step_str(failure.step),
			 failure.step == 0 ? b->all->provider->conf->command[0]
					   : i->name,
			 strerror(failure.error));
		return; /* its end follows */
	}
	if (i->state == TG_INSTANCE_STARTING)
		i->state = TG_INSTANCE_RUNNING;
	provider_tell(b->all->provider, i);
	answer_orders(b, false, 0, "");
}

static void
on_report(struct watch *w, unsigned what)
{
	(void)what;
	take_report(TG_CONTAINER(w, struct backend, report_watch));
}

static void
on_end(struct watch *w, unsigned what)
{
	struct backend *b = TG_CONTAINER(w, struct backend, end_watch);
	char why[TG_INSTANCE_WHY];
	siginfo_t info;
	bool is_known;

	(void)what;
	take_report(b);
	is_known = reap(b, &info);
	output_finish(&b->output);
	describe_end(b, &info, is_known, why, sizeof(why));
	b->instance.state = TG_INSTANCE_ENDED;
	memcpy(b->instance.why, why, sizeof(why));
	retire(b);
	provider_tell(b->all->provider, &b->instance);
	answer_orders(b, true, -TG_EIO, b->instance.why);
}

/* its beginning */

/* In the list, watched; takes over the descriptors of `s`, whose report and output may be -1. NULL: no memory,
 * it is killed. */
static struct backend *
backend_new(struct processes *all, const struct mark *mark, const struct spawned *s)
{
	struct backend *b = calloc(1, sizeof(*b));
	struct loop *loop = all->provider->loop;
	char group[GROUP_NAME];

	if (b == NULL)
		return NULL;
	b->all = all;
	snprintf(b->instance.name, sizeof(b->instance.name), "%s", mark->name);
	b->instance.has_addr = true;
	b->instance.addr = mark->addr;
	b->instance.place.group = s->pid;
	b->pid = s->pid;
	b->pid_fd = s->pid_fd;
	b->report_fd = s->report_fd;
	b->output.fd = -1;
	timer_init(&b->kill, on_kill);
	STAILQ_INIT(&b->orders);
	group_name(all, mark->name, group, sizeof(group));
	if (all->cgroups != NULL && cgroup_place(all->cgroups, group, b->place, sizeof(b->place)))
		b->instance.place.cgroup = b->place;
	LIST_INSERT_HEAD(&all->backends, b, link);
	all->n++;
	if (watch_start_level(loop, &b->end_watch, b->pid_fd, on_end) == 0 &&
	    (b->report_fd < 0 ||
	     watch_start_level(loop, &b->report_watch, b->report_fd, on_report) == 0))
		return b;
	detach(b);
	b->pid_fd = -1;
	b->report_fd = -1;
	backend_free(b);
	return NULL;
}

static void
close_spawned(const struct spawned *s)
{
	int saved = errno;

	close(s->pid_fd);
	if (s->report_fd >= 0)
		close(s->report_fd);
	if (s->output_fd >= 0)
		close(s->output_fd);
	errno = saved;
}

static void
warn_unheld(struct processes *all, const struct err *err)
{
	if (!all->has_warned)
		log_write(TG_LOG_WARN, "nothing holds backends to cpu and memory",
			  "service=%s reason=%s", all->owner.service, err->text);
	all->has_warned = true;
}

/* NULL: there is none, it goes without. */
static struct cgroup_door *
open_door(struct processes *all, const char *name, struct cgroup_door *door)
{
	char group[GROUP_NAME];
	struct err err;

	if (all->cgroups == NULL)
		return NULL;
	group_name(all, name, group, sizeof(group));
	if (cgroup_make(all->cgroups, group, &all->limits, door, &err) == 0)
		return door;
	warn_unheld(all, &err);
	return NULL;
}

/* Nothing is left of it. */
static void
undo(struct processes *all, const struct mark *mark, const struct spawned *s)
{
	char group[GROUP_NAME];

	kill(-s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close_spawned(s);
	group_name(all, mark->name, group, sizeof(group));
	if (all->cgroups != NULL)
		(void)cgroup_remove(all->cgroups, group);
}

static int
spawn(struct processes *all, struct mark *mark, struct spawned *ret, struct err *err)
{
	struct cgroup_door door = {.fds = {-1, -1}};
	struct spawn_order order = {
		.conf = all->provider->conf,
		.owner = &all->owner,
		.user = &all->user,
		.mark = *mark,
	};
	int rc;

	order.door = open_door(all, mark->name, &door);
	rc = spawn_backend(&order, ret, err);
	cgroup_door_close(&door);
	return rc;
}

/* What cannot be is answered like what has failed; only memory is the caller's trouble. */
static int
begin(struct processes *all, uint64_t token, const char *name)
{
	struct mark mark = {.pid = 0};
	struct spawned s;
	struct backend *b;
	struct err err;
	int rc = port_take(&all->ports, all->provider->conf->address, &mark.addr, &err);

	snprintf(mark.name, sizeof(mark.name), "%s", name);
	if (rc == 0)
		rc = spawn(all, &mark, &s, &err);
	if (rc < 0)
		return provider_answer_later(all->provider, token, -TG_EIO, err.text);
	b = backend_new(all, &mark, &s);
	if (b == NULL) {
		undo(all, &mark, &s);
		return -TG_ENOMEM;
	}
	if (output_start(&b->output, all->provider->loop, s.output_fd, all->owner.service,
			 b->instance.name) < 0 ||
	    add_order(b, token, false) < 0) {
		begin_stop(b, 0); /* on its way out like any other; the order is not taken */
		return -TG_ENOMEM;
	}
	return 0;
}

/* those of before */

static void
adopt(struct processes *all, const struct mark *mark, pid_t pid, int pid_fd)
{
	struct spawned s = {.pid = pid, .report_fd = -1, .output_fd = -1};
	struct backend *b;

	s.pid_fd = fcntl(pid_fd, F_DUPFD_CLOEXEC, 3);
	if (s.pid_fd < 0)
		return; /* at the next list */
	b = backend_new(all, mark, &s);
	if (b == NULL) {
		close_spawned(&s);
		return;
	}
	b->instance.state = TG_INSTANCE_RUNNING;
	s.output_fd = output_find(pid, mark->output);
	if (s.output_fd >= 0 && output_start(&b->output, all->provider->loop, s.output_fd,
					     all->owner.service, b->instance.name) < 0)
		log_write(TG_LOG_WARN, "what a backend says is not told", "service=%s backend=%s",
			  all->owner.service, b->instance.name);
	log_write(TG_LOG_INFO, "backend of before found", "service=%s backend=%s pid=%d",
		  all->owner.service, b->instance.name, (int)pid);
	if (all->provider->is_stopping)
		begin_stop(b, all->provider->conf->stop_grace_ms);
}

/* Two of one name are one too many: it is the one that nobody knew. */
static void
on_found(void *user, const struct mark *mark, pid_t pid, int pid_fd)
{
	struct processes *all = user;
	const struct backend *b = find(all, mark->name);

	if (mark->pid != pid || all->n >= BACKENDS_MAX)
		return;
	if (b == NULL) {
		adopt(all, mark, pid, pid_fd);
	} else if (b->pid != pid) {
		log_write(TG_LOG_WARN, "killing a second backend of one name",
			  "service=%s backend=%s pid=%d", all->owner.service, mark->name, (int)pid);
		pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
	}
}

/* verbs */

static int
process_list(struct provider *p, uint64_t token)
{
	return provider_list_later(p, token);
}

/* Backends of before, then what is left of those that ended while no keeper was there. */
static int
find_all(struct processes *all)
{
	if (mark_scan(&all->owner, on_found, all) < 0 || mark_scan(&all->owner, on_leftover, all) < 0)
		return -TG_EIO;
	return 0;
}

static void
process_list_now(struct provider *p, uint64_t token)
{
	struct processes *all = p->own;
	struct instance *list;
	struct backend *b;
	size_t n = 0;

	if (find_all(all) < 0) {
		provider_answer(p, token, -TG_EIO, "cannot read /proc");
		return;
	}
	list = calloc(all->n + 1, sizeof(list[0]));
	if (list == NULL) {
		provider_answer(p, token, -TG_ENOMEM, "no memory");
		return;
	}
	LIST_FOREACH(b, &all->backends, link)
		list[n++] = b->instance;
	provider_answer_list(p, token, list, n, false);
	free(list);
}

static int
process_start(struct provider *p, uint64_t token, const char *name, const char *node)
{
	struct processes *all = p->own;
	struct backend *b = find(all, name);

	(void)node;
	if (b == NULL && all->n >= BACKENDS_MAX)
		return -TG_ELIMIT;
	if (b == NULL)
		return begin(all, token, name);
	if (b->instance.state == TG_INSTANCE_STARTING)
		return add_order(b, token, false);
	if (b->instance.state == TG_INSTANCE_STOPPING)
		return provider_answer_later(p, token, -TG_EAGAIN, "it is stopping");
	return provider_answer_later(p, token, 0, "");
}

static int
process_stop(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms)
{
	struct backend *b = find(p->own, name);
	int rc;

	if (b == NULL)
		return provider_answer_later(p, token, 0, "");
	rc = add_order(b, token, true);
	if (rc == 0)
		begin_stop(b, grace_ms);
	return rc;
}

static void
process_stop_all(struct provider *p, uint64_t grace_ms)
{
	struct processes *all = p->own;
	struct backend *b;

	LIST_FOREACH(b, &all->backends, link)
		begin_stop(b, grace_ms);
}

static size_t
process_count(const struct provider *p)
{
	const struct processes *all = p->own;

	return all->n + (all->has_leftovers ? 1 : 0);
}

/* open and close */

static int
open_cgroups(struct processes *all, struct err *err)
{
	const struct conf_provider *conf = all->provider->conf;
	struct err reason;

	all->limits = (struct cgroup_limits){.cpu_permille = conf->cpu_permille,
					     .memory = conf->memory};
	if (conf->cpu_permille == 0 && conf->memory == 0)
		return 0;
	all->cgroups = malloc(sizeof(*all->cgroups));
	if (all->cgroups == NULL)
		return err_no_memory(err);
	if (cgroup_find(&all->limits, all->cgroups, &reason) == 0)
		return 0;
	free(all->cgroups);
	all->cgroups = NULL;
	warn_unheld(all, &reason);
	return 0;
}

static int
process_open(struct provider *p, struct err *err)
{
	struct processes *all = calloc(1, sizeof(*all));
	int rc;

	if (all == NULL)
		return err_no_memory(err);
	p->own = all;
	all->provider = p;
	LIST_INIT(&all->backends);
	LIST_INIT(&all->gone);
	timer_init(&all->sweep, on_sweep);
	rc = spawn_user_find(p->conf->user, &all->user, err);
	all->owner = (struct mark_owner){
		.run = p->run, .service = p->service->name, .uid = all->user.uid};
	if (rc == 0)
		rc = open_cgroups(all, err);
	if (rc == 0 && find_all(all) < 0)
		rc = err_set_errno(err, "cannot read /proc");
	return rc;
}

static void
process_close(struct provider *p)
{
	struct processes *all = p->own;
	struct backend *b;

	if (all == NULL)
		return;
	sweep(all);
	while ((b = LIST_FIRST(&all->gone)) != NULL) {
		LIST_REMOVE(b, link);
		backend_free(b);
	}
	while ((b = LIST_FIRST(&all->backends)) != NULL) {
		detach(b);
		backend_free(b);
	}
	timer_fini(&all->sweep);
	spawn_user_fini(&all->user);
	free(all->cgroups);
	free(all);
}

const struct provider_ops provider_process = {
	.name = "process",
	.can = TG_PROVIDER_ADOPTS | TG_PROVIDER_EVENTS | TG_PROVIDER_USAGE,
	.open = process_open,
	.close = process_close,
	.list = process_list,
	.list_now = process_list_now,
	.start = process_start,
	.stop = process_stop,
	.stop_all = process_stop_all,
	.count = process_count,
};
