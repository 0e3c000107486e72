#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "loop/fork.h"

#define LAST_WAIT_MS 1000u
#define READ_BYTES   16384u

enum stream_kind { STREAM_OUTPUT = 0, STREAM_ERRORS = 1, STREAM_COUNT };

/* What it writes. */
struct stream {
	struct process *process;
	int fd; /* -1: closed */
	struct watch watch;
	char *bytes; /* owned */
	size_t n;
	size_t size;
	size_t max;
	bool is_cut;
};

struct process {
	struct process_pool *pool;
	LIST_ENTRY(process) link;
	pid_t pid; /* not reaped: nobody else has this number */
	int kill_signal;
	int pid_fd;    /* readable: it ended */
	int report_fd; /* of a failed exec */
	struct watch end_watch;
	struct stream streams[STREAM_COUNT];
	process_end_cb *end; /* NULL: killed, nobody wants to know */
	void *user;
};

LIST_HEAD(process_list, process);

struct process_pool {
	struct loop *loop;
	unsigned max;
	unsigned n;
	struct process_list list;
};

/* streams */

static void
stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	watch_stop(s->process->pool->loop, &s->watch);
	close(s->fd);
	s->fd = -1;
}

/* Room for `n` more, as far as they are kept. What there is no memory for is not. */
static size_t
stream_make_room(struct stream *s, size_t n)
{
	size_t size = s->size > 0 ? s->size : TG_PROCESS_OUTPUT_MAX;
	char *bytes;

	if (n > s->max - s->n)
		n = s->max - s->n;
	while (size < s->n + n)
		size *= 2;
	if (size > s->max)
		size = s->max;
	if (size > s->size) {
		bytes = realloc(s->bytes, size);
		if (bytes == NULL)
			return s->size - s->n < n ? s->size - s->n : n;
		s->bytes = bytes;
		s->size = size;
	}
	return n;
}

/* False: nothing more for now. */
static bool
stream_read(struct stream *s)
{
	char bytes[READ_BYTES];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));
	size_t room;

	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		stream_close(s);
		return false;
	}
	room = stream_make_room(s, (size_t)n);
	if (room < (size_t)n)
		s->is_cut = true;
	if (room > 0)
		memcpy(s->bytes + s->n, bytes, room);
	s->n += room;
	return true;
}

static void
on_output(struct watch *w, unsigned what)
{
	(void)what;
	stream_read(TG_CONTAINER(w, struct stream, watch));
}

/* Of one whose process has ended: all that is kept. */
static void
stream_finish(struct stream *s)
{
	while (s->fd >= 0 && !s->is_cut && stream_read(s))
		;
}

/* Its end for the new process in *ret. -TG_EIO: errno. */
static int
stream_open(struct stream *s, struct process *p, size_t max, int *ret)
{
	int fd[2];

	*s = (struct stream){.process = p, .fd = -1, .max = max};
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -TG_EIO;
	/* Only our end: a program need not expect EAGAIN. */
	if (fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0) {
		int saved = errno;

		close(fd[0]);
		close(fd[1]);
		errno = saved;
		return -TG_EIO;
	}
	s->fd = fd[0];
	*ret = fd[1];
	return 0;
}

/* ends */

static void
process_free(struct process *p)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		stream_close(&p->streams[i]);
		free(p->streams[i].bytes);
	}
	watch_stop(p->pool->loop, &p->end_watch);
	if (p->pid_fd >= 0)
		close(p->pid_fd);
	if (p->report_fd >= 0)
		close(p->report_fd);
	LIST_REMOVE(p, link);
	p->pool->n--;
	free(p);
}

