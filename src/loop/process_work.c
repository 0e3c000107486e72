#include "loop/process_work.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <sys/resource.h>
#include <unistd.h>

/* What is wrong with it is not to be the machine's trouble. */
static bool
limit_self(uint32_t deadline_ms)
{
	struct rlimit cpu = {.rlim_cur = deadline_ms / 1000 + 2, .rlim_max = deadline_ms / 1000 + 2};
	struct rlimit core = {.rlim_cur = 0, .rlim_max = 0};

	return setrlimit(RLIMIT_CPU, &cpu) == 0 && setrlimit(RLIMIT_CORE, &core) == 0;
}

int
process_work_begin(uint32_t deadline_ms)
{
	int out = dup(STDOUT_FILENO);

	__fpurge(stdout); /* what the process before has not written yet is its own */
	if (out >= 0 && limit_self(deadline_ms) && freopen("/dev/null", "w", stdout) != NULL)
		return out;
	return -1;
}

bool
process_work_write(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}
