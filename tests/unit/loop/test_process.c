/* Programs of the system, run for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "loop/process.h"

#define POOL_MAX 4u
/* A start that took longer may not have waited for the process: loop/fork.c bounds it by 100 ms. */
#define LATE_US 90000u

static struct loop *loop;
static struct process_pool *pool;
static unsigned fds_before;

/* How one program ended. */
struct told {
	bool is_done;
	struct process_end end;
	char output[TG_PROCESS_OUTPUT_MAX + 1];
};

static void
on_end(void *user, const struct process_end *end)
{
	struct told *t = user;

	assert_false(t->is_done);
	t->is_done = true;
	t->end = *end;
	memcpy(t->output, end->output, end->output_n);
	t->output[end->output_n] = '\0';
}

/* Both streams in one string, as far as there is room. */
static void
on_end_of_two(void *user, const struct process_end *end)
{
	struct told *t = user;

	assert_false(t->is_done);
	t->is_done = true;
	t->end = *end;
	snprintf(t->output, sizeof(t->output), "%.*s|%.*s", (int)end->output_n, end->output,
		 (int)end->errors_n, end->errors);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	fds_before = fake_count_fds();
	loop = loop_new();
	pool = process_pool_new(loop, POOL_MAX);
	return loop == NULL || pool == NULL;
}

