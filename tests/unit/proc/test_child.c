#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "fake/turn.h"
#include "ipc/channel.h"
#include "proc/child.h"
#include "proc/proc.h"


/* In the child: what child_spawn() promises. The number of the first thing that does not hold. */

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -1; /* the folder itself */

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static int
is_null(int fd)
{
	char path[32];
	char target[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "/dev/null") == 0;
}

static int
is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int
first_broken_promise(int is_proxy)
{
	int death_signal = 0;
	sigset_t mask;

	if (count_fds() != 4)
		return 10;
	if (!is_null(0) || is_null(1) != is_proxy || is_null(2))
		return 11;
	if (!is_ignored(SIGTERM) || !is_ignored(SIGINT) || !is_ignored(SIGHUP) ||
	    !is_ignored(SIGPIPE))
		return 12;
	if (prctl(PR_GET_PDEATHSIG, &death_signal) != 0 || death_signal != SIGKILL)
		return 13;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 14;
	if (getenv("NOTIFY_SOCKET") != NULL)
		return 15;
	if ((getenv("REDIS_PASSWORD") != NULL) != !is_proxy || getenv("TZ") == NULL ||
	    getenv("TG_TEST_OF_SAN_OPTIONS") == NULL)
		return 17;
	if (sigprocmask(SIG_BLOCK, NULL, &mask) != 0 || sigismember(&mask, SIGTERM) ||
	    sigismember(&mask, SIGCHLD))
		return 16;
	return 0;
}

/* Says READY when all holds, and answers each message with READY until the channel closes. */
static void
run_child(const char *role)
{
	struct message m;
	int broken = first_broken_promise(strcmp(role, "proxy") == 0);

	if (broken != 0)
		_exit(broken);
	do {
		if (channel_send(TG_CHANNEL_FD, MSG_READY, NULL, 0, -1) != 0)
			_exit(20);
	} while (channel_wait(TG_CHANNEL_FD, fake_limit_ms(), &m) == 1);
	_exit(0);
}

/* In the test */

struct spawned {
	int program_fd;
	pid_t pid;
	int channel;
};

static int
setup(void **state)
{
	static struct spawned s;

	s = (struct spawned){.channel = -1};
	*state = &s;
	if (setenv("REDIS_PASSWORD", "hidden", 1) != 0 || setenv("TZ", "UTC", 1) != 0 ||
	    setenv("TG_TEST_OF_SAN_OPTIONS", "", 1) != 0)
		return -1;
	return child_open_program(&s.program_fd, NULL);
}

static int
teardown(void **state)
{
	struct spawned *s = *state;

	close(s->program_fd);
	if (s->channel >= 0)
		close(s->channel);
	if (s->pid > 0)
		waitpid(s->pid, NULL, 0);
	return 0;
}

static void
spawn_and_hear_ready(struct spawned *s, enum child_role role)
{
	const struct privileges stay = {0};
	struct err err = {""};
	struct message m;
	int status = 0;
	int rc = child_spawn(role, s->program_fd, &stay, &s->pid, &s->channel, &err);

	if (rc != 0)
		fail_msg("%s", err.text);
	if (channel_wait(s->channel, fake_limit_ms(), &m) == 1) {
		assert_int_equal(m.type, MSG_READY);
		return;
	}
	waitpid(s->pid, &status, 0);
	s->pid = 0;
	fail_msg("the child ended with %d", WEXITSTATUS(status));
}

static int
end_of(struct spawned *s)
{
	int status;

	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	return status;
}

static void
child_holds_what_it_was_given(void **state)
{
	struct spawned *s = *state;
	int leaky = open("/dev/zero", O_RDONLY); /* inherited, were it not for the spawn */

	assert_true(leaky >= 0);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	spawn_and_hear_ready(s, CHILD_PROXY);
	close(s->channel);
	assert_int_equal(end_of(s), 0);
	spawn_and_hear_ready(s, CHILD_KEEPER);
	close(s->channel);
	s->channel = -1;
	assert_int_equal(end_of(s), 0);
	close(leaky);
	unsetenv("NOTIFY_SOCKET");
}

static struct conf *
small_conf(void)
{
	static const char text[] =
		"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );"
		"services = ( { name = \"s\"; backends = ( \"127.0.0.1:2\" ); } );";
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;

	assert_int_equal(conf_load_text(text, sizeof(text) - 1, "test", &conf, &errors), 0);
	return conf;
}

