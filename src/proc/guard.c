#include "proc/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/fork.h"
#include "proc/strangers.h"

#define NO_GUARD   126
#define NO_PROGRAM 127
#define END_MAX_MS 10000u

/* From here on SIGTERM is waited for. The order to be killed with the parent is one to be told of it from now on. */
static int
begin(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, ret, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return -1;
	return strangers_adopt(NULL);
}

/* False: it is to be killed. */
static bool
await(pid_t pid, const sigset_t *signals)
{
	siginfo_t info = {.si_pid = 0};

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0) {
		strangers_reap(&pid, 1);
		if (sigwaitinfo(signals, NULL) == SIGTERM)
			return false;
	}
	return true;
}

static void
die_by(int signo)
{
	sigset_t one;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file of this process */
	sigemptyset(&one);
	sigaddset(&one, signo);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
}

int
guard_run(char *const *argv, char *const *envp)
{
	const struct fork_order order = {.argv = argv,
					 .envp = envp,
					 .input_fd = STDIN_FILENO,
					 .output_fd = STDOUT_FILENO,
					 .error_fd = STDERR_FILENO};
	struct fork_failure failure;
	int status = 0;
	sigset_t signals;
	unsigned n;
	int report;
	pid_t pid;

	if (begin(&signals) < 0)
		return NO_GUARD;
	pid = fork_program(&order, &report);
	if (pid < 0) {
		dprintf(STDERR_FILENO, "cannot start it: %s\n", strerror(errno));
		return NO_PROGRAM;
	}
	if (await(pid, &signals))
		waitpid(pid, &status, 0);
	else
		status = W_EXITCODE(0, SIGTERM);
	if (!strangers_end(NULL, END_MAX_MS, &n))
		return NO_GUARD;
	if (fork_failed(report, &failure)) {
		dprintf(STDERR_FILENO, "cannot execute it: %s\n", strerror(failure.error));
		return NO_PROGRAM;
	}
	if (WIFSIGNALED(status))
		die_by(WTERMSIG(status));
	return WEXITSTATUS(status);
}
