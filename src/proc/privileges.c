#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/capabilities.h"
#include "base/log.h"
#include "loop/fork.h"
#include "proc/privileges.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

/* From a child to the keeper that it becomes, over exec. */
#define TG_GROUPS	"TIDEGATE_GROUPS"
/* The same from any child to what it becomes. */
#define TG_USER         "TIDEGATE_USER"
#define USER_TEXT       24u
#define GROUP_TEXT	12u
#define GROUPS_TOLD_MAX 8192u

#define SETGID (1u << CAP_SETGID)

static int
find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL && errno != 0 && errno != ENOENT)
		return err_set_errno(err, "user = \"%s\": cannot look it up", name);
	if (pw == NULL)
		return err_set(err, TG_ENOENT, "user = \"%s\": no such user", name);
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static int
find_group(const char *name, gid_t *ret_gid, struct err *err)
{
	const struct group *gr;

	errno = 0;
	gr = getgrnam(name);
	if (gr == NULL && errno != 0 && errno != ENOENT)
		return err_set_errno(err, "group = \"%s\": cannot look it up", name);
	if (gr == NULL)
		return err_set(err, TG_ENOENT, "group = \"%s\": no such group", name);
	*ret_gid = gr->gr_gid;
	return 0;
}

static int
find_supplementary(const char *user, struct privileges *p, struct err *err)
{
	int n = 0;

	if (getgrouplist(user, p->gid, NULL, &n) >= 0 || n <= 0 || n > GROUPS_MAX)
		return err_set(err, TG_EIO, "user = \"%s\": cannot list its groups", user);
	p->groups = calloc((size_t)n, sizeof(p->groups[0]));
	if (p->groups == NULL)
		return err_set(err, TG_ENOMEM, "user = \"%s\": no memory for its groups", user);
	if (getgrouplist(user, p->gid, p->groups, &n) < 0) {
		free(p->groups);
		p->groups = NULL;
		return err_set(err, TG_EIO, "user = \"%s\": its groups change", user);
	}
	p->n_groups = (size_t)n;
	return 0;
}

/* Not root: only what we are already can be honoured. */
static int
check_is_us(const char *user, const char *group, const struct privileges *p, struct err *err)
{
	if (user != NULL && p->uid != geteuid())
		return err_set(err, TG_EINVAL, "user = \"%s\": only root can become another user",
			       user);
	if (group != NULL && p->gid != getegid())
		return err_set(err, TG_EINVAL, "group = \"%s\": only root can become another group",
			       group);
	return 0;
}

int
privileges_resolve(const char *user, const char *group, struct privileges *ret, struct err *err)
{
	struct privileges p = {.uid = geteuid(), .gid = getegid()};
	int rc = 0;

	if (user != NULL)
		rc = find_user(user, &p.uid, &p.gid, err);
	if (rc == 0 && group != NULL)
		rc = find_group(group, &p.gid, err);
	if (rc < 0)
		return rc;
	if (geteuid() != 0) {
		rc = check_is_us(user, group, &p, err);
	} else if (user != NULL) {
		p.drop = true;
		rc = find_supplementary(user, &p, err);
	} else if (group != NULL) {
		rc = err_set(err, TG_EINVAL, "group = \"%s\": needs a user too", group);
	}
	if (rc == 0)
		*ret = p;
	return rc;
}

void
privileges_fini(struct privileges *p)
{
	free(p->groups);
	p->groups = NULL;
	p->n_groups = 0;
	free(p->secrets);
	p->secrets = NULL;
	p->n_secrets = 0;
}

bool
privileges_are_root(const struct privileges *p)
{
	return p->uid == 0;
}

