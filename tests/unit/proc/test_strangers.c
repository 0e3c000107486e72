/* proc/strangers.c, proc/outlive.c: who is left when somebody is killed. Each in a process of its own, so that it is the
 * parent of all that is left there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/turn.h"
#include "loop/fork.h"
#include "proc/outlive.h"
#include "proc/strangers.h"

#define CHECK(condition)                                                          \
	do {                                                                      \
		if (!(condition)) {                                               \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                 \
		}                                                                 \
	} while (0)

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	return 0;
}

/* `work` in a process that has no child of the test's. */
static void
run_apart(void (*work)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A program with this variable, that has written its number to `fd` and executes nothing more: while a process does,
 * its environment cannot be read. `session`: in one of its own. */
static void
become_stopped(char *first, char *second, int fd, bool session)
{
	char sh[] = "/bin/sh";
	char c[] = "-c";
	char script[] = "echo $$ >&3; kill -STOP $$";
	char *argv[] = {sh, c, script, NULL};
	char *envp[] = {first, second, NULL};

	if (session)
		setsid();
	dup2(fd, 3);
	execve(sh, argv, envp);
	_exit(2);
}

static pid_t
read_number(FILE *in)
{
	int number;

	CHECK(fscanf(in, "%d", &number) == 1);
	return number;
}

/* A child that has left two grandchildren and was killed. */
static void
leave_two(char *variable, pid_t ret[2])
{
	FILE *in;
	int fd[2];
	pid_t pid;

	CHECK(pipe(fd) == 0);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			become_stopped(variable, NULL, fd[1], false);
		if (fork() == 0)
			become_stopped(variable, NULL, fd[1], true);
		for (;;)
			pause();
	}
	in = fdopen(fd[0], "r");
	ret[0] = read_number(in);
	ret[1] = read_number(in);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	fclose(in);
	close(fd[1]);
}

static void
end_all(void)
{
	char mark[] = "A=1";
	unsigned n = 0;
	pid_t left[2];

	CHECK(strangers_adopt(NULL) == 0);
	leave_two(mark, left);
	CHECK(strangers_end(NULL, 10000, &n));
	CHECK(n == 2);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	CHECK(strangers_end(NULL, 10000, &n));
	CHECK(n == 0);
}

static void
what_is_left_is_ended(void **state)
{
	(void)state;
	run_apart(end_all);
}

static void
spare_one(void)
{
	char mark[] = "TIDEGATE_EXEC=1";
	unsigned n = 0;
	pid_t left[2];

	CHECK(strangers_adopt(NULL) == 0);
	leave_two(mark, left);
	CHECK(strangers_end(NULL, 10000, &n));
	CHECK(n == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == 0); /* both are there */
	CHECK(kill(left[0], SIGKILL) == 0 && kill(left[1], SIGKILL) == 0);
	CHECK(waitpid(-1, NULL, 0) > 0 && waitpid(-1, NULL, 0) > 0);
}

static void
what_programs_of_exec_started_is_theirs(void **state)
{
	(void)state;
	run_apart(spare_one);
}

/* Not its child, as after an upgrade: the mark alone tells. */
static void
end_marked(void)
{
	char pid_mark[] = "TIDEGATE_PID=1";
	char run_mark[64];
	unsigned n = 0;
	int fd[2];

	snprintf(run_mark, sizeof(run_mark), "TIDEGATE_RUN=/test/%d", (int)getpid());
	CHECK(pipe(fd) == 0);
	if (fork() == 0) {
		if (fork() == 0)
			become_stopped(pid_mark, run_mark, fd[1], true);
		waitpid(-1, NULL, 0);
		_exit(0);
	}
	read_number(fdopen(fd[0], "r"));
	CHECK(strangers_end(run_mark + strlen("TIDEGATE_RUN="), 10000, &n));
	CHECK(n == 2); /* it, and who started it here */
}

static void
what_bears_the_mark_is_ended(void **state)
{
	(void)state;
	run_apart(end_marked);
}

static void
reap_some(void)
{
	char mark[] = "A=1";
	unsigned n;
	pid_t left[2];
	pid_t mine;

	CHECK(strangers_adopt(NULL) == 0);
	mine = fork();
	if (mine == 0)
		_exit(7);
	leave_two(mark, left);
	strangers_reap(&mine, 1);
	CHECK(strangers_end(NULL, 10000, &n));
}

/* Ours is left to us, whatever else is reaped. */
static void
leave_ours(void)
{
	siginfo_t info;
	pid_t mine = fork();

	if (mine == 0)
		_exit(7);
	CHECK(waitid(P_PID, (id_t)mine, &info, WEXITED | WNOWAIT) == 0);
	strangers_reap(&mine, 1);
	CHECK(waitpid(mine, NULL, 0) == mine);
	mine = fork();
	if (mine == 0)
		_exit(7);
	CHECK(waitid(P_PID, (id_t)mine, &info, WEXITED | WNOWAIT) == 0);
	strangers_reap(NULL, 0);
	CHECK(waitpid(mine, NULL, 0) == -1);
}

static void
ours_are_not_reaped(void **state)
{
	(void)state;
	run_apart(leave_ours);
	run_apart(reap_some);
}

/* The death of its parent, seen by the end of a pipe, is a matter of the limit only. */
static void
one_that_outlives_its_parent_has_a_limit(void **state)
{
	int life[2];
	int told[2];
	pid_t parent;
	char byte;

	(void)state;
	assert_int_equal(pipe(life), 0);
	assert_int_equal(pipe(told), 0);
	parent = fork();
	if (parent == 0) {
		pid_t self = getpid();

		if (fork() == 0) {
			close(life[1]);
			if (!process_die_with(self) || outlive_parent(1) < 0 ||
			    write(told[1], "a", 1) != 1)
				_exit(1);
			while (read(life[0], &byte, 1) < 0)
				;
			if (write(told[1], "b", 1) != 1) /* alive after it */
				_exit(1);
			for (;;)
				pause();
		}
		close(told[1]);
		for (;;)
			pause();
	}
	close(life[1]);
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
	assert_int_equal(read(told[0], &byte, 1), 0); /* ended by its limit */
	close(told[0]);
	close(life[0]);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_left_is_ended),
		CASE(what_programs_of_exec_started_is_theirs),
		CASE(what_bears_the_mark_is_ended),
		CASE(ours_are_not_reaped),
		CASE(one_that_outlives_its_parent_has_a_limit),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
