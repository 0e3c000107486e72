/* provider/cgroup.c: groups that hold, where this machine lets us make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provider/cgroup.h"

static const struct cgroup_limits limits = {.cpu_permille = 500, .memory = 64u << 20};

static void
read_line(const char *folder, const char *group, const char *file, char *ret, int size)
{
	char path[2 * PATH_MAX];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, group, file);
	in = fopen(path, "re");
	ret[0] = '\0';
	if (in == NULL)
		return;
	if (fgets(ret, size, in) == NULL)
		ret[0] = '\0';
	fclose(in);
}

static void
expect_limits(const struct cgroup_root *root, const char *group)
{
	char cpu[64];
	char memory[64];

	read_line(root->folders[0], group, root->is_v2 ? "cpu.max" : "cpu.cfs_quota_us", cpu,
		  sizeof(cpu));
	read_line(root->folders[root->is_v2 ? 0 : 1], group,
		  root->is_v2 ? "memory.max" : "memory.limit_in_bytes", memory, sizeof(memory));
	assert_string_equal(cpu, root->is_v2 ? "50000 100000\n" : "50000\n");
	assert_string_equal(memory, "67108864\n");
}

/* Made, entered by a new process, not removed as long as it is there. */
static void
a_group_holds_who_enters(void **state)
{
	struct cgroup_root root;
	struct cgroup_door door;
	struct err err;
	char name[32];
	int fd[2];
	pid_t pid;
	char c;

	(void)state;
	snprintf(name, sizeof(name), "tidegate-test.%d", (int)getpid());
	if (cgroup_find(&limits, &root, &err) < 0 ||
	    cgroup_make(&root, name, &limits, &door, &err) < 0) {
		print_message("not looked at: %s\n", err.text);
		skip();
	}
	expect_limits(&root, name);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		if (!cgroup_enter(&door) || write(fd[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &c, 1), 1);
	close(fd[0]);
	cgroup_door_close(&door);
	assert_false(cgroup_remove(&root, name));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (!cgroup_remove(&root, name))
		usleep(1000);
	assert_true(cgroup_remove(&root, name)); /* it is gone: that is what was wanted */
}

static void
where_none_can_be_made_it_says_so(void **state)
{
	struct cgroup_root root = {.n = 1, .folders = {"/proc/self"}};
	struct cgroup_door door;
	struct err err;

	(void)state;
	assert_int_equal(cgroup_make(&root, "x", &limits, &door, &err), -TG_EIO);
	assert_memory_equal(err.text, "cannot make the control group /proc/self/x: ", 44);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_holds_who_enters),
		cmocka_unit_test(where_none_can_be_made_it_says_so),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
