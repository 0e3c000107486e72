#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "loop/process.h"
#include "proc/child.h"
#include "proc/proc.h"

/* The parent's own descriptors that a child uses before exec lie above those it is given. */
#define HIGH_FD 16

enum step {
	STEP_NONE = 0,
	STEP_DESCRIPTORS = 1,
	STEP_PRIVILEGES = 2,
	STEP_DEATH_SIGNAL = 3,
	STEP_EXEC = 4,
	STEP_COUNT
};

/* What a child that cannot become the program tells its parent. */
struct failure {
	int step;
	int error; /* errno */
};

static const char *const step_names[STEP_COUNT] = {
	[STEP_NONE] = "",
	[STEP_DESCRIPTORS] = "cannot arrange its descriptors",
	[STEP_PRIVILEGES] = "cannot take on user and group",
	[STEP_DEATH_SIGNAL] = "cannot bind its life to its parent's",
	[STEP_EXEC] = "cannot execute the program",
};

static const char *const role_names[CHILD_ROLE_COUNT] = {
	[CHILD_PROXY] = "proxy",
	[CHILD_KEEPER] = "keeper",
};

static const char *const role_arguments[CHILD_ROLE_COUNT] = {
	[CHILD_PROXY] = TG_ROLE_ARG "proxy",
	[CHILD_KEEPER] = TG_ROLE_ARG "keeper",
};

const char *
child_role_str(enum child_role role)
{
	return role_names[role];
}

int
child_open_program(int *ret_fd, struct err *err)
{
	int low = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int fd;

	if (low < 0)
		return err_set_errno(err, "cannot open our own program");
	fd = fcntl(low, F_DUPFD_CLOEXEC, HIGH_FD);
	if (fd < 0)
		err_set_errno(err, "cannot open our own program");
	close(low);
	if (fd < 0)
		return -TG_EIO;
	*ret_fd = fd;
	return 0;
}

/* Both ends close-on-exec, the writing one out of the way of a child's descriptors. */
static int
open_report_pipe(int ret_fd[2], struct err *err)
{
	int fd[2];
	int high;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_set_errno(err, "pipe");
	high = fcntl(fd[1], F_DUPFD_CLOEXEC, HIGH_FD);
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

/* In the child: 0 null, 1 null or as it was, 2 as it was, 3 the channel, all else closed by exec. */
static int
arrange_descriptors(enum child_role role, int channel)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return -1;
	if (role == CHILD_PROXY && dup2(null_fd, STDOUT_FILENO) < 0)
		return -1;
	if (channel == TG_CHANNEL_FD ? fcntl(channel, F_SETFD, 0) < 0
				     : dup2(channel, TG_CHANNEL_FD) < 0)
		return -1;
	return close_range(TG_CHANNEL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void
arrange_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static enum step
become_role(enum child_role role, int program_fd, const struct privileges *p, int channel,
	    pid_t parent)
{
	char name[] = "tidegate";
	char argument[32];
	char *argv[] = {name, argument, NULL};

	memcpy(argument, role_arguments[role], strlen(role_arguments[role]) + 1);
	arrange_signals();
	if (arrange_descriptors(role, channel) < 0)
		return STEP_DESCRIPTORS;
	if (privileges_drop(p) < 0)
		return STEP_PRIVILEGES;
	if (!process_die_with(parent)) /* after the change of user, which would undo it */
		return STEP_DEATH_SIGNAL;
	unsetenv("NOTIFY_SOCKET");
	fexecve(program_fd, argv, environ);
	return STEP_EXEC;
}

static void __attribute__((noreturn))
run_child(enum child_role role, int program_fd, const struct privileges *p, int channel,
	  pid_t parent, int report_fd)
{
	struct failure failure = {
		.step = (int)become_role(role, program_fd, p, channel, parent),
		.error = errno,
	};

	if (write(report_fd, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		_exit(2);
	_exit(1);
}

/* Waits until the child is the program (0) or failed to become it. */
static int
await_exec(enum child_role role, pid_t pid, int report_fd, struct err *err)
{
	struct failure failure = {0};
	ssize_t n;

	do
		n = read(report_fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	waitpid(pid, NULL, 0);
	if (n != (ssize_t)sizeof(failure) || failure.step <= STEP_NONE ||
	    failure.step >= STEP_COUNT)
		return err_set(err, TG_EIO, "%s: did not start", role_names[role]);
	errno = failure.error;
	return err_set_errno(err, "%s: %s", role_names[role], step_names[failure.step]);
}

/* The pid, or negative. */
static pid_t
spawn_on(enum child_role role, int program_fd, const struct privileges *p, int channel,
	 struct err *err)
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
	sigprocmask(SIG_SETMASK, &all, &before); /* our handlers must not run in the child */
	pid = fork();
	if (pid == 0)
		run_child(role, program_fd, p, channel, parent, report[1]);
	if (pid < 0)
		rc = err_set_errno(err, "%s: fork", role_names[role]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	if (pid > 0)
		rc = await_exec(role, pid, report[0], err);
	close(report[0]);
	return rc < 0 ? rc : pid;
}

int
child_spawn(enum child_role role, int program_fd, const struct privileges *p, pid_t *ret_pid,
	    int *ret_channel, struct err *err)
{
	int channel[2];
	pid_t pid;
	int rc = channel_pair(channel, err);

	if (rc < 0)
		return rc;
	pid = spawn_on(role, program_fd, p, channel[1], err);
	close(channel[1]);
	if (pid < 0) {
		close(channel[0]);
		return (int)pid;
	}
	*ret_pid = pid;
	*ret_channel = channel[0];
	return 0;
}

static int
send_listeners(int channel, const struct sockets *s)
{
	struct msg_listen m;
	int rc = 0;

	for (m.listener = 0; m.listener < s->n_listeners; m.listener++)
		for (m.worker = 0; rc == 0 && m.worker < s->workers; m.worker++)
			rc = channel_send(channel, MSG_LISTEN, &m, sizeof(m),
					  sockets_listener_fd(s, m.listener, m.worker));
	return rc;
}

static int
send_keeper_files(int channel, const struct sockets *s)
{
	struct msg_admin m;
	int rc = 0;

	for (m.control = 0; rc == 0 && m.control < s->n_controls; m.control++)
		rc = channel_send(channel, MSG_ADMIN, &m, sizeof(m), s->controls[m.control].fd);
	if (rc == 0 && s->log_fd >= 0)
		rc = channel_send(channel, MSG_LOG_FILE, NULL, 0, s->log_fd);
	return rc;
}

int
child_equip(enum child_role role, int channel, const struct child_equipment *e)
{
	int rc = channel_send(channel, MSG_CONF, NULL, 0, e->conf_fd);

	if (rc == 0)
		rc = channel_send(channel, MSG_SEGMENT, NULL, 0, segment_fd(e->segment));
	if (rc == 0 && role == CHILD_PROXY)
		rc = send_listeners(channel, e->sockets);
	if (rc == 0 && role == CHILD_KEEPER)
		rc = send_keeper_files(channel, e->sockets);
	if (rc == 0)
		rc = channel_send(channel, MSG_PEER, NULL, 0, e->peer_fd);
	if (rc == 0)
		rc = channel_send(channel, MSG_START, NULL, 0, -1);
	return rc;
}
