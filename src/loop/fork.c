#include "loop/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/capabilities.h"

/* Where the given descriptors wait for their places: above those places. */
#define HIGH_FD 3

#define REPORT_FILENO 3 /* in the new process */
#define START_WAIT_MS 100

/* What all new processes have; of this process as its user is, so there is one. */
static struct {
	const gid_t *list;
	size_t n;
	bool is_given;
} groups;

void
fork_give_groups(const gid_t *list, size_t n)
{
	groups.list = list;
	groups.n = n;
	groups.is_given = true;
}

/* the new process: only what is async-signal-safe */

static bool
take_groups(void)
{
	const uint32_t setgid = 1u << CAP_SETGID;

	return !groups.is_given || (capabilities_set(setgid, setgid, 0) == 0 &&
				    setgroups(groups.n, groups.list) == 0 &&
				    capabilities_set(0, 0, 0) == 0);
}

bool
process_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return false;
	if (getppid() != parent)
		_exit(1); /* it went before the order was given */
	return true;
}

static void
default_signals(void)
{
	struct sigaction action;
	sigset_t none;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &action, NULL); /* refused for two of them, which are default */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
arrange_descriptors(const struct fork_order *o)
{
	int input_fd = o->input_fd >= 0 ? fcntl(o->input_fd, F_DUPFD_CLOEXEC, HIGH_FD)
					: open("/dev/null", O_RDONLY | O_CLOEXEC);
	int output_fd = fcntl(o->output_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	int error_fd = fcntl(o->error_fd, F_DUPFD_CLOEXEC, HIGH_FD);

	return input_fd >= 0 && output_fd >= 0 && error_fd >= 0 &&
	       dup2(input_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
	       dup2(error_fd, STDERR_FILENO) >= 0 &&
	       close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) >= 0;
}

/* Those that are the program's stay, and the report, which is to end after all others: in which order the
 * kernel closes them at exec nobody can rely on. */
static bool
close_others(int *report_fd)
{
	if (*report_fd != REPORT_FILENO && dup3(*report_fd, REPORT_FILENO, O_CLOEXEC) < 0)
		return false;
	*report_fd = REPORT_FILENO;
	return close_range(REPORT_FILENO + 1, ~0u, 0) >= 0;
}

/* Returns only on failure, with errno. A change of user undoes the order to die with us. */
static int
run_program(const struct fork_order *o, pid_t parent, int *report_fd)
{
	int step = 0;

	setpgid(0, 0);
	default_signals();
	if (!arrange_descriptors(o) || !take_groups() || !process_die_with(parent))
		return 0;
	if (o->prepare != NULL)
		step = o->prepare(o->user);
	if (step != 0)
		return step;
	if (!process_die_with(parent))
		return 0;
	if (o->outlives && prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
		return 0;
	if (!close_others(report_fd))
		return 0;
	if (o->work != NULL) {
		close(*report_fd);
		groups.is_given = false; /* to what it starts in turn, which has them from it */
		_exit(o->work(o->work_user));
	}
	execve(o->argv[0], o->argv, o->envp);
	return 0;
}

static void __attribute__((noreturn))
become_program(const struct fork_order *o, pid_t parent, int report_fd)
{
	struct fork_failure failure = {.step = run_program(o, parent, &report_fd)};

	failure.error = errno;
	if (write(report_fd, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		_exit(2);
	_exit(1);
}

/* this process */

static pid_t
fork_quietly(const struct fork_order *o, int report_fd)
{
	pid_t parent = getpid();
	sigset_t all;
	sigset_t before;
	pid_t pid;
	int saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* our handlers must not run in the child */
	pid = fork();
	if (pid == 0)
		become_program(o, parent, report_fd);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		setpgid(pid, pid); /* here too: it may be killed before it runs */
	errno = saved;
	return pid;
}

/*
 * Until it executes the program, or failed to: then it has no descriptor of ours any more. A port that
 * we close next is free, and not held for a moment by a process that has yet to begin.
 */
static void
await_start(int report_fd)
{
	struct pollfd fd = {.fd = report_fd, .events = POLLIN};

	while (poll(&fd, 1, START_WAIT_MS) < 0 && errno == EINTR)
		;
}

pid_t
fork_program(const struct fork_order *order, int *ret_report)
{
	int report[2];
	pid_t pid;
	int saved;

	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	pid = fork_quietly(order, report[1]);
	saved = errno;
	close(report[1]);
	if (pid > 0) {
		await_start(report[0]);
		*ret_report = report[0];
		return pid;
	}
	close(report[0]);
	errno = saved;
	return -1;
}

bool
fork_failed(int report_fd, struct fork_failure *ret)
{
	struct fork_failure failure;

	if (read(report_fd, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		return false;
	*ret = failure;
	return true;
}
