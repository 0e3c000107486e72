/* hook/exec.c: a program gets the event on its standard input, and ends with status 0. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook/hook_priv.h"

struct running {
	struct process *process; /* NULL: none */
	char **argv;             /* the list is owned */
	char *path;              /* "PATH=..." */
};

static int
exec_open(struct hook *h, struct err *err)
{
	struct running *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_no_memory(err);
	h->own = r;
	r->argv = calloc(h->conf->n_exec + 1, sizeof(r->argv[0]));
	if (r->argv == NULL || asprintf(&r->path, "PATH=%s", process_path()) < 0)
		return err_no_memory(err);
	return 0;
}

static void
exec_close(struct hook *h)
{
	struct running *r = h->own;

	if (r == NULL)
		return;
	process_kill(&r->process);
	free((void *)r->argv);
	free(r->path);
	free(r);
}

/* What it said last, on one line. */
static void
add_said(char *why, size_t size, const struct process_end *end)
{
	size_t n = strlen(why);

	if (end->output_n == 0)
		return;
	n += (size_t)snprintf(why + n, size - n, "; it said: ");
	for (size_t i = 0; i < end->output_n && n + 1 < size; i++) {
		char c = end->output[i];

		if (c == '\n')
			break;
		why[n++] = c >= ' ' && c <= '~' ? c : '?';
	}
	why[n < size ? n : size - 1] = '\0';
}

static void
on_end(void *user, const struct process_end *end)
{
	struct hook *h = user;
	struct running *r = h->own;
	char why[TG_HOOK_WHY];

	r->process = NULL; /* gone when this returns */
	process_end_why(end, why, sizeof(why));
	if (why[0] != '\0' && end->error == 0)
		add_said(why, sizeof(why), end);
	hook_ended(h, why[0] == '\0', true, why);
}

/* -1: errno. */
static int
open_input(const struct delivery *d)
{
	int fd = memfd_create("event", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, d->body, d->n) == (ssize_t)d->n && write(fd, "\n", 1) == 1 &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
exec_start(struct hook *h, const struct delivery *d, char *why)
{
	struct running *r = h->own;
	char *environment[] = {r->path, NULL};
	struct process_order order = {
		.argv = r->argv,
		.envp = environment,
		.input_fd = open_input(d),
		.end = on_end,
		.user = h,
	};
	int rc = -TG_EIO;

	/* Those of the configuration before may be gone. */
	memcpy(r->argv, h->conf->exec, h->conf->n_exec * sizeof(r->argv[0]));
	if (order.input_fd >= 0)
		rc = process_run(h->all->programs, &order, &r->process);
	if (rc < 0)
		process_run_why(rc, why, TG_HOOK_WHY);
	if (order.input_fd >= 0)
		close(order.input_fd);
	return rc;
}

static void
exec_cancel(struct hook *h, char *why)
{
	struct running *r = h->own;

	process_kill(&r->process);
	snprintf(why, TG_HOOK_WHY, "killed: it took more than %llu ms",
		 (unsigned long long)h->conf->timeout_ms);
}

static void
exec_target(const struct hook *h, char *ret, size_t size)
{
	snprintf(ret, size, "%s", h->conf->exec[0]);
}

const struct hook_way hook_exec = {
	.name = "exec",
	.open = exec_open,
	.close = exec_close,
	.start = exec_start,
	.cancel = exec_cancel,
	.target = exec_target,
};
