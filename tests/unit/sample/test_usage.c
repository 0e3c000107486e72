/* sample/usage.c: files of cgroups and /proc as they may be, in a folder of the test; and real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/turn.h"
#include "sample/usage.h"

#define PATH 256u
#define HELD ((size_t)64 << 20)

static char root[64];

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	snprintf(root, sizeof(root), "/tmp/tg-usage-XXXXXX");
	return mkdtemp(root) == NULL;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* With all folders above it. */
static void
write_file(const char *name, const char *text)
{
	char path[PATH];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static struct mono
at(uint64_t ms)
{
	return (struct mono){.us = 1000000 + ms * 1000};
}

static struct usage
read_place(const char *cgroup, pid_t group)
{
	struct usage_place place = {.cgroup = cgroup, .group = group};
	struct usage u;

	assert_int_equal(usage_read_below(root, &place, 1, at(0), &u), 0);
	assert_int_equal(u.at.us, at(0).us);
	return u;
}

static void write_process(const char *pid, const char *name, const char *group, const char *statm);

static const char v2_stat[] = "anon 1000\nfile 3000\nnot_inactive_file 7\ninactive_file 2000\n"
			      "active_file 1000\n";

static void
version_2_is_read(void **state)
{
	struct usage u;

	(void)state;
	write_file("sys/fs/cgroup/tide/b1/memory.current", "10000\n");
	write_file("sys/fs/cgroup/tide/b1/memory.stat", v2_stat);
	write_file("sys/fs/cgroup/tide/b1/memory.max", "20000\n");
	write_file("sys/fs/cgroup/tide/b1/cpu.stat",
		   "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\n");
	write_file("sys/fs/cgroup/tide/b1/cpu.max", "150000 100000\n");
	u = read_place("tide/b1", 0);
	assert_true(u.has_cpu && u.has_memory);
	assert_int_equal(u.memory, 8000);
	assert_int_equal(u.cpu_us, 123456);
	assert_int_equal(u.memory_limit, 20000);
	assert_true(u.cpu_limit == 1.5);
	write_file("sys/fs/cgroup/tide/b1/memory.max", "max\n");
	write_file("sys/fs/cgroup/tide/b1/cpu.max", "max 100000\n");
	u = read_place("tide/b1", 0);
	assert_int_equal(u.memory_limit, 0);
	assert_true(u.cpu_limit == 0);
	/* More is inactive than there is: the kernel counts in batches. */
	write_file("sys/fs/cgroup/tide/b1/memory.current", "1999\n");
	u = read_place("tide/b1", 0);
	assert_true(u.has_memory);
	assert_int_equal(u.memory, 0);
}

static void
limits_above_count(void **state)
{
	struct usage_place places[3] = {
		{.cgroup = "pod/a/app"}, {.cgroup = "pod/a/other"}, {.cgroup = "/pod//b/app/"}};
	struct usage u[3];

	(void)state;
	/* A pod of Kubernetes: what it has, its containers share. */
	write_file("sys/fs/cgroup/cpu.stat", "usage_usec 1\n"); /* of the root, which has no limits */
	write_file("sys/fs/cgroup/pod/memory.max", "40000\n");
	write_file("sys/fs/cgroup/pod/cpu.max", "400000 100000\n");
	write_file("sys/fs/cgroup/pod/a/memory.max", "20000\n");
	write_file("sys/fs/cgroup/pod/a/cpu.max", "max 100000\n");
	write_file("sys/fs/cgroup/pod/a/app/memory.current", "10000\n");
	write_file("sys/fs/cgroup/pod/a/app/memory.stat", v2_stat);
	write_file("sys/fs/cgroup/pod/a/app/memory.max", "max\n");
	write_file("sys/fs/cgroup/pod/a/app/cpu.stat", "usage_usec 5\n");
	write_file("sys/fs/cgroup/pod/a/app/cpu.max", "max 100000\n");
	/* Its own is tighter, and wider. */
	write_file("sys/fs/cgroup/pod/a/other/cpu.stat", "usage_usec 6\n");
	write_file("sys/fs/cgroup/pod/a/other/cpu.max", "50000 100000\n");
	write_file("sys/fs/cgroup/pod/a/other/memory.max", "99000\n");
	write_file("sys/fs/cgroup/pod/b/app/cpu.stat", "usage_usec 7\n");
	assert_int_equal(usage_read_below(root, places, 3, at(0), u), 0);
	assert_true(u[0].cpu_limit == 4 && u[0].memory_limit == 20000 && u[0].memory == 8000);
	assert_true(u[1].cpu_limit == 0.5 && u[1].memory_limit == 20000 && u[1].cpu_us == 6);
	assert_true(u[2].cpu_limit == 4 && u[2].memory_limit == 40000 && u[2].cpu_us == 7);
	/* In a container the root of the mount is its own group, with limits. */
	write_file("sys/fs/cgroup/memory.max", "15000\n");
	write_file("sys/fs/cgroup/cpu.max", "25000 100000\n");
	assert_int_equal(usage_read_below(root, places, 3, at(0), u), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(u[i].cpu_limit == 0.25 && u[i].memory_limit == 15000);
	u[0] = read_place("", 0);
	assert_true(u[0].cpu_limit == 0.25 && u[0].memory_limit == 15000 && u[0].cpu_us == 1);
}

/* Only what cgroup.subtree_control of the folder above enables has files here. */
static void
controllers_may_be_missing_in_a_folder(void **state)
{
	struct usage u;

	(void)state;
	write_file("sys/fs/cgroup/tide/memory.current", "90000\n");
	write_file("sys/fs/cgroup/tide/memory.stat", v2_stat);
	write_file("sys/fs/cgroup/tide/memory.max", "100000\n");
	write_file("sys/fs/cgroup/tide/cpu.max", "200000 100000\n");
	write_file("sys/fs/cgroup/tide/b1/cpu.stat", "usage_usec 5\nuser_usec 5\n");
	u = read_place("tide/b1", 0);
	/* What the folder above uses is not its own; what it may use it shares. */
	assert_true(u.has_cpu && u.cpu_us == 5 && u.cpu_limit == 2);
	assert_false(u.has_memory);
	assert_int_equal(u.memory_limit, 100000);
	/* Then its processes tell. */
	write_process("50", "app", "50", "100 30 10\n");
	u = read_place("tide/b1", 50);
	assert_true(u.has_memory && u.cpu_us == 5);
	assert_int_equal(u.memory, 30 * sysconf(_SC_PAGESIZE));
	/* Nothing but what every folder has: no reading. */
	write_file("sys/fs/cgroup/tide/b2/cgroup.procs", "1\n");
	u = read_place("tide/b2", 0);
	assert_false(u.has_cpu || u.has_memory);
	assert_true(u.cpu_limit == 0 && u.memory_limit == 0);
	/* memory.stat without inactive_file, cpu.stat without usage_usec. */
	write_file("sys/fs/cgroup/tide/b3/memory.current", "5000\n");
	write_file("sys/fs/cgroup/tide/b3/cpu.stat", "nr_periods 0\n");
	u = read_place("tide/b3", 0);
	assert_false(u.has_cpu || u.has_memory);
}

static void
limits_above_count_in_version_1(void **state)
{
	struct usage u;

	(void)state;
	write_file("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "30000\n");
	write_file("sys/fs/cgroup/memory/docker/c/memory.usage_in_bytes", "10000\n");
	write_file("sys/fs/cgroup/memory/docker/c/memory.limit_in_bytes", "9223372036854771712\n");
	write_file("sys/fs/cgroup/memory/docker/c/memory.stat",
		   "hierarchical_memory_limit 30000\ntotal_inactive_file 4000\n");
	write_file("sys/fs/cgroup/cpuacct/docker/c/cpuacct.usage", "5000\n");
	write_file("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "150000\n");
	write_file("sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n");
	write_file("sys/fs/cgroup/cpu/docker/c/cpu.cfs_quota_us", "-1\n");
	write_file("sys/fs/cgroup/cpu/docker/c/cpu.cfs_period_us", "100000\n");
	u = read_place("docker/c", 0);
	assert_true(u.cpu_limit == 1.5 && u.memory_limit == 30000);
	/* Above the mount. */
	write_file("sys/fs/cgroup/memory/docker/c/memory.stat",
		   "hierarchical_memory_limit 20000\ntotal_inactive_file 4000\n");
	assert_int_equal(read_place("docker/c", 0).memory_limit, 20000);
	write_file("sys/fs/cgroup/memory/docker/c/memory.stat",
		   "hierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 4000\n");
	assert_int_equal(read_place("docker/c", 0).memory_limit, 30000);
	/* Hybrid: processors are counted by version 2, and limited by version 1. */
	write_file("sys/fs/cgroup/unified/docker/c/cpu.stat", "usage_usec 77\n");
	u = read_place("docker/c", 0);
	assert_true(u.cpu_us == 77 && u.cpu_limit == 1.5 && u.memory == 6000);
}

static void
version_1_is_read(void **state)
{
	struct usage u;

	(void)state;
	write_file("sys/fs/cgroup/memory/tide/memory.usage_in_bytes", "10000\n");
	write_file("sys/fs/cgroup/memory/tide/memory.stat",
		   "inactive_file 1\ntotal_inactive_file 4000\n");
	write_file("sys/fs/cgroup/memory/tide/memory.limit_in_bytes", "9223372036854771712\n");
	write_file("sys/fs/cgroup/cpuacct/tide/cpuacct.usage", "5000999\n");
	write_file("sys/fs/cgroup/cpu/tide/cpu.cfs_quota_us", "-1\n");
	write_file("sys/fs/cgroup/cpu/tide/cpu.cfs_period_us", "100000\n");
	u = read_place("tide", 0);
	assert_true(u.has_cpu && u.has_memory);
	assert_int_equal(u.memory, 6000);
	assert_int_equal(u.memory_limit, 0);
	assert_int_equal(u.cpu_us, 5000);
	assert_true(u.cpu_limit == 0);
	write_file("sys/fs/cgroup/memory/tide/memory.limit_in_bytes", "30000\n");
	write_file("sys/fs/cgroup/cpu/tide/cpu.cfs_quota_us", "50000\n");
	u = read_place("tide", 0);
	assert_int_equal(u.memory_limit, 30000);
	assert_true(u.cpu_limit == 0.5);
}

static void
both_versions_may_be_mounted(void **state)
{
	struct usage u;

	(void)state;
	write_file("sys/fs/cgroup/unified/tide/cpu.stat", "usage_usec 77\n");
	write_file("sys/fs/cgroup/memory/tide/memory.usage_in_bytes", "10000\n");
	write_file("sys/fs/cgroup/memory/tide/memory.stat", "total_inactive_file 4000\n");
	u = read_place("tide", 0);
	assert_true(u.has_cpu && u.has_memory);
	assert_int_equal(u.cpu_us, 77);
	assert_int_equal(u.memory, 6000);
}

static void
what_cannot_be_read_is_absent(void **state)
{
	static const char *const odd[] = {
		"",
		"\n",
		"x\n",
		"-5\n",
		" 5\n",
		"99999999999999999999999\n",
		"18446744073709551616\n",
	};
	char large[9000];
	struct usage u = read_place("nowhere", 0);

	(void)state;
	assert_false(u.has_cpu || u.has_memory);
	u = read_place(NULL, 0);
	assert_false(u.has_cpu || u.has_memory);
	write_file("sys/fs/cgroup/t/memory.stat", v2_stat);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		write_file("sys/fs/cgroup/t/memory.current", odd[i]);
		u = read_place("t", 0);
		assert_false(u.has_memory);
	}
	write_file("sys/fs/cgroup/t/memory.current", "10000\n");
	assert_true(read_place("t", 0).has_memory);
	/* Without what is inactive it is no working set. */
	write_file("sys/fs/cgroup/t/memory.stat", "anon 5\nxinactive_file 5\ninactive_files 6\n");
	assert_false(read_place("t", 0).has_memory);
	write_file("sys/fs/cgroup/t/memory.stat", "inactive_file\n");
	assert_false(read_place("t", 0).has_memory);
	memset(large, '1', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	write_file("sys/fs/cgroup/t/memory.stat", large);
	assert_false(read_place("t", 0).has_memory);
	write_file("sys/fs/cgroup/t/cpu.stat", "usage_usec x\n");
	write_file("sys/fs/cgroup/t/cpu.max", "5 0\n");
	u = read_place("t", 0);
	assert_false(u.has_cpu);
	assert_true(u.cpu_limit == 0);
}

static void
folders_above_are_not_read(void **state)
{
	(void)state;
	write_file("sys/fs/secret/memory.current", "10000\n");
	write_file("sys/fs/secret/memory.stat", v2_stat);
	write_file("sys/fs/cgroup/a..b/memory.current", "10000\n");
	write_file("sys/fs/cgroup/a..b/memory.stat", v2_stat);
	assert_false(read_place("../secret", 0).has_memory);
	assert_false(read_place("a..b/../../secret", 0).has_memory);
	assert_false(read_place("a..b/..", 0).has_memory);
	assert_true(read_place("a..b", 0).has_memory);
}

/* utime 10, stime 20, of waited-for children 3 and 4; `group` is its process group. */
static void
write_process(const char *pid, const char *name, const char *group, const char *statm)
{
	char path[PATH];
	char text[512];

	snprintf(path, sizeof(path), "proc/%s/stat", pid);
	snprintf(text, sizeof(text),
		 "%s (%s) S 1 %s 7 0 -1 4194560 11 12 13 14 10 20 3 4 20 0 1 0 99 1000 20\n", pid,
		 name, group);
	write_file(path, text);
	snprintf(path, sizeof(path), "proc/%s/statm", pid);
	write_file(path, statm);
}

static void
processes_of_a_group_are_summed(void **state)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t tick_us = UINT64_C(1000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	struct usage_place places[3] = {{.group = 40}, {.group = 50}, {.group = 60}};
	struct usage u[3];

	(void)state;
	write_process("40", "app", "40", "1000 100 30 1 0 1 0\n");
	write_process("41", "a) S 1 50 (b", "40", "1000 70 40 1 0 1 0\n");
	/* It has ended, and is not waited for. */
	write_process("42", "zombie", "40", "0 0 0 0 0 0 0\n");
	write_process("50", "other", "50", "1000 10 0 1 0 1 0\n");
	write_process("51", "odd", "x", "1000 10 0 1 0 1 0\n");
	write_process("52", "cut", "50", "1000\n");
	write_file("proc/53/stat", "53 (no end");
	write_file("proc/54/stat", "54 (end)");
	write_file("proc/55/stat", "");
	write_file("proc/self/stat", "1 (self) S 1 50 7 0 -1 0 0 0 0 0 10 20 3 4\n");
	assert_int_equal(usage_read_below(root, places, 3, at(0), u), 0);
	assert_true(u[0].has_cpu && u[0].has_memory);
	assert_int_equal(u[0].cpu_us, 3 * 37 * tick_us);
	assert_int_equal(u[0].memory, (70 + 30 + 40) * page);
	assert_int_equal(u[1].cpu_us, 37 * tick_us);
	assert_int_equal(u[1].memory, 10 * page);
	assert_false(u[2].has_cpu || u[2].has_memory);
}

static void
processes_tell_what_cgroups_do_not(void **state)
{
	struct usage u;

	(void)state;
	write_process("40", "app", "40", "1000 100 30 1 0 1 0\n");
	write_file("sys/fs/cgroup/t/cpu.stat", "usage_usec 77\n");
	u = read_place("t", 40);
	assert_int_equal(u.cpu_us, 77);
	assert_true(u.has_memory);
	assert_int_equal(u.memory, 100 * (uint64_t)sysconf(_SC_PAGESIZE));
}

/*** Rates ***/

static const struct usage first = {
	.at = {.us = 1000000}, .has_cpu = true, .cpu_us = 5000, .has_memory = true, .memory = 100};

static struct usage
after(uint64_t ms, uint64_t cpu_us, uint64_t memory)
{
	return (struct usage){.at = at(ms),
			      .has_cpu = true,
			      .cpu_us = 5000 + cpu_us,
			      .has_memory = true,
			      .memory = memory};
}

static void
rates_are_of_the_limit(void **state)
{
	struct usage now = after(1000, 500000, 300);
	struct usage_rate r = usage_rate(&first, &now, 2, 1000, at(1000), 500);

	(void)state;
	assert_true(r.cpu == 0.25 && r.memory == 0.3);
	/* What was read counts where nothing is configured. */
	r = usage_rate(&first, &now, 0, 0, at(1000), 500);
	assert_true(isnan(r.cpu) && isnan(r.memory));
	now.cpu_limit = 0.5;
	now.memory_limit = 600;
	r = usage_rate(&first, &now, 0, 0, at(1000), 500);
	assert_true(r.cpu == 1 && r.memory == 0.5);
	r = usage_rate(&first, &now, 1, 0, at(1000), 500);
	assert_true(r.cpu == 0.5 && r.memory == 0.5);
}

static void
doubtful_readings_are_not_known(void **state)
{
	struct usage now = after(1000, 500000, 300);
	struct usage_rate r = usage_rate(&first, &now, 2, 1000, at(1500), 500);

	(void)state;
	assert_false(isnan(r.cpu) || isnan(r.memory));
	r = usage_rate(&first, &now, 2, 1000, at(1501), 500);
	assert_true(isnan(r.cpu) && isnan(r.memory));
	/* Another process has its place. */
	now.cpu_us = 4999;
	r = usage_rate(&first, &now, 2, 1000, at(1000), 500);
	assert_true(isnan(r.cpu) && r.memory == 0.3);
	/* No time has passed. */
	now = after(0, 500, 300);
	r = usage_rate(&first, &now, 2, 1000, at(0), 500);
	assert_true(isnan(r.cpu) && r.memory == 0.3);
	now = after(1000, 0, 0);
	r = usage_rate(&first, &now, 2, 1000, at(1000), 500);
	assert_true(isnan(r.cpu) && isnan(r.memory));
	/* One that rests is known. */
	now = after(1000, 0, 300);
	r = usage_rate(&first, &now, 2, 1000, at(1000), 500);
	assert_true(r.cpu == 0 && r.memory == 0.3);
	now.has_cpu = false;
	r = usage_rate(&first, &now, 2, 1000, at(1000), 500);
	assert_true(isnan(r.cpu) && r.memory == 0.3);
	now = (struct usage){.at = at(1000)};
	r = usage_rate(&first, &now, 2, 1000, at(1000), 500);
	assert_true(isnan(r.cpu) && isnan(r.memory));
	r = usage_rate(&now, &first, 2, 1000, at(1000), 5000);
	assert_true(isnan(r.cpu) && r.memory == 0.1);
}

/*** The real thing ***/

/* Holds memory that was written to, and burns: until it is killed. */
static void
burn(void)
{
	char *held = malloc(HELD);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (held == NULL)
		_exit(1);
	for (;;)
		for (size_t i = 0; i < HELD; i += 64)
			((volatile char *)held)[i]++;
}

static pid_t
start_burning(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		burn();
	}
	setpgid(pid, pid);
	return pid;
}

static void
stop_burning(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
await_usage(const struct usage_place *place, struct usage *u)
{
	do {
		usage_read(place, mono_read(), u);
		assert_true(u->has_cpu && u->has_memory);
	} while (u->cpu_us == 0 || u->memory < HELD);
}

static void
real_processes_are_read(void **state)
{
	struct usage_place place = {.group = start_burning()};
	struct usage before;
	struct usage now;
	struct usage_rate r;

	(void)state;
	await_usage(&place, &before);
	assert_true(before.memory < (uint64_t)HELD * 8);
	do {
		usage_read(&place, mono_read(), &now);
	} while (now.cpu_us == before.cpu_us);
	assert_true(now.cpu_us > before.cpu_us);
	r = usage_rate(&before, &now, 1, (uint64_t)HELD * 8, now.at, 1000);
	assert_true(r.cpu > 0);
	assert_true(r.memory > 0.1 && r.memory < 1);
	stop_burning(place.group);
	usage_read(&place, mono_read(), &now);
	assert_false(now.has_cpu || now.has_memory);
}

static bool
join_cgroup(const char *mount, const char *name, pid_t pid)
{
	char path[PATH];
	FILE *out;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s", mount, name);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s/cgroup.procs", mount, name);
	out = fopen(path, "w");
	if (out == NULL)
		return false;
	fprintf(out, "%d\n", (int)pid);
	return fclose(out) == 0;
}

static void
leave_cgroup(const char *mount, const char *name)
{
	char path[PATH];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s", mount, name);
	while (rmdir(path) < 0 && errno == EBUSY)
		continue;
}

static void
real_cgroups_are_read(void **state)
{
	bool is_v1 = access("/sys/fs/cgroup/memory/memory.usage_in_bytes", R_OK) == 0;
	pid_t pid = start_burning();
	struct usage_place place;
	char name[64];
	struct usage u;
	bool is_in;

	(void)state;
	snprintf(name, sizeof(name), "tg-test-%d", (int)getpid());
	place = (struct usage_place){.cgroup = name};
	is_in = is_v1 ? join_cgroup("memory", name, pid) && join_cgroup("cpuacct", name, pid)
		      : join_cgroup("", name, pid);
	/* What it had before counts for the cgroup it was in. */
	if (is_in) {
		usage_read(&place, mono_read(), &u);
		is_in = u.has_cpu && u.has_memory;
	}
	while (is_in && u.cpu_us == 0)
		usage_read(&place, mono_read(), &u);
	stop_burning(pid);
	if (is_v1) {
		leave_cgroup("memory", name);
		leave_cgroup("cpuacct", name);
	} else {
		leave_cgroup("", name);
	}
	if (!is_in)
		skip(); /* needs a file system of cgroups to write to */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(version_2_is_read),
		TEST(limits_above_count),
		TEST(controllers_may_be_missing_in_a_folder),
		TEST(limits_above_count_in_version_1),
		TEST(version_1_is_read),
		TEST(both_versions_may_be_mounted),
		TEST(what_cannot_be_read_is_absent),
		TEST(folders_above_are_not_read),
		TEST(processes_of_a_group_are_summed),
		TEST(processes_tell_what_cgroups_do_not),
		TEST(rates_are_of_the_limit),
		TEST(doubtful_readings_are_not_known),
		TEST(real_processes_are_read),
		TEST(real_cgroups_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
