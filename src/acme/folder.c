#include "acme/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files that are looked at: a folder of something else is not ours to read through. */
#define FILES_MAX 2048u
#define BYTES_MAX (TG_CHALLENGE_ANSWER_MAX + 8)

static bool
read_one(int folder, const char *name, struct challenge *ret)
{
	size_t name_n = strlen(name);
	char text[BYTES_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd;

	if (!challenge_is_token(name, name_n))
		return false;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	close(fd);
	return n > 0 && challenge_read(name, name_n, text, (size_t)n, ret);
}

/* 0: it can be read. */
static int
error_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

size_t
folder_read(const char *path, struct challenge *ret, size_t max, int *ret_error)
{
	const struct dirent *entry;
	unsigned n_seen = 0;
	char full[1024 + sizeof(TG_CHALLENGE_PATH)];
	size_t n = 0;
	DIR *folder;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", path, TG_CHALLENGE_PATH) >= sizeof(full)) {
		*ret_error = ENAMETOOLONG;
		return 0;
	}
	folder = opendir(full);
	*ret_error = folder == NULL ? errno : 0;
	if (*ret_error == ENOENT)
		*ret_error = error_of(path);
	if (folder == NULL)
		return 0;
	while (n < max && n_seen++ < FILES_MAX && (entry = readdir(folder)) != NULL)
		n += read_one(dirfd(folder), entry->d_name, &ret[n]);
	closedir(folder);
	return n;
}
