#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proc/privileges.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

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
}

bool
privileges_are_root(const struct privileges *p)
{
	return p->uid == 0;
}

int
privileges_drop(const struct privileges *p)
{
	if (p->drop &&
	    (setgroups(p->n_groups, p->groups) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	     setresuid(p->uid, p->uid, p->uid) < 0))
		return -TG_EIO;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -TG_EIO;
	return 0;
}
