#include "proc/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/reload_order.h"
#include "proc/thread.h"

#define FILE_MODE 0640

struct text {
	char *bytes; /* NULL: none */
	size_t n;
};

struct state_file {
	char *path;
	char *beside; /* where it is written before it is renamed */
	char *folder;
	pthread_t thread;
	bool was_failing; /* as logged */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t news;
		pthread_cond_t written;
		struct text next;
		bool is_over;
		bool is_writing;
		int error; /* errno of the last try; 0: it worked */
	} shared;
};

/* reading */

/* The rename keeps it for people to look at, and out of our way. */
static int
set_aside(const char *path, int rc, const struct err *why, struct err *err)
{
	char *aside = NULL;

	if (asprintf(&aside, "%s.bad", path) < 0)
		return err_set(err, (enum tg_errno) - rc, "%s: %s", path, why->text);
	if (rename(path, aside) == 0)
		err_set(err, (enum tg_errno) - rc, "%s: %s; it is now %s", path, why->text, aside);
	else
		err_set(err, (enum tg_errno) - rc, "%s: %s; it cannot be renamed: %s", path,
			why->text, strerror(errno));
	free(aside);
	return rc;
}

int
state_file_read(const char *path, struct conf_state **ret, struct err *err)
{
	struct err why;
	char *text;
	size_t n;
	int rc = conf_read_file(path, TG_CONF_STATE_MAX, &text, &n, &why);

	*ret = NULL;
	if (rc == -TG_ENOENT)
		return 0;
	if (rc == -TG_ELIMIT)
		return set_aside(path, rc, &why, err);
	if (rc < 0)
		return err_set(err, (enum tg_errno) - rc, "%s: %s", path, why.text);
	rc = conf_state_load(text, n, ret, &why);
	free(text);
	return rc < 0 ? set_aside(path, rc, &why, err) : 0;
}

int
state_load_fd(int fd, struct conf_state **ret, struct err *err)
{
	char *text;
	size_t n;
	int rc = reload_text_load_fd(fd, TG_CONF_STATE_MAX, &text, &n, err);

	*ret = NULL;
	if (rc < 0)
		return rc;
	rc = conf_state_load(text, n, ret, err);
	free(text);
	return rc;
}

/* writing */

static int
write_all(int fd, const struct text *text)
{
	size_t at = 0;

	while (at < text->n) {
		ssize_t n = write(fd, text->bytes + at, text->n - at);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			at += (size_t)n;
	}
	return fsync(fd);
}

/* The rename is on the disk as well. */
static void
sync_folder(const struct state_file *f)
{
	int fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* 0 or an errno. */
static int
replace(const struct state_file *f, const struct text *text)
{
	int fd = open(f->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	int error = 0;

	if (fd < 0)
		return errno;
	if (write_all(fd, text) < 0)
		error = errno;
	if (close(fd) < 0 && error == 0)
		error = errno;
	if (error == 0 && rename(f->beside, f->path) < 0)
		error = errno;
	if (error != 0)
		unlink(f->beside);
	else
		sync_folder(f);
	return error;
}

/* The next text, or none: it is over. */
static struct text
take(struct state_file *f)
{
	struct text text;

	pthread_mutex_lock(&f->shared.lock);
	while (f->shared.next.bytes == NULL && !f->shared.is_over)
		pthread_cond_wait(&f->shared.news, &f->shared.lock);
	text = f->shared.next;
	f->shared.next.bytes = NULL;
	f->shared.is_writing = text.bytes != NULL;
	pthread_mutex_unlock(&f->shared.lock);
	return text;
}

static void *
run(void *arg)
{
	struct state_file *f = arg;
	struct text text;

	while ((text = take(f)).bytes != NULL) {
		int error = replace(f, &text);

		free(text.bytes);
		pthread_mutex_lock(&f->shared.lock);
		f->shared.error = error;
		f->shared.is_writing = false;
		pthread_cond_broadcast(&f->shared.written);
		pthread_mutex_unlock(&f->shared.lock);
	}
	return NULL;
}

static void
state_file_free(struct state_file *f)
{
	pthread_cond_destroy(&f->shared.news);
	pthread_cond_destroy(&f->shared.written);
	pthread_mutex_destroy(&f->shared.lock);
	free(f->shared.next.bytes);
	free(f->path);
	free(f->beside);
	free(f->folder);
	free(f);
}

int
state_file_start(const char *path, struct state_file **ret)
{
	struct state_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -TG_ENOMEM;
	f->path = strdup(path);
	pthread_mutex_init(&f->shared.lock, NULL);
	pthread_cond_init(&f->shared.news, NULL);
	pthread_cond_init(&f->shared.written, NULL);
	f->folder = strdup(path);
	if (f->path == NULL || f->folder == NULL || asprintf(&f->beside, "%s.new", path) < 0) {
		f->beside = NULL;
		state_file_free(f);
		return -TG_ENOMEM;
	}
	*(strrchr(f->folder + 1, '/') != NULL ? strrchr(f->folder, '/') : f->folder + 1) = '\0';
	if (pthread_create(&f->thread, NULL, run, f) != 0) {
		state_file_free(f);
		return -TG_ENOMEM;
	}
	*ret = f;
	return 0;
}

void
state_file_write(struct state_file *f, char *text, size_t n)
{
	pthread_mutex_lock(&f->shared.lock);
	free(f->shared.next.bytes);
	f->shared.next = (struct text){.bytes = text, .n = n};
	pthread_cond_signal(&f->shared.news);
	pthread_mutex_unlock(&f->shared.lock);
}

bool
state_file_sync(struct state_file *f, unsigned timeout_ms)
{
	struct timespec until;
	bool is_done;

	if (f == NULL)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&f->shared.lock);
	while (f->shared.next.bytes != NULL || f->shared.is_writing)
		if (pthread_cond_clockwait(&f->shared.written, &f->shared.lock, CLOCK_MONOTONIC,
					   &until) != 0)
			break;
	is_done = f->shared.next.bytes == NULL && !f->shared.is_writing && f->shared.error == 0;
	pthread_mutex_unlock(&f->shared.lock);
	return is_done;
}

void
state_file_watch(struct state_file *f)
{
	int error;

	if (f == NULL)
		return;
	pthread_mutex_lock(&f->shared.lock);
	error = f->shared.error;
	pthread_mutex_unlock(&f->shared.lock);
	if (error != 0 && !f->was_failing)
		log_write(TG_LOG_ERROR, "state cannot be saved, orders end with this process",
			  "file=%s reason=%s", f->path, strerror(error));
	if (error == 0 && f->was_failing)
		log_write(TG_LOG_INFO, "state is saved again", "file=%s", f->path);
	f->was_failing = error != 0;
}

bool
state_file_stop(struct state_file *f, unsigned timeout_ms)
{
	if (f == NULL)
		return true;
	pthread_mutex_lock(&f->shared.lock);
	f->shared.is_over = true;
	pthread_cond_signal(&f->shared.news);
	pthread_mutex_unlock(&f->shared.lock);
	if (!thread_join(f->thread, timeout_ms))
		return false;
	state_file_watch(f);
	state_file_free(f);
	return true;
}
