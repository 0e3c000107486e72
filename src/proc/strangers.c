#include "proc/strangers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define PAUSE_MS 5
#define TEXT_MAX 131072u

static const char run_name[] = "TIDEGATE_RUN=";
static const char backend_name[] = "TIDEGATE_PID=";
static const char exec_name[] = "TIDEGATE_EXEC=";

int
strangers_adopt(struct err *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_set_errno(err, "cannot become the parent of orphans");
	return 0;
}

static bool
is_one_of(pid_t pid, const pid_t *ours, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ours[i] == pid)
			return true;
	return false;
}

/* One of ours that has ended just now hides the others: its own signal is on the way. */
void
strangers_reap(const pid_t *ours, size_t n)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
		    is_one_of(info.si_pid, ours, n))
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

/* The first bytes of a file of a process, with a NUL behind; 0: none. */
static size_t
read_file(int proc_fd, const char *pid, const char *name, char *ret, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t got = 1;
	int fd;

	snprintf(path, sizeof(path), "%.10s/%s", pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got > 0 && n < size - 1) {
		got = read(fd, ret + n, size - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	ret[n] = '\0';
	return n;
}

/* The value of a variable; NULL: there is none. */
static const char *
find_variable(const char *bytes, size_t n, const char *name)
{
	const char *end = bytes + n;

	for (; bytes < end; bytes += strlen(bytes) + 1)
		if (strncmp(bytes, name, strlen(name)) == 0)
			return bytes + strlen(name);
	return NULL;
}

/* "PID (name) S PPID ...": the name may have any bytes in it. */
static bool
is_child(const char *stat)
{
	const char *at = strrchr(stat, ')');
	int parent;

	return at != NULL && sscanf(at + 1, " %*c %d", &parent) == 1 && parent == (int)getpid();
}

/* `bytes` is room for what is read. */
static bool
is_to_end(int proc_fd, const char *pid, const char *run, char *bytes)
{
	bool is_ours;
	const char *value;
	size_t n;

	if (read_file(proc_fd, pid, "stat", bytes, TEXT_MAX) == 0)
		return false;
	is_ours = is_child(bytes);
	n = read_file(proc_fd, pid, "environ", bytes, TEXT_MAX);
	if (is_ours)
		return find_variable(bytes, n, exec_name) == NULL;
	value = find_variable(bytes, n, run_name);
	return run != NULL && value != NULL && strcmp(value, run) == 0 &&
	       find_variable(bytes, n, backend_name) != NULL;
}

/* How many there are. */
static unsigned
kill_all(const char *run, char *bytes)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned n = 0;
	int fd;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		fd = pidfd_open((pid_t)strtol(entry->d_name, NULL, 10), 0);
		if (fd < 0)
			continue;
		if (is_to_end(dirfd(proc), entry->d_name, run, bytes)) {
			pidfd_send_signal(fd, SIGKILL, NULL, 0);
			n++;
		}
		close(fd);
	}
	if (proc != NULL)
		closedir(proc);
	return n;
}

bool
strangers_end(const char *run, unsigned timeout_ms, unsigned *ret_n)
{
	struct mono until = mono_add_ms(mono_read(), timeout_ms);
	char *bytes = malloc(TEXT_MAX);
	unsigned left;

	*ret_n = 0;
	if (bytes == NULL)
		return false;
	strangers_reap(NULL, 0);
	left = kill_all(run, bytes);
	*ret_n = left;
	while (left > 0 && mono_read().us < until.us) {
		poll(NULL, 0, PAUSE_MS);
		strangers_reap(NULL, 0);
		left = kill_all(run, bytes);
	}
	free(bytes);
	return left == 0;
}
