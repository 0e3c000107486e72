/* proc/guard.c: how the program ended is how the guard does, and nothing is left of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/turn.h"
#include "proc/guard.h"

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	return 0;
}

/* A guard whose program writes to *ret_out. */
static pid_t
start(char *program, char *script, int *ret_out)
{
	char c[] = "-c";
	char *argv[] = {program, c, script, NULL};
	char *envp[] = {NULL};
	int fd[2];
	pid_t pid;

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		_exit(guard_run(argv, envp));
	}
	close(fd[1]);
	*ret_out = fd[0];
	return pid;
}

static int
status_of(char *program, char *script)
{
	int status = -1;
	int out;
	pid_t pid = start(program, script, &out);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(out);
	return status;
}

static void
it_ends_as_the_program_does(void **state)
{
	char sh[] = "/bin/sh";
	char none[] = "/no/such/program";
	char well[] = "exit 0";
	char ill[] = "exit 3";
	char killed[] = "kill -USR1 $$";
	int status;

	(void)state;
	assert_int_equal(status_of(sh, well), 0);
	assert_int_equal(WEXITSTATUS(status_of(sh, ill)), 3);
	status = status_of(sh, killed);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGUSR1);
	assert_int_equal(WEXITSTATUS(status_of(none, well)), 127);
}

/* All that has the other end of the pipe is gone when it ends. */
static void
wait_none_left(int out)
{
	char bytes[64];

	while (read(out, bytes, sizeof(bytes)) > 0)
		;
	close(out);
}

static void
nothing_is_left(void **state)
{
	char sh[] = "/bin/sh";
	char leaves[] = "trap '' TERM; setsid /bin/sh -c 'while :; do sleep 1000; done' & exit 0";
	char stays[] =
		"trap '' TERM; setsid /bin/sh -c 'echo; while :; do sleep 1000; done' & wait";
	int status = -1;
	char byte;
	int out;
	pid_t pid = start(sh, leaves, &out);

	(void)state;
	wait_none_left(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = start(sh, stays, &out);
	assert_int_equal(read(out, &byte, 1), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_none_left(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_ends_as_the_program_does),
		cmocka_unit_test(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
