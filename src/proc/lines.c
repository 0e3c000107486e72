#include "proc/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

static int
make(struct lines *lines, unsigned n)
{
	lines->fds = calloc(n, sizeof(lines->fds[0]));
	if (lines->fds == NULL)
		return -TG_ENOMEM;
	lines->n = n;
	for (unsigned i = 0; i < n; i++)
		lines->fds[i] = -1;
	return 0;
}

int
lines_put(struct lines *lines, unsigned n_workers, unsigned worker, int fd)
{
	int rc = lines->fds == NULL ? make(lines, n_workers) : 0;

	if (rc < 0) {
		close(fd);
		return rc;
	}
	assert(worker < lines->n);
	if (lines->fds[worker] >= 0)
		close(lines->fds[worker]);
	lines->fds[worker] = fd;
	return 0;
}

int
lines_give(struct lines *lines, int (*give)(void *arg, unsigned worker, int fd), void *arg)
{
	int rc = 0;

	for (unsigned i = 0; i < lines->n && rc == 0; i++) {
		if (lines->fds[i] >= 0)
			rc = give(arg, i, lines->fds[i]);
		lines->fds[i] = -1;
	}
	return rc;
}

void
lines_fini(struct lines *lines)
{
	for (unsigned i = 0; i < lines->n; i++)
		if (lines->fds[i] >= 0)
			close(lines->fds[i]);
	free(lines->fds);
	*lines = (struct lines){.n = 0};
}
