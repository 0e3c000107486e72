#include "provider/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "provider/provider_priv.h"

#define READ_BYTES  4096u
/* More than a pipe holds: what is read of one that has ended. */
#define FINISH_BYTES 131072u

static int
fail_with(int fd, int saved)
{
	close(fd);
	errno = saved;
	return -TG_EIO;
}

int
output_pipe(int *ret_read, int *ret_write, uint64_t *ret_id)
{
	char path[32];
	struct stat st;
	int fd[2];
	int both;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -TG_EIO;
	/* Open for both directions it is a reader too: whose only other reader ends is not told so. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[1]);
	both = open(path, O_RDWR | O_CLOEXEC);
	if (both < 0 || fstat(fd[0], &st) < 0 || fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0) {
		int saved = errno;

		if (both >= 0)
			close(both);
		close(fd[1]);
		return fail_with(fd[0], saved);
	}
	close(fd[1]);
	*ret_read = fd[0];
	*ret_write = both;
	*ret_id = (uint64_t)st.st_ino;
	return 0;
}

int
output_find(pid_t pid, uint64_t id)
{
	char wanted[40];
	char target[40];
	char path[40];
	ssize_t n;

	snprintf(wanted, sizeof(wanted), "pipe:[%" PRIu64 "]", id);
	for (int i = 1; i <= 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, i);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, wanted) == 0)
			return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return -1;
}

static void
tell_line(struct output *o)
{
	unsigned n_lost;

	if (o->n == 0)
		return;
	o->last[0] = '\0';
	provider_quote(o->last, sizeof(o->last), o->line, o->n);
	if (log_limit_pass(&o->limit, TG_OUTPUT_LINES, loop_now(o->loop), &n_lost)) {
		if (n_lost > 0)
			log_write(TG_LOG_WARN, "backend says more than is told",
				  "service=%s backend=%s lines=%u", o->service, o->name, n_lost);
		log_hush(true);
		log_write(TG_LOG_INFO, "backend says", "service=%s backend=%s line=%.*s",
			  o->service, o->name, (int)o->n, o->line);
		log_hush(false);
	}
	o->n = 0;
}

static void
take_byte(struct output *o, char c)
{
	if (c == '\n' || o->n == sizeof(o->line))
		tell_line(o);
	if (c == '\0')
		c = '?';
	if (c != '\n' && c != '\r')
		o->line[o->n++] = c;
}

/* How many bytes; 0: none for now, or at its end. */
static size_t
read_some(struct output *o)
{
	char bytes[READ_BYTES];
	ssize_t n = read(o->fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++)
		take_byte(o, bytes[i]);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		output_stop(o);
	return n > 0 ? (size_t)n : 0;
}

static void
on_output(struct watch *w, unsigned what)
{
	(void)what;
	read_some(TG_CONTAINER(w, struct output, watch));
}

int
output_start(struct output *o, struct loop *loop, int fd, const char *service, const char *name)
{
	o->loop = loop;
	o->service = service;
	o->name = name;
	o->fd = fd;
	if (watch_start_level(loop, &o->watch, fd, on_output) == 0)
		return 0;
	close(fd);
	o->fd = -1;
	return -TG_ENOMEM;
}

void
output_stop(struct output *o)
{
	if (o->loop == NULL || o->fd < 0)
		return;
	watch_stop(o->loop, &o->watch);
	close(o->fd);
	o->fd = -1;
}

void
output_finish(struct output *o)
{
	size_t total = 0;
	size_t n = 1;

	while (o->loop != NULL && o->fd >= 0 && n > 0 && total < FINISH_BYTES) {
		n = read_some(o);
		total += n;
	}
	if (o->loop != NULL)
		tell_line(o);
	output_stop(o);
}