static bool
is_among(const gid_t *groups, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* As it is without its secrets. */
static bool
can_open(const struct privileges *p, const struct stat *st)
{
	bool has_group = st->st_gid == p->gid || (!p->drop && group_member(st->st_gid));
	mode_t who = st->st_uid == p->uid ? S_IRWXU : has_group ? S_IRWXG : S_IRWXO;
	mode_t what = S_ISSOCK(st->st_mode) ? S_IWUSR | S_IWGRP | S_IWOTH
					    : S_IRUSR | S_IRGRP | S_IROTH;

	return p->uid == 0 || (st->st_mode & who & what) != 0;
}

bool
privileges_can_read(const struct privileges *p, const char *path)
{
	struct stat st;
	bool is_by_group;

	if (stat(path, &st) < 0)
		return false;
	is_by_group = st.st_uid != p->uid && (st.st_mode & S_IRGRP) != 0 &&
		      is_among(p->groups, p->n_groups, st.st_gid) &&
		      !is_among(p->secrets, p->n_secrets, st.st_gid);
	return is_by_group || can_open(p, &st);
}

/* The group of root is nobody's secret. */
static bool
is_held(const struct privileges *p, const struct stat *st)
{
	return st->st_gid == 0 || is_among(p->secrets, p->n_secrets, st->st_gid);
}

bool
privileges_lack_secret(const struct privileges *p, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !is_held(p, &st);
}

int
privileges_add_secret(struct privileges *p, const char *path, struct err *err)
{
	struct stat st;
	gid_t *secrets;

	if (stat(path, &st) < 0) {
		log_write(TG_LOG_WARN,
			  "a file of the keeper is not there yet: it gets no group that may open it",
			  "file=%s reason=%s", path, strerror(errno));
		return 0;
	}
	if (p->uid != 0 && can_open(p, &st))
		log_write(TG_LOG_WARN,
			  "the proxy could open what only the keeper should: give it a group of its own, and "
			  "start as root with user",
			  "file=%s", path);
	if (is_held(p, &st))
		return 0;
	secrets = realloc(p->secrets, (p->n_secrets + 1) * sizeof(secrets[0]));
	if (secrets == NULL)
		return err_no_memory(err);
	p->secrets = secrets;
	p->secrets[p->n_secrets++] = st.st_gid;
	return 0;
}

bool
privileges_hold_secrets(const struct privileges *p)
{
	return p->drop && p->uid != 0 && p->n_secrets > 0;
}

/* As numbers, with a blank behind each. */
static bool
tell_groups(const gid_t *groups, size_t n)
{
	char *text = n <= GROUPS_TOLD_MAX ? calloc(n + 1, GROUP_TEXT) : NULL;
	size_t used = 0;
	bool is_told;

	if (n > GROUPS_TOLD_MAX)
		errno = E2BIG;
	if (text == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, GROUP_TEXT, "%u ", (unsigned)groups[i]);
	is_told = setenv(TG_GROUPS, text, 1) == 0;
	free(text);
	return is_told;
}

/* In a child: its memory is its own, and goes with exec. */
static bool
set_groups(const struct privileges *p, bool is_keeper)
{
	gid_t *groups = calloc(p->n_groups + p->n_secrets + 1, sizeof(groups[0]));
	size_t n = 0;
	bool is_set;

	if (groups == NULL)
		return false;
	for (size_t i = 0; i < p->n_groups; i++) {
		if (!is_among(p->secrets, p->n_secrets, p->groups[i]))
			groups[n++] = p->groups[i];
	}
	is_set = !is_keeper || !privileges_hold_secrets(p) || tell_groups(groups, n);
	for (size_t i = 0; is_keeper && i < p->n_secrets; i++)
		groups[n++] = p->secrets[i];
	is_set = is_set && setgroups(n, groups) == 0;
	free(groups);
	return is_set;
}

static bool
tell_user(const struct privileges *p)
{
	char text[USER_TEXT];

	snprintf(text, sizeof(text), "%u %u", (unsigned)p->uid, (unsigned)p->gid);
	return setenv(TG_USER, text, 1) == 0;
}

int
privileges_prepare(const struct privileges *p, bool is_keeper)
{
	unsetenv(TG_GROUPS);
	unsetenv(TG_USER);
	if (p->drop && (!set_groups(p, is_keeper) || !tell_user(p)))
		return -TG_EIO;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -TG_EIO;
	return 0;
}

/* Another user has no capability unless it is kept. */
static bool
become_user(uid_t uid, gid_t gid, bool is_holder)
{
	return (!is_holder || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0) &&
	       setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0 &&
	       (!is_holder ||
		(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 && capabilities_set(SETGID, 0, 0) == 0));
}

int
privileges_become(void)
{
	const char *text = getenv(TG_USER);
	pid_t parent = getppid();
	char *end = NULL;
	uid_t uid;
	gid_t gid;

	if (text != NULL) {
		uid = (uid_t)strtoul(text, &end, 10);
		gid = (gid_t)strtoul(end, NULL, 10);
		if (!become_user(uid, gid, getenv(TG_GROUPS) != NULL))
			return -TG_EIO;
		unsetenv(TG_USER);
	}
	privileges_hide_memory();
	/* The change of user undid that. */
	return process_die_with(parent) ? 0 : -TG_EIO;
}

int
privileges_keep_secrets(void)
{
	const char *text = getenv(TG_GROUPS);
	gid_t *groups;
	size_t n = 0;

	if (text == NULL)
		return 0;
	groups = calloc(strlen(text) / 2 + 1, sizeof(groups[0]));
	if (groups == NULL)
		return -TG_ENOMEM;
	for (const char *p = text; *p != '\0'; p += strcspn(p, " ") + 1)
		groups[n++] = (gid_t)strtoul(p, NULL, 10);
	unsetenv(TG_GROUPS);
	fork_give_groups(groups, n);
	return 0;
}

void
privileges_hide_memory(void)
{
	/* It fails for wrong arguments alone. */
	if (geteuid() != 0)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
