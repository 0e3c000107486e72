#include "admin/processes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

const char *
process_role_str(enum process_role role)
{
	static const char *const words[TG_PROCESS_ROLE_COUNT] = {
		[TG_PROCESS_PARENT] = "parent",
		[TG_PROCESS_PROXY] = "proxy",
		[TG_PROCESS_KEEPER] = "keeper",
	};

	return words[role];
}

/* The beginning of a file of /proc, with a NUL behind it; its length, 0 when it cannot be read. */
static size_t
read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return 0;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	buf[n] = '\0';
	return (size_t)n;
}

/* By its command line: "tidegate --role=proxy ...". */
static bool
has_role(pid_t pid, const char *role)
{
	char path[64];
	char text[1024];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = read_file(path, text, sizeof(text));
	for (size_t at = 0; at < n; at += strlen(text + at) + 1) {
		if (strcmp(text + at, role) == 0)
			return true;
	}
	return false;
}

/* A child of our parent; 0: none now. */
static pid_t
find_proxy(void)
{
	char path[64];
	char text[256];
	char *at = text;
	char *end;
	long pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
	(void)read_file(path, text, sizeof(text));
	while ((pid = strtol(at, &end, 10)) > 0 && end != at) {
		if (has_role((pid_t)pid, "--role=proxy"))
			return (pid_t)pid;
		at = end;
	}
	return 0;
}

static pid_t
pid_of(enum process_role role)
{
	switch (role) {
	case TG_PROCESS_PARENT:
		return getppid();
	case TG_PROCESS_PROXY:
		return find_proxy();
	case TG_PROCESS_KEEPER:
	case TG_PROCESS_ROLE_COUNT:
		break;
	}
	return getpid();
}

/* The program's name, in brackets, may hold anything: the fields count from its end. */
bool
process_stat_parse(const char *line, struct process_stat *ret)
{
	const char *at = strrchr(line, ')');
	uint64_t user;
	uint64_t system;
	uint64_t start;
	uint64_t pages;

	if (at == NULL || sscanf(at + 1,
				 " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
				 " %*s %*s %*s %*s %*s %*s %" SCNu64 " %*s %" SCNu64,
				 &user, &system, &start, &pages) != 4)
		return false;
	*ret = (struct process_stat){
		.cpu_ticks = user + system, .start_ticks = start, .resident_pages = pages};
	return true;
}

struct wall
processes_boot(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct wall){wall_read().us - (uint64_t)ts.tv_sec * 1000000 -
			     (uint64_t)ts.tv_nsec / 1000};
}

bool
process_usage_read(enum process_role role, struct wall boot, struct process_usage *ret)
{
	uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	pid_t pid = pid_of(role);
	struct process_stat stat;
	char path[64];
	char line[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid <= 0 || read_file(path, line, sizeof(line)) == 0 ||
	    !process_stat_parse(line, &stat))
		return false;
	*ret = (struct process_usage){
		.pid = pid,
		.cpu_us = stat.cpu_ticks * tick_us,
		.resident_bytes = stat.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE),
		.started = {boot.us + stat.start_ticks * tick_us},
	};
	return true;
}
