#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/proc.h"

/* What a process that cannot become the program tells its parent. */
struct failure {
	int step;
	int error; /* errno */
};

static const char *const step_names[SPAWN_STEP_COUNT] = {
	[SPAWN_NONE] = "",
	[SPAWN_DESCRIPTORS] = "cannot arrange its descriptors",
	[SPAWN_PRIVILEGES] = "cannot take on user and group",
	[SPAWN_DEATH_SIGNAL] = "cannot bind its life to its parent's",
	[SPAWN_EXEC] = "cannot execute the program",
};

/* Both ends close-on-exec, the writing one out of the way of the new process's descriptors. */
static int
open_report_pipe(int ret_fd[2], struct err *err)
{
	int fd[2];
	int high;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_set_errno(err, "pipe");
	high = fcntl(fd[1], F_DUPFD_CLOEXEC, TG_SPAWN_HIGH_FD);
	if (high < 0) {
		err_set_errno(err, "pipe");
		close(fd[0]);
		close(fd[1]);
		return -TG_EIO;
	}
	close(fd[1]);
	ret_fd[0] = fd[0];
	ret_fd[1] = high;
	return 0;
}

int
spawn_arrange_channel(const struct spawn *s)
{
	if (s->channel == TG_CHANNEL_FD ? fcntl(s->channel, F_SETFD, 0) < 0
					: dup2(s->channel, TG_CHANNEL_FD) < 0)
		return -1;
	return close_range(TG_CHANNEL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void __attribute__((noreturn)) run(const struct spawn *s, pid_t parent, int report_fd)
{
	struct failure failure = {
		.step = (int)s->become(s, parent),
		.error = errno,
	};

	if (write(report_fd, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		_exit(2);
	_exit(1);
}

/* Waits until it is the program (0) or failed to become it. */
static int
await_exec(const struct spawn *s, pid_t pid, int report_fd, struct err *err)
{
	struct failure failure = {0};
	ssize_t n;

	do
		n = read(report_fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	waitpid(pid, NULL, 0);
	if (n != (ssize_t)sizeof(failure) || failure.step <= SPAWN_NONE ||
	    failure.step >= SPAWN_STEP_COUNT)
		return err_set(err, TG_EIO, "%s: did not start", s->name);
	errno = failure.error;
	return err_set_errno(err, "%s: %s", s->name, step_names[failure.step]);
}

int
spawn(const struct spawn *s, pid_t *ret_pid, struct err *err)
{
	pid_t parent = getpid();
	int report[2] = {-1, -1};
	sigset_t all;
	sigset_t before;
	pid_t pid;
	int rc = open_report_pipe(report, err);

	if (rc < 0)
		return rc;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* our handlers must not run in it */
	pid = fork();
	if (pid == 0)
		run(s, parent, report[1]);
	if (pid < 0)
		rc = err_set_errno(err, "%s: fork", s->name);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	if (pid > 0)
		rc = await_exec(s, pid, report[0], err);
	close(report[0]);
	if (rc == 0)
		*ret_pid = pid;
	return rc;
}
