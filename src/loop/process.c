#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"

#define LAST_WAIT_MS 1000u
#define READ_BYTES   16384u

struct process {
	struct process_pool *pool;
	LIST_ENTRY(process) link;
	pid_t pid;     /* not reaped: nobody else has this number */
	int pid_fd;    /* readable: it ended */
	int output_fd; /* -1: closed */
	int report_fd; /* errno of a failed exec */
	struct watch end_watch;
	struct watch output_watch;
	process_end_cb *end; /* NULL: killed, nobody wants to know */
	void *user;
	char output[TG_PROCESS_OUTPUT_MAX];
	size_t output_n;
};

LIST_HEAD(process_list, process);

struct process_pool {
	struct loop *loop;
	unsigned max;
	unsigned n;
	struct process_list list;
};

/* the new process: only what is async-signal-safe */

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
arrange_descriptors(int output_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
	       dup2(output_fd, STDOUT_FILENO) >= 0 && dup2(output_fd, STDERR_FILENO) >= 0 &&
	       close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) >= 0;
}

static void __attribute__((noreturn))
run_program(char *const *argv, char *const *envp, pid_t parent, int output_fd, int report_fd)
{
	int error;

	setpgid(0, 0);
	default_signals();
	if (arrange_descriptors(output_fd) && process_die_with(parent))
		execve(argv[0], argv, envp);
	error = errno;
	if (write(report_fd, &error, sizeof(error)) != (ssize_t)sizeof(error))
		_exit(2);
	_exit(1);
}

/* ends */

static void
close_output(struct process *p)
{
	if (p->output_fd < 0)
		return;
	watch_stop(p->pool->loop, &p->output_watch);
	close(p->output_fd);
	p->output_fd = -1;
}

static void
process_free(struct process *p)
{
	close_output(p);
	watch_stop(p->pool->loop, &p->end_watch);
	close(p->pid_fd);
	close(p->report_fd);
	LIST_REMOVE(p, link);
	p->pool->n--;
	free(p);
}

/* False: nothing more for now. */
static bool
read_output(struct process *p)
{
	char bytes[READ_BYTES];
	ssize_t n = read(p->output_fd, bytes, sizeof(bytes));
	size_t room = sizeof(p->output) - p->output_n;

	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		close_output(p);
		return false;
	}
	if (room > (size_t)n)
		room = (size_t)n;
	memcpy(p->output + p->output_n, bytes, room);
	p->output_n += room;
	return true;
}

static void
on_output(struct watch *w, unsigned what)
{
	(void)what;
	read_output(TG_CONTAINER(w, struct process, output_watch));
}

/* It has ended: this does not wait. What it left in its group goes first, while its number is ours. */
static int
reap(struct process *p)
{
	int status = 0;

	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void
on_end(struct watch *w, unsigned what)
{
	struct process *p = TG_CONTAINER(w, struct process, end_watch);
	struct process_end end = {.output = p->output};
	int status = reap(p);

	(void)what;
	while (p->output_fd >= 0 && p->output_n < sizeof(p->output) && read_output(p))
		;
	if (read(p->report_fd, &end.error, sizeof(end.error)) != (ssize_t)sizeof(end.error))
		end.error = 0;
	end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	end.output_n = p->output_n;
	if (p->end != NULL)
		p->end(p->user, &end);
	process_free(p);
}

void
process_kill(struct process **process)
{
	struct process *p = *process;

	*process = NULL;
	if (p == NULL)
		return;
	p->end = NULL;
	close_output(p);
	kill(-p->pid, SIGKILL);
}

/* start */

/* The pid, or -1. */
static pid_t
fork_program(char *const *argv, char *const *envp, int output_fd, int report_fd)
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
		run_program(argv, envp, parent, output_fd, report_fd);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		setpgid(pid, pid); /* here too: it may be killed before it runs */
	errno = saved;
	return pid;
}

static int
watch_process(struct process *p)
{
	struct loop *loop = p->pool->loop;

	p->pid_fd = pidfd_open(p->pid, 0);
	if (p->pid_fd < 0 || watch_start_level(loop, &p->end_watch, p->pid_fd, on_end) != 0)
		return -TG_EIO;
	return watch_start_level(loop, &p->output_watch, p->output_fd, on_output);
}

static void
close_both(const int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* p->output_fd and p->report_fd; the other ends in *ret. */
static int
open_pipes(struct process *p, int *ret_output, int *ret_report)
{
	int output[2];
	int report[2];

	if (pipe2(output, O_CLOEXEC) < 0)
		return -TG_EIO;
	/* Only our end: a program need not expect EAGAIN. */
	if (fcntl(output[0], F_SETFL, O_NONBLOCK) < 0 ||
	    pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
		int saved = errno;

		close_both(output);
		errno = saved;
		return -TG_EIO;
	}
	p->output_fd = output[0];
	p->report_fd = report[0];
	*ret_output = output[1];
	*ret_report = report[1];
	return 0;
}

/* With its descriptors, in the pool; negative: nothing is left of it. */
static int
spawn(struct process *p, char *const *argv, char *const *envp)
{
	int output;
	int report;
	int saved;
	int rc = open_pipes(p, &output, &report);

	if (rc < 0)
		return rc;
	p->pid = fork_program(argv, envp, output, report);
	saved = errno;
	close(output);
	close(report);
	if (p->pid > 0)
		return 0;
	close(p->output_fd);
	close(p->report_fd);
	errno = saved;
	return -TG_EIO;
}

int
process_start(struct process_pool *pool, char *const *argv, char *const *envp, process_end_cb *end,
	      void *user, struct process **ret)
{
	struct process *p;
	int rc;

	if (pool->n >= pool->max)
		return -TG_ELIMIT;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -TG_ENOMEM;
	*p = (struct process){.pool = pool, .pid_fd = -1, .end = end, .user = user};
	rc = spawn(p, argv, envp);
	if (rc < 0) {
		free(p);
		return rc;
	}
	LIST_INSERT_HEAD(&pool->list, p, link);
	pool->n++;
	rc = watch_process(p);
	if (rc < 0) {
		int saved = errno;

		kill(-p->pid, SIGKILL);
		reap(p); /* without a descriptor to wait on there is no other way */
		process_free(p);
		errno = saved;
		return rc;
	}
	*ret = p;
	return 0;
}

unsigned
process_pool_count(const struct process_pool *pool)
{
	return pool->n;
}

struct process_pool *
process_pool_new(struct loop *loop, unsigned max)
{
	struct process_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->loop = loop;
	pool->max = max;
	LIST_INIT(&pool->list);
	return pool;
}

/* False: it was killed, and the kernel does not let go of it yet. */
static bool
await_end(const struct process *p, struct mono until)
{
	struct pollfd fd = {.fd = p->pid_fd, .events = POLLIN};
	struct mono now = mono_read();
	int rc;

	do
		rc = poll(&fd, 1, (int)((mono_diff_us(until, now) + 999) / 1000));
	while (rc < 0 && errno == EINTR);
	return rc == 1;
}

void
process_pool_free(struct process_pool *pool)
{
	struct mono until = mono_add_ms(mono_read(), LAST_WAIT_MS);
	struct process *p;

	if (pool == NULL)
		return;
	LIST_FOREACH(p, &pool->list, link)
		kill(-p->pid, SIGKILL);
	while ((p = LIST_FIRST(&pool->list)) != NULL) {
		if (await_end(p, until))
			reap(p);
		process_free(p);
	}
	free(pool);
}