/* It has ended: this does not wait. What it left in its group goes first, while its number is ours. */
static int
reap(struct process *p)
{
	int status = 0;

	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void
on_end(struct watch *w, unsigned what)
{
	struct process *p = TG_CONTAINER(w, struct process, end_watch);
	struct stream *output = &p->streams[STREAM_OUTPUT];
	struct stream *errors = &p->streams[STREAM_ERRORS];
	struct process_end end = {.error = 0};
	struct fork_failure failure;
	int status = reap(p);

	(void)what;
	stream_finish(output);
	stream_finish(errors);
	if (fork_failed(p->report_fd, &failure))
		end.error = failure.error;
	end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	end.output = output->n > 0 ? output->bytes : "";
	end.output_n = output->n;
	end.is_cut = output->is_cut;
	end.errors = errors->n > 0 ? errors->bytes : "";
	end.errors_n = errors->n;
	if (p->end != NULL)
		p->end(p->user, &end);
	process_free(p);
}

void
process_kill(struct process **process)
{
	struct process *p = *process;

	*process = NULL;
	if (p == NULL)
		return;
	p->end = NULL;
	for (int i = 0; i < STREAM_COUNT; i++)
		stream_close(&p->streams[i]);
	kill(-p->pid, p->kill_signal);
}

/* start */

static int
watch_process(struct process *p)
{
	struct loop *loop = p->pool->loop;
	int rc;

	p->pid_fd = pidfd_open(p->pid, 0);
	if (p->pid_fd < 0 || watch_start_level(loop, &p->end_watch, p->pid_fd, on_end) != 0)
		return -TG_EIO;
	for (int i = 0; i < STREAM_COUNT; i++) {
		struct stream *s = &p->streams[i];

		rc = s->fd >= 0 ? watch_start_level(loop, &s->watch, s->fd, on_output) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Both streams, or the one that is both; the ends of the new process in `ret`. */
static int
open_streams(struct process *p, const struct process_order *order, int ret[STREAM_COUNT])
{
	size_t max = order->output_max > 0 ? order->output_max : TG_PROCESS_OUTPUT_MAX;
	int rc = stream_open(&p->streams[STREAM_OUTPUT], p, max, &ret[STREAM_OUTPUT]);

	if (rc == 0 && order->has_errors)
		rc = stream_open(&p->streams[STREAM_ERRORS], p, TG_PROCESS_OUTPUT_MAX,
				 &ret[STREAM_ERRORS]);
	return rc;
}

/* In the pool; negative: what is left of it is to be freed. */
static int
spawn(struct process *p, const struct process_order *order)
{
	int fds[STREAM_COUNT] = {-1, -1};
	struct fork_order fork_order = {
		.argv = order->argv,
		.envp = order->envp,
		.input_fd = order->input_fd,
		.work = order->work,
		.work_user = order->work_user,
	};
	int rc = open_streams(p, order, fds);
	int saved;

	fork_order.output_fd = fds[STREAM_OUTPUT];
	fork_order.error_fd = order->has_errors ? fds[STREAM_ERRORS] : fds[STREAM_OUTPUT];
	if (rc == 0)
		p->pid = fork_program(&fork_order, &p->report_fd);
	saved = errno;
	for (int i = 0; i < STREAM_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	errno = saved;
	return rc == 0 && p->pid > 0 ? 0 : -TG_EIO;
}

int
process_run(struct process_pool *pool, const struct process_order *order, struct process **ret)
{
	struct process *p;
	int rc;
	int saved;

	if (pool->n >= pool->max)
		return -TG_ELIMIT;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -TG_ENOMEM;
	*p = (struct process){.pool = pool,
			      .pid_fd = -1,
			      .report_fd = -1,
			      .streams = {{.fd = -1}, {.fd = -1}},
			      .kill_signal = order->is_guard ? SIGTERM : SIGKILL,
			      .end = order->end,
			      .user = order->user};
	LIST_INSERT_HEAD(&pool->list, p, link);
	pool->n++;
	rc = spawn(p, order);
	if (rc == 0)
		rc = watch_process(p);
	if (rc == 0) {
		*ret = p;
		return 0;
	}
	saved = errno;
	if (p->pid > 0) {
		kill(-p->pid, p->kill_signal);
		reap(p); /* without a descriptor to wait on there is no other way */
	}
	process_free(p);
	errno = saved;
	return rc;
}

int
process_start(struct process_pool *pool, char *const *argv, char *const *envp, process_end_cb *end,
	      void *user, struct process **ret)
{
	const struct process_order order = {
		.argv = argv, .envp = envp, .input_fd = -1, .end = end, .user = user};

	return process_run(pool, &order, ret);
}

unsigned
process_pool_count(const struct process_pool *pool)
{
	return pool->n;
}

struct process_pool *
process_pool_new(struct loop *loop, unsigned max)
{
	struct process_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->loop = loop;
	pool->max = max;
	LIST_INIT(&pool->list);
	return pool;
}

/* False: it was killed, and the kernel does not let go of it yet. */
static bool
await_end(const struct process *p, struct mono until)
{
	struct pollfd fd = {.fd = p->pid_fd, .events = POLLIN};
	struct mono now = mono_read();
	int rc;

	do
		rc = poll(&fd, 1, (int)((mono_diff_us(until, now) + 999) / 1000));
	while (rc < 0 && errno == EINTR);
	return rc == 1;
}

void
process_pool_free(struct process_pool *pool)
{
	struct mono until = mono_add_ms(mono_read(), LAST_WAIT_MS);
	struct process *p;

	if (pool == NULL)
		return;
	LIST_FOREACH (p, &pool->list, link)
		kill(-p->pid, p->kill_signal);
	while ((p = LIST_FIRST(&pool->list)) != NULL) {
		if (await_end(p, until))
			reap(p);
		process_free(p);
	}
	free(pool);
}

/* what is told of them */

void
process_end_why(const struct process_end *end, char *why, size_t size)
{
	why[0] = '\0';
	if (end->error != 0)
		snprintf(why, size, "cannot execute it: %s", strerror(end->error));
	else if (end->signal != 0)
		snprintf(why, size, "killed by signal %d", end->signal);
	else if (end->status != 0)
		snprintf(why, size, "exit status %d", end->status);
}

void
process_run_why(int rc, char *why, size_t size)
{
	if (rc == -TG_ELIMIT)
		snprintf(why, size, "too many programs that do not end");
	else
		snprintf(why, size, "cannot start it: %s",
			 rc == -TG_ENOMEM ? "no memory" : strerror(errno));
}

const char *
process_path(void)
{
	const char *path = getenv("PATH");

	return path != NULL ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}
