/*
 * module/load.c: shared objects, and whose they must be.
 *
 * Code that is loaded can do all this process can. So the file, and every
 * folder on the way to it, must be in nobody's hands but root's and ours.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "module/module_priv.h"

/* What was loaded: the same file again is no error. */
static struct file {
	dev_t device;
	ino_t inode;
	struct timespec changed;
	off_t size;
	char path[PATH_MAX]; /* resolved */
} files[TG_MODULES_MAX];
static size_t n_files;

/*** Whose it is ***/

static int
check_owner(const char *what, const char *path, const struct stat *st, struct err *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(err, TG_EINVAL,
			       "%s %.200s is of user %u; allowed: root and %u, who runs this", what,
			       path, (unsigned)st->st_uid, (unsigned)geteuid());
	return 0;
}

static int
check_file(const char *path, struct stat *ret, struct err *err)
{
	int r;

	if (stat(path, ret) < 0)
		return err_set_errno(err, "%.200s", path);
	if (!S_ISREG(ret->st_mode))
		return err_set(err, TG_EINVAL, "%.200s is no regular file", path);
	r = check_owner("file", path, ret, err);
	if (r < 0)
		return r;
	if (ret->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, TG_EINVAL,
			       "%s may write file %.200s (mode %03o); allowed: its owner alone",
			       ret->st_mode & S_IWOTH ? "everybody" : "its group", path,
			       (unsigned)ret->st_mode & 07777);
	return 0;
}

static int
check_folder(const char *path, struct err *err)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_set_errno(err, "%.200s", path);
	r = check_owner("folder", path, &st, err);
	if (r < 0)
		return r;
	/* In a sticky one only owners rename and remove. */
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		return err_set(err, TG_EINVAL,
			       "%s may write folder %.200s (mode %03o); allowed: its owner alone",
			       st.st_mode & S_IWOTH ? "everybody" : "its group", path,
			       (unsigned)st.st_mode & 07777);
	return 0;
}

/* Every folder above `path`, which is absolute; cuts it. */
static int
check_folders(char *path, struct err *err)
{
	char *slash;
	int r = 0;

	while (r == 0 && (slash = strrchr(path, '/')) != NULL && path[1] != '\0') {
		slash[slash == path] = '\0';
		r = check_folder(path, err);
	}
	return r;
}

/* The file, and where a link to it stands. */
static int
check_place(const char *path, const char *resolved, struct stat *ret, struct err *err)
{
	char folder[PATH_MAX];
	char copy[PATH_MAX];
	int r = check_file(resolved, ret, err);

	if (r == 0) {
		snprintf(copy, sizeof(copy), "%s", resolved);
		r = check_folders(copy, err);
	}
	if (r < 0)
		return r;
	snprintf(copy, sizeof(copy), "%s", path);
	strrchr(copy, '/')[1] = '\0';
	if (realpath(copy, folder) == NULL)
		return err_set_errno(err, "%.200s", copy);
	r = check_folder(folder, err);
	return r < 0 ? r : check_folders(folder, err);
}

/*** What it is ***/

static void
host_log(enum tg_host_level level, const char *text)
{
	static const enum log_level levels[] = {
		[TG_HOST_ERROR] = TG_LOG_ERROR,
		[TG_HOST_WARN] = TG_LOG_WARN,
		[TG_HOST_INFO] = TG_LOG_INFO,
		[TG_HOST_DEBUG] = TG_LOG_DEBUG,
	};

	log_write((unsigned)level <= TG_HOST_DEBUG ? levels[level] : TG_LOG_ERROR, "module says",
		  "text=%s", text);
}

static const struct tg_host host = {
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(host),
	.log = host_log,
};

static int
add_from(void *object, const char *path, struct err *err)
{
	const struct tg_module *module;
	void *symbol = dlsym(object, TG_MODULE_ENTRY);
	tg_module_entry *entry;
	struct err why;
	int r;

	if (symbol == NULL)
		return err_set(err, TG_EINVAL, "%.200s is no module: it has no function %s()", path,
			       TG_MODULE_ENTRY);
	/* POSIX: a function's address has room in a void pointer. */
	memcpy(&entry, &symbol, sizeof(entry));
	module = entry(&host);
	if (module == NULL)
		return err_set(err, TG_EINVAL,
			       "%.200s: the module cannot work with interface %u.%u", path,
			       TG_MODULE_MAJOR, TG_MODULE_MINOR);
	r = module_add(module, &why);
	return r < 0 ? err_set(err, (enum tg_errno) - r, "%.200s: %.290s", path, why.text) : 0;
}

static int
load(const char *path, struct err *err)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const char *why;
	int r;

	if (object == NULL) {
		why = dlerror();
		return err_set(err, TG_EINVAL, "%.400s", why != NULL ? why : path);
	}
	r = add_from(object, path, err);
	if (r < 0)
		dlclose(object);
	return r;
}

/*** What is loaded ***/

static bool
is_same(const struct file *f, const struct stat *st)
{
	return f->device == st->st_dev && f->inode == st->st_ino && f->size == st->st_size &&
	       f->changed.tv_sec == st->st_mtim.tv_sec && f->changed.tv_nsec == st->st_mtim.tv_nsec;
}

static const struct file *
find_file(const char *resolved)
{
	for (size_t i = 0; i < n_files; i++) {
		if (strcmp(files[i].path, resolved) == 0)
			return &files[i];
	}
	return NULL;
}

static void
keep_file(const char *resolved, const struct stat *st)
{
	struct file *f = &files[n_files++];

	*f = (struct file){
		.device = st->st_dev,
		.inode = st->st_ino,
		.changed = st->st_mtim,
		.size = st->st_size,
	};
	snprintf(f->path, sizeof(f->path), "%s", resolved);
}

int
module_load(const char *path, struct err *err)
{
	char resolved[PATH_MAX];
	const struct file *before;
	struct stat st;
	int r;

	if (path[0] != '/')
		return err_set(err, TG_EINVAL, "\"%.200s\" is no absolute path", path);
	if (strlen(path) >= PATH_MAX || realpath(path, resolved) == NULL)
		return err_set_errno(err, "%.200s", path);
	r = check_place(path, resolved, &st, err);
	if (r < 0)
		return r;
	before = find_file(resolved);
	if (before != NULL && is_same(before, &st))
		return 0;
	if (before != NULL)
		return err_set(err, TG_EEXIST,
			       "%.200s has changed since it was loaded: modules stay as they are "
			       "while tidegate runs; start it anew, or give the file another name",
			       path);
	if (n_files == TG_MODULES_MAX)
		return err_set(err, TG_ELIMIT, "more than %u modules", TG_MODULES_MAX);
	r = load(resolved, err);
	if (r == 0)
		keep_file(resolved, &st);
	return r;
}

int
modules_load(const struct conf *conf, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < conf->n_modules && r == 0; i++)
		r = module_load(conf->modules[i], err);
	return r;
}
