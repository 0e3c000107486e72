#include "provider/spawn.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "loop/fork.h"
#include "provider/output.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

enum step {
	STEP_EXEC = 0,
	STEP_CGROUP = 1,
	STEP_OPEN_FILES = 2,
	STEP_USER = 3,
	STEP_FOLDER = 4,
	STEP_MARK = 5,
	STEP_COUNT
};

static const char *const steps[STEP_COUNT] = {
	[STEP_EXEC] = "cannot execute it",
	[STEP_CGROUP] = "cannot enter its control group",
	[STEP_OPEN_FILES] = "cannot set open_files",
	[STEP_USER] = "cannot take on its user",
	[STEP_FOLDER] = "cannot change to its folder",
	[STEP_MARK] = "cannot keep what it is known by",
};

const char *
spawn_step_str(int step)
{
	return step >= 0 && step < STEP_COUNT ? steps[step] : "?";
}

/* user */

static int
find_groups(const char *name, struct spawn_user *u, struct err *err)
{
	int n = 0;

	if (getgrouplist(name, u->gid, NULL, &n) >= 0 || n <= 0 || n > GROUPS_MAX)
		return err_set(err, TG_EIO, "user \"%s\": cannot list its groups", name);
	u->groups = calloc((size_t)n, sizeof(u->groups[0]));
	if (u->groups == NULL)
		return err_no_memory(err);
	if (getgrouplist(name, u->gid, u->groups, &n) < 0)
		return err_set(err, TG_EIO, "user \"%s\": its groups change", name);
	u->n_groups = (size_t)n;
	return 0;
}

int
spawn_user_find(const char *name, struct spawn_user *ret, struct err *err)
{
	const struct passwd *pw;

	*ret = (struct spawn_user){.uid = geteuid(), .gid = getegid()};
	if (name == NULL)
		return 0;
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL && errno != 0 && errno != ENOENT)
		return err_set_errno(err, "user \"%s\": cannot look it up", name);
	if (pw == NULL)
		return err_set(err, TG_EINVAL, "user \"%s\": no such user", name);
	if (pw->pw_uid == ret->uid)
		return 0;
	if (ret->uid != 0)
		return err_set(err, TG_EINVAL,
			       "user \"%s\": backends can have another user than tidegate's only where "
			       "tidegate runs as root, without user at the top level",
			       name);
	ret->is_other = true;
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return find_groups(name, ret, err);
}

void
spawn_user_fini(struct spawn_user *u)
{
	free(u->groups);
	u->groups = NULL;
}

/* the new process */

struct preparation {
	const struct spawn_order *order;
	struct mark_environment environment;
};

static bool
limit_files(unsigned n)
{
	struct rlimit limit = {.rlim_cur = n, .rlim_max = n};

	return n == 0 || setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool
take_user(const struct spawn_user *u)
{
	return !u->is_other || (setgroups(u->n_groups, u->groups) == 0 &&
				setresgid(u->gid, u->gid, u->gid) == 0 &&
				setresuid(u->uid, u->uid, u->uid) == 0);
}

static int
prepare(void *user)
{
	const struct preparation *p = user;
	const struct spawn_order *o = p->order;

	if (o->door != NULL && !cgroup_enter(o->door))
		return STEP_CGROUP;
	if (!limit_files(o->conf->open_files))
		return STEP_OPEN_FILES;
	if (!take_user(o->user))
		return STEP_USER;
	if (chdir(o->conf->folder) < 0)
		return STEP_FOLDER;
	mark_set_pid(&p->environment);
	return mark_keep(&p->environment) ? 0 : STEP_MARK;
}

/* this one */

static int
make_argv(struct arena *arena, const struct spawn_order *o, char ***ret)
{
	char **argv = arena_alloc(arena, o->conf->n_command + 1, sizeof(argv[0]));

	if (argv == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < o->conf->n_command; i++) {
		argv[i] = mark_replace(arena, o->conf->command[i], o->owner, &o->mark);
		if (argv[i] == NULL)
			return -TG_ENOMEM;
	}
	*ret = argv;
	return 0;
}

static int
fork_backend(struct preparation *p, char *const *argv, int output_fd, struct spawned *ret,
	     struct err *err)
{
	struct fork_order order = {
		.argv = argv,
		.envp = p->environment.list,
		.input_fd = mark_open_file(),
		.output_fd = output_fd,
		.error_fd = output_fd,
		.outlives = true,
		.prepare = prepare,
		.user = p,
	};

	if (order.input_fd < 0)
		return err_set_errno(err, "no file for what it is known by");
	ret->pid = fork_program(&order, &ret->report_fd);
	if (ret->pid < 0)
		(void)err_set_errno(err, "no new process");
	close(order.input_fd);
	if (ret->pid < 0)
		return -TG_EIO;
	ret->pid_fd = pidfd_open(ret->pid, 0);
	if (ret->pid_fd >= 0)
		return 0;
	(void)err_set_errno(err, "no descriptor of the new process");
	kill(-ret->pid, SIGKILL);
	while (waitpid(ret->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(ret->report_fd);
	return -TG_EIO;
}

static int
spawn_with(struct arena *arena, struct preparation *p, const struct mark *mark, int output_fd,
	   struct spawned *ret, struct err *err)
{
	const struct spawn_order *o = p->order;
	char **argv;

	if (make_argv(arena, o, &argv) < 0 ||
	    mark_make_environment(arena, o->owner, mark, o->conf->environment,
				  o->conf->n_environment, &p->environment) < 0)
		return err_no_memory(err);
	return fork_backend(p, argv, output_fd, ret, err);
}

int
spawn_backend(const struct spawn_order *order, struct spawned *ret, struct err *err)
{
	struct preparation p = {.order = order};
	struct spawned spawned = {.pid = 0};
	struct mark mark = order->mark;
	struct arena arena = {.blocks = NULL};
	int write_fd;
	int rc = output_pipe(&spawned.output_fd, &write_fd, &mark.output);

	if (rc < 0)
		return err_set_errno(err, "no pipe for its output");
	rc = spawn_with(&arena, &p, &mark, write_fd, &spawned, err);
	arena_fini(&arena);
	close(write_fd);
	if (rc == 0)
		*ret = spawned;
	else
		close(spawned.output_fd);
	return rc;
}