static void
equipment_arrives_in_order(void **state)
{
	struct conf *conf = small_conf();
	struct segment *seg;
	int fd = 0;
	struct listening controls[2] = {{.fds = &fd, .n = 1}, {.fds = &fd, .n = 1}};
	struct sockets sockets = {.controls = controls, .n_controls = 2, .log_fd = -1};
	struct child_equipment e = {.sockets = &sockets, .state_fd = 0, .peer_fd = 1};
	int end[2];
	struct message m;
	static const enum msg_type want[] = {MSG_CONF,     MSG_SEGMENT, MSG_ADMIN, MSG_ADMIN,
					     MSG_LOG_FILE, MSG_STATE,   MSG_PEER,  MSG_START};

	(void)state;
	assert_int_equal(segment_create(1, 1, TG_RING_SIZE_MIN, &seg, NULL), 0);
	assert_int_equal(channel_pair(end, NULL), 0);
	e.segment = seg;
	e.conf = conf;
	sockets.log_fd = 0;
	assert_int_equal(child_equip(CHILD_KEEPER, end[0], &e), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(channel_receive(end[1], &m), 1);
		assert_int_equal(m.type, want[i]);
		if (m.type == MSG_ADMIN)
			assert_int_equal(m.u.admin.control, i - 2);
		if (m.fd >= 0)
			close(m.fd);
	}
	assert_int_equal(channel_receive(end[1], &m), -TG_EAGAIN);
	close(end[1]);
	assert_int_equal(child_equip(CHILD_KEEPER, end[0], &e), -TG_EIO);
	close(end[0]);
	segment_close(seg);
	conf_unref(conf);
}

static void
proxy_gets_every_listener_of_every_worker(void **state)
{
	struct conf *conf = small_conf();
	int fds[3] = {0, 0, 0};
	struct listening listeners[2] = {{.fds = fds, .n = 3, .segment_slot = 7},
					 {.fds = fds, .n = 1, .segment_slot = 4}};
	struct sockets sockets = {
		.listeners = listeners, .n_listeners = 2, .workers = 3, .log_fd = 0};
	struct ticket_seed seed = {.hour = 7};
	struct child_equipment e = {
		.sockets = &sockets, .state_fd = -1, .peer_fd = 1, .tickets = &seed};
	struct segment *seg;
	struct message m;
	int end[2];

	(void)state;
	assert_int_equal(segment_create(1, 1, TG_RING_SIZE_MIN, &seg, NULL), 0);
	assert_int_equal(channel_pair(end, NULL), 0);
	e.segment = seg;
	e.conf = conf;
	assert_int_equal(child_equip(CHILD_PROXY, end[0], &e), 0);
	for (int i = 0; i < 11; i++) {
		assert_int_equal(channel_receive(end[1], &m), 1);
		if (m.fd >= 0)
			close(m.fd);
		if (i == 2) {
			assert_int_equal(m.type, MSG_TICKETS);
			assert_int_equal(m.u.tickets.hour, 7);
		}
		if (i < 3 || i > 8) {
			assert_int_not_equal(m.type, MSG_LISTEN);
			continue;
		}
		assert_int_equal(m.type, MSG_LISTEN);
		assert_int_equal(m.u.listen.listener, listeners[(i - 3) / 3].segment_slot);
		assert_int_equal(m.u.listen.worker, (i - 3) % 3);
	}
	assert_int_equal(m.type, MSG_START);
	close(end[0]);
	close(end[1]);
	segment_close(seg);
	conf_unref(conf);
}

static void
failed_step_is_named(void **state)
{
	const struct privileges stay = {0};
	struct err err = {""};
	int text = open("/etc/passwd", O_PATH | O_CLOEXEC);
	int program_fd = fcntl(text, F_DUPFD_CLOEXEC, 50);
	pid_t pid = -7;
	int channel = -7;

	(void)state;
	assert_int_equal(child_spawn(CHILD_KEEPER, program_fd, &stay, &pid, &channel, &err),
			 -TG_EIO);
	assert_string_equal(err.text, "keeper: cannot execute the program: Permission denied");
	assert_int_equal(pid, -7);
	assert_int_equal(channel, -7);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none left */
	assert_int_equal(errno, ECHILD);
	close(program_fd);
	close(text);
}

static void
children_die_with_their_parent(void **state)
{
	const struct privileges stay = {0};
	struct spawned *s = *state;
	int report[2];
	struct pollfd p;
	pid_t parent;
	int channel;
	pid_t pid;

	assert_int_equal(pipe(report), 0);
	parent = fork();
	if (parent == 0) {
		/* The grandchild's standard error is the pipe: it is open while it lives. */
		close(report[0]);
		dup2(report[1], 2);
		close(report[1]);
		if (child_spawn(CHILD_KEEPER, s->program_fd, &stay, &pid, &channel, NULL) != 0)
			_exit(1);
		fcntl(channel, F_SETFD, 0); /* its end must not be what ends the child */
		_exit(2);
	}
	close(report[1]);
	s->pid = parent;
	assert_int_equal(WEXITSTATUS(end_of(s)), 2);
	p = (struct pollfd){.fd = report[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, fake_limit_ms()), 1);
	assert_int_equal(p.revents & POLLHUP, POLLHUP);
	close(report[0]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(child_holds_what_it_was_given, setup, teardown),
		cmocka_unit_test(equipment_arrives_in_order),
		cmocka_unit_test(proxy_gets_every_listener_of_every_worker),
		cmocka_unit_test(failed_step_is_named),
		cmocka_unit_test_setup_teardown(children_die_with_their_parent, setup, teardown),
	};

	if (argc == 2 && strncmp(argv[1], TG_ROLE_ARG, strlen(TG_ROLE_ARG)) == 0)
		run_child(argv[1] + strlen(TG_ROLE_ARG));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
