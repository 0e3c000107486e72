/*
 * conf/machine.c: what a configuration names of the machine it is for.
 */
#include "conf/machine_priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/spool.h"

/* The reason; NULL: it can be executed, as far as it can be told from here. */
static const char *
why_not_program(const char *path)
{
	struct stat st;

	if (strchr(path, '{') != NULL)
		return NULL; /* another one for each backend */
	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return strerror(errno);
	return S_ISREG(st.st_mode) ? NULL : "not a program";
}

static void
check_program(struct conf_check *check, const char *key, const char *path)
{
	const char *why = conf_check_file(check, key) ? why_not_program(path) : NULL;

	if (why)
		conf_check_warn(check, key,
				"\"%.256s\": %s; needed: a file that can be executed, until it is "
				"there nothing is started",
				path, why);
}

void
conf_check_argv(struct conf_check *check, const char *key, const char *type, char *const *argv,
		size_t n)
{
	static const char allowed[] = "allowed: ( \"/path/of/program\", \"argument\", ... )";

	if (n == 0 && conf_check_given(check, key))
		return; /* an error already */
	if (n == 0)
		conf_check_error(check, key, "missing; required with type = \"%s\"; %s", type,
				 allowed);
	else if (argv[0] && argv[0][0] != '/')
		conf_check_error(check, key, "\"%.64s\" is not an absolute path; %s", argv[0],
				 allowed);
	else if (argv[0])
		check_program(check, key, argv[0]);
}

void
conf_check_user(struct conf_check *check, const char *key, const char *name)
{
	if (name && geteuid() == 0 && conf_check_file(check, key) && !getpwnam(name))
		conf_check_error(check, key,
				 "no such user \"%.255s\" on this machine; allowed: one that getent "
				 "passwd knows",
				 name);
}

static bool
can_read(const struct stat *st, const struct passwd *pw)
{
	if (st->st_uid == pw->pw_uid)
		return (st->st_mode & S_IRUSR) != 0;
	if (st->st_gid != 0 || pw->pw_gid == 0)
		return (st->st_mode & (S_IRGRP | S_IROTH)) != 0;
	return (st->st_mode & S_IROTH) != 0;
}

void
conf_check_secret(struct conf_check *check, const char *key, const char *path, const char *user)
{
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	struct stat st;

	if (!path || !pw || pw->pw_uid == 0 || !conf_check_file(check, key) || stat(path, &st) < 0)
		return;
	if (!can_read(&st, pw))
		conf_check_warn(check, key,
				"\"%.256s\" cannot be read by user \"%.64s\": what needs it is "
				"down; needed: a file of that user, or of a group that may read it",
				path, user);
}

void
conf_check_folder(struct conf_check *check, const char *key, const char *path)
{
	static const char allowed[] = "allowed: a folder of this machine, by its absolute path";
	struct stat st;

	if (!path)
		return;
	if (path[0] != '/')
		conf_check_error(check, key, "\"%.64s\" is not an absolute path", path);
	else if (!conf_check_file(check, key))
		return;
	else if (stat(path, &st) < 0)
		conf_check_error(check, key, "\"%.256s\": %s; %s", path, strerror(errno), allowed);
	else if (!S_ISDIR(st.st_mode))
		conf_check_error(check, key, "\"%.256s\" is no folder; %s", path, allowed);
}

#define GROUPS_MAX 64

/* What is not known is taken as a yes. */
static bool
is_in_group(const struct passwd *pw, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		return true;
	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* `pw` NULL: who we are. */
static const char *
why_not_usable(const char *path, const struct passwd *pw, unsigned needed)
{
	unsigned shift = 0;
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return strerror(ENOTDIR);
	if (!pw)
		return access(path, (int)needed) < 0 ? strerror(errno) : NULL;
	if (st.st_uid == pw->pw_uid)
		shift = 6;
	else if (is_in_group(pw, st.st_gid))
		shift = 3;
	return pw->pw_uid == 0 || (st.st_mode >> shift & needed) == needed ? NULL
									   : strerror(EACCES);
}

void
conf_check_readable_folder(struct conf_check *check, const char *list, unsigned i, const char *key,
			   const char *path, const char *user)
{
	const struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;
	const char *why = path && conf_check_file(check, list)
				  ? why_not_usable(path, pw, R_OK | X_OK)
				  : NULL;

	if (why)
		conf_check_element_warn(check, list, i, key,
					"\"%.256s\": %s; needed: a folder that %s%.64s can read, "
					"until then nothing in it is found",
					path, why, pw ? "user " : "the user of tidegate",
					pw ? user : "");
}

/* By trying: there are file systems that nobody can make a file in. What may be otherwise in a moment is no error. */
static const char *
why_no_file(const char *folder)
{
	int fd = spool_open_file(folder);

	if (fd >= 0)
		close(fd);
	else if (errno != ENOSPC && errno != EDQUOT && errno != EMFILE && errno != ENFILE)
		return strerror(errno);
	return NULL;
}

void
conf_check_spool_folder(struct conf_check *check, const char *key, const char *path,
			const char *user)
{
	const struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;
	const char *why = path ? why_no_file(path) : NULL;

	if (why)
		conf_check_error(check, key,
				 "\"%.256s\": %s; allowed: a folder of this machine in which files can be made",
				 path, why);
	if (!path || why || !pw)
		return;
	why = why_not_usable(path, pw, W_OK | X_OK);
	if (why)
		conf_check_warn(check, key,
				"\"%.256s\", for user \"%.64s\": %s; needed: a folder that this user can "
				"make files in, until then bodies go on without",
				path, user, why);
}

/* Only what says for sure that it is another machine's. */
static bool
is_foreign(const char *text)
{
	struct addr a;
	struct ip ip;
	int fd;
	bool is;

	if (ip_parse(text, strlen(text), &ip) < 0)
		return false; /* an error already */
	a = ip_addr(&ip, 0);
	fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EAFNOSUPPORT;
	is = bind(fd, &a.u.sa, a.len) < 0 && errno == EADDRNOTAVAIL;
	close(fd);
	return is;
}

void
conf_check_own_address(struct conf_check *check, const char *key, const char *text)
{
	if (text && conf_check_file(check, key) && is_foreign(text))
		conf_check_error(check, key,
				 "\"%.64s\" is no address of this machine; allowed: one that ip "
				 "address shows, as \"127.0.0.1\"",
				 text);
}