/* No zombie, no descriptor. */
static int
teardown(void **state)
{
	(void)state;
	process_pool_free(pool);
	loop_free(loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(fake_count_fds(), fds_before);
	return 0;
}

static struct process *
start(char *const *argv, struct told *t)
{
	static char name[] = "NAME=value";
	static char path[] = "PATH=/usr/bin:/bin";
	char *const envp[] = {name, path, NULL};
	struct process *p = NULL;

	*t = (struct told){.is_done = false};
	assert_int_equal(process_start(pool, argv, envp, on_end, t, &p), 0);
	assert_non_null(p);
	return p;
}

static struct process *
start_shell(const char *script, struct told *t)
{
	char *copy = strdup(script);
	char sh[] = "/bin/sh";
	char c[] = "-c";
	char *const argv[] = {sh, c, copy, NULL};
	struct process *p = start(argv, t);

	free(copy); /* needed during the call only */
	return p;
}

static void
run_shell(const char *script, struct told *t)
{
	start_shell(script, t);
	fake_turn_until(loop, &t->is_done);
}

/* Alone there, as the probe of a reload asks it. */
static int
bind_alone(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)a, sizeof(*a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
a_port_is_free_when_we_close_it_after_a_start(void **state)
{
	/* An address of this process: at 127.0.0.1 another test may be given the port meanwhile. */
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(0x7f800000u | (uint32_t)getpid())};
	socklen_t n = sizeof(a);
	struct told t;
	int fd = bind_alone(&a);

	(void)state;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	for (int i = 0; i < 20; i++) {
		struct mono began = mono_read();
		bool was_in_time;

		assert_int_equal(listen(fd, 1), 0);
		start_shell("exit 0", &t);
		was_in_time = mono_diff_us(mono_read(), began) < LATE_US;
		close(fd);
		fd = bind_alone(&a);
		assert_true(fd >= 0 || !was_in_time);
		fake_turn_until(loop, &t.is_done);
		if (fd < 0)
			fd = bind_alone(&a);
		assert_true(fd >= 0);
	}
	close(fd);
}

static void
status_and_output_are_told(void **state)
{
	struct told t;

	(void)state;
	run_shell("echo out; echo err >&2; exit 3", &t);
	assert_int_equal(t.end.error, 0);
	assert_int_equal(t.end.status, 3);
	assert_int_equal(t.end.signal, 0);
	assert_string_equal(t.output, "out\nerr\n");
	run_shell("kill -TERM $$", &t);
	assert_int_equal(t.end.signal, SIGTERM);
	run_shell("exec 1>&- 2>&-; exit 0", &t);
	assert_int_equal(t.end.status, 0);
	assert_string_equal(t.output, "");
}

static void
the_first_bytes_are_kept_the_rest_is_read(void **state)
{
	struct told t;

	(void)state;
	run_shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done", &t);
	assert_int_equal(t.end.status, 0);
	assert_int_equal(strlen(t.output), TG_PROCESS_OUTPUT_MAX);
	assert_memory_equal(t.output, "0123456789\n0123456789\n", 22);
}

static void
what_cannot_be_executed_says_why(void **state)
{
	char missing[] = "/nowhere/at/all";
	char folder[] = "/tmp";
	char *const first[] = {missing, NULL};
	char *const second[] = {folder, NULL};
	struct told t;

	(void)state;
	start(first, &t);
	fake_turn_until(loop, &t.is_done);
	assert_int_equal(t.end.error, ENOENT);
	start(second, &t);
	fake_turn_until(loop, &t.is_done);
	assert_int_equal(t.end.error, EACCES);
}

static void
the_environment_is_the_given_one(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(setenv("TG_TEST_SECRET", "x", 1), 0);
	run_shell("echo \"$NAME,$TG_TEST_SECRET\"", &t);
	assert_string_equal(t.output, "value,\n");
}

static void
it_holds_nothing_of_ours(void **state)
{
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */
	char ignored[32];
	char blocked[32];
	struct told t;
	int pgid;
	int pid;

	(void)state;
	signal(SIGTERM, SIG_IGN);
	run_shell("ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; "
		  "ps -o pgid= -p $$ | tr -d ' '; echo $$; "
		  "grep SigIgn /proc/self/status | cut -f2; grep SigBlk /proc/self/status | cut -f2",
		  &t);
	signal(SIGTERM, SIG_DFL);
	close(fd);
	/* 0, 1, 2 and what ls has open itself */
	assert_memory_equal(t.output, "4\n/dev/null\n", 12);
	assert_int_equal(sscanf(t.output + 12, "%d %d %31s %31s", &pgid, &pid, ignored, blocked),
			 4);
	assert_int_equal(pgid, pid);
	/* 32 and 33 are the C library's: who started us may ignore them. */
	assert_int_equal(strtoull(ignored, NULL, 16) & ~(UINT64_C(3) << 31), 0);
	assert_string_equal(blocked, "0000000000000000");
}

static pid_t
number_in(const char *path)
{
	FILE *in = fopen(path, "re");
	int pid = 0;

	if (in == NULL)
		return 0;
	if (fscanf(in, "%d", &pid) != 1)
		pid = 0;
	fclose(in);
	return pid;
}

/* Reparented, it may stay a zombie as long as its new parent likes. */
static bool
is_zombie(pid_t pid)
{
	char path[64];
	char text[256] = "";
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	if (in == NULL)
		return false;
	if (fgets(text, sizeof(text), in) == NULL)
		text[0] = '\0';
	fclose(in);
	return strstr(text, ") Z ") != NULL;
}

static void
await_gone(pid_t pid)
{
	assert_true(pid > 0);
	while (kill(pid, 0) == 0 && !is_zombie(pid))
		usleep(1000);
}

static void
killing_takes_the_whole_group(void **state)
{
	char path[] = "/tmp/tg-process-XXXXXX";
	int fd = mkstemp(path);
	char script[128];
	struct process *p;
	struct told t;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; wait", path);
	p = start_shell(script, &t);
	while ((pid = number_in(path)) == 0)
		fake_turn(loop);
	process_kill(&p);
	assert_null(p);
	process_kill(&p);
	while (process_pool_count(pool) > 0)
		fake_turn(loop);
	assert_false(t.is_done);
	await_gone(pid);
	unlink(path);
}

static void
ending_takes_the_whole_group_too(void **state)
{
	char path[] = "/tmp/tg-process-XXXXXX";
	int fd = mkstemp(path);
	char script[128];
	struct told t;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; echo well", path);
	run_shell(script, &t);
	assert_string_equal(t.output, "well\n");
	await_gone(number_in(path));
	unlink(path);
}

static void
the_pool_is_bounded(void **state)
{
	char sleep[] = "/bin/sleep";
	char long_time[] = "1000";
	char *const argv[] = {sleep, long_time, NULL};
	char *const envp[] = {NULL};
	struct process *p[POOL_MAX + 1];
	struct told t[POOL_MAX];

	(void)state;
	for (unsigned i = 0; i < POOL_MAX; i++)
		p[i] = start(argv, &t[i]);
	assert_int_equal(process_start(pool, argv, envp, on_end, NULL, &p[POOL_MAX]), -TG_ELIMIT);
	process_kill(&p[0]);
	while (process_pool_count(pool) == POOL_MAX)
		fake_turn(loop);
	p[0] = start(argv, &t[0]);
	/* the teardown kills them */
}

static void __attribute__((noreturn))
be_parent(const char *script)
{
	struct told t;

	loop = loop_new();
	pool = process_pool_new(loop, 1);
	start_shell(script, &t);
	for (;;)
		pause();
}

/* A process that runs a program and is killed itself. */
static void
it_dies_with_its_parent(void **state)
{
	char path[] = "/tmp/tg-process-XXXXXX";
	int fd = mkstemp(path);
	char script[128];
	pid_t parent;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(script, sizeof(script), "echo $$ >%s; exec sleep 1000", path);
	parent = fork();
	if (parent == 0)
		be_parent(script);
	while ((pid = number_in(path)) == 0)
		usleep(1000);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	await_gone(pid);
	unlink(path);
}

/* What a program is given to read, and both of what it writes. */
static void
run_with_input(const char *script, const char *input, size_t output_max, struct told *t)
{
	char *copy = strdup(script);
	char sh[] = "/bin/sh";
	char c[] = "-c";
	char *const argv[] = {sh, c, copy, NULL};
	char *const envp[] = {NULL};
	int fd = memfd_create("input", MFD_CLOEXEC);
	const struct process_order order = {.argv = argv,
					    .envp = envp,
					    .input_fd = fd,
					    .output_max = output_max,
					    .has_errors = true,
					    .end = on_end_of_two,
					    .user = t};
	struct process *p;

	assert_int_equal(write(fd, input, strlen(input)), strlen(input));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	*t = (struct told){.is_done = false};
	assert_int_equal(process_run(pool, &order, &p), 0);
	close(fd);
	free(copy);
	fake_turn_until(loop, &t->is_done);
}

static void
input_is_read_and_errors_are_apart(void **state)
{
	struct told t;

	(void)state;
	run_with_input("cat; echo wrong >&2", "{\"a\":1}", 1000, &t);
	assert_string_equal(t.output, "{\"a\":1}|wrong\n");
	assert_false(t.end.is_cut);
	run_with_input("cat >&2", "nothing", 1000, &t);
	assert_string_equal(t.output, "|nothing");
}

static void
more_than_is_kept_is_told(void **state)
{
	struct told t;

	(void)state;
	run_with_input("echo 01234567", "", 9, &t);
	assert_string_equal(t.output, "01234567\n|");
	assert_false(t.end.is_cut);
	run_with_input("echo 012345678", "", 9, &t);
	assert_string_equal(t.output, "012345678|");
	assert_true(t.end.is_cut);
}

/* More than a pipe holds, whole. */
static void
much_can_be_kept(void **state)
{
	struct told t;

	(void)state;
	run_with_input("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done", "",
		       1000000, &t);
	assert_int_equal(t.end.output_n, 220000);
	assert_false(t.end.is_cut);
}

static void
ends_are_told_in_words(void **state)
{
	static const struct {
		struct process_end end;
		const char *why;
	} cases[] = {
		{{.status = 0}, ""},
		{{.status = 3}, "exit status 3"},
		{{.signal = SIGKILL}, "killed by signal 9"},
		{{.error = ENOENT}, "cannot execute it: No such file or directory"},
	};
	char why[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		process_end_why(&cases[i].end, why, sizeof(why));
		assert_string_equal(why, cases[i].why);
	}
	process_run_why(-TG_ELIMIT, why, sizeof(why));
	assert_string_equal(why, "too many programs that do not end");
	errno = EAGAIN;
	process_run_why(-TG_EIO, why, sizeof(why));
	assert_string_equal(why, "cannot start it: Resource temporarily unavailable");
	errno = 0;
	process_run_why(-TG_ENOMEM, why, sizeof(why));
	assert_string_equal(why, "cannot start it: no memory");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_port_is_free_when_we_close_it_after_a_start),
		CASE(status_and_output_are_told),
		CASE(the_first_bytes_are_kept_the_rest_is_read),
		CASE(what_cannot_be_executed_says_why),
		CASE(the_environment_is_the_given_one),
		CASE(it_holds_nothing_of_ours),
		CASE(killing_takes_the_whole_group),
		CASE(ending_takes_the_whole_group_too),
		CASE(input_is_read_and_errors_are_apart),
		CASE(more_than_is_kept_is_told),
		CASE(much_can_be_kept),
		CASE(the_pool_is_bounded),
		CASE(it_dies_with_its_parent),
		CASE(ends_are_told_in_words),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
