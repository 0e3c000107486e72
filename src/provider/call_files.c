#include "provider/call_files.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct content {
	struct stat is; /* as it was read */
	char *text;     /* NULL: no such file */
	size_t n;
};

struct call_files {
	unsigned n_users;
	struct content of[CALL_FILES];
};

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
is_current(const struct call_files *f, const char *const paths[CALL_FILES])
{
	struct stat st;

	for (unsigned i = 0; i < CALL_FILES; i++) {
		if (paths[i] != NULL && (stat(paths[i], &st) < 0 || !is_same(&st, &f->of[i].is)))
			return false;
	}
	return true;
}

static bool
read_all(int fd, struct content *ret)
{
	ssize_t n = 1;

	ret->text = malloc((size_t)ret->is.st_size);
	while (ret->text != NULL && n > 0 && ret->n < (size_t)ret->is.st_size) {
		n = read(fd, ret->text + ret->n, (size_t)ret->is.st_size - ret->n);
		ret->n += n > 0 ? (size_t)n : 0;
	}
	return ret->text != NULL && ret->n == (size_t)ret->is.st_size;
}

static bool
read_file(const char *path, struct content *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is_read = fd >= 0 && fstat(fd, &ret->is) == 0 && S_ISREG(ret->is.st_mode) &&
		       ret->is.st_size > 0 && ret->is.st_size <= TG_CALL_FILE_MAX &&
		       read_all(fd, ret);

	if (fd >= 0)
		close(fd);
	return is_read;
}

static struct call_files *
files_new(const char *const paths[CALL_FILES])
{
	struct call_files *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->n_users = 1;
	for (unsigned i = 0; i < CALL_FILES; i++) {
		if (paths[i] != NULL && !read_file(paths[i], &f->of[i])) {
			call_files_drop(f);
			return NULL;
		}
	}
	return f;
}

struct call_files *
call_files_look(struct call_files *known, const char *const paths[CALL_FILES])
{
	if (known == NULL || !is_current(known, paths))
		return files_new(paths);
	known->n_users++;
	return known;
}

void
call_files_drop(struct call_files *f)
{
	if (f == NULL || --f->n_users > 0)
		return;
	for (unsigned i = 0; i < CALL_FILES; i++) {
		if (f->of[i].text != NULL)
			explicit_bzero(f->of[i].text, f->of[i].n);
		free(f->of[i].text);
	}
	free(f);
}

const char *
call_files_text(const struct call_files *f, enum call_file which, size_t *ret_n)
{
	*ret_n = f->of[which].n;
	return f->of[which].text;
}
