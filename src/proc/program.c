#include "proc/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

/* Whether `path`, which is freed if not, leads to the program that runs. */
static bool
is_us(char **path)
{
	struct stat self;
	struct stat st;

	if (stat(SELF, &self) == 0 && stat(*path, &st) == 0 && st.st_dev == self.st_dev &&
	    st.st_ino == self.st_ino)
		return true;
	free(*path);
	*path = NULL;
	return false;
}

/* NULL: it does not lead to us. */
static char *
from_here(const char *argv0)
{
	char here[PATH_MAX];
	char *path = NULL;
	int n;

	if (argv0[0] == '/')
		n = asprintf(&path, "%s", argv0);
	else if (getcwd(here, sizeof(here)) != NULL)
		n = asprintf(&path, "%s/%s", here, argv0);
	else
		return NULL;
	return n >= 0 && is_us(&path) ? path : NULL;
}

static char *
from_search_path(const char *argv0)
{
	const char *at = getenv("PATH");

	while (at != NULL && *at != '\0') {
		size_t n = strcspn(at, ":");
		char *path = NULL;

		if (at[0] == '/' && asprintf(&path, "%.*s/%s", (int)n, at, argv0) >= 0 &&
		    is_us(&path))
			return path;
		at += n + (at[n] == ':');
	}
	return NULL;
}

int
program_find(const char *argv0, char **ret, struct err *err)
{
	char self[PATH_MAX];
	char *path = NULL;
	ssize_t n;

	if (argv0 != NULL)
		path = strchr(argv0, '/') != NULL ? from_here(argv0) : from_search_path(argv0);
	if (path == NULL) {
		n = readlink(SELF, self, sizeof(self) - 1);
		if (n < 0)
			return err_set_errno(err, "cannot find our own program");
		path = strndup(self, (size_t)n);
	}
	if (path == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the path of our program");
	*ret = path;
	return 0;
}
