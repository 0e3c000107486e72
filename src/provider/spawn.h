/*
 * provider/spawn.h: a new process of a service, with all that its configuration gives it.
 */
#ifndef TG_PROVIDER_SPAWN_H
#define TG_PROVIDER_SPAWN_H

#include "provider/cgroup.h"
#include "provider/mark.h"
#include "provider/provider.h"

/* Whom the processes run as. */
struct spawn_user {
	bool is_other; /* than this process */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned */
	size_t n_groups;
};

struct spawn_order {
	const struct conf_provider *conf;
	const struct mark_owner *owner;
	const struct spawn_user *user;
	const struct cgroup_door *door; /* NULL: it stays in our control group */
	struct mark mark;               /* but for its output */
};

/* Owned by who asked. */
struct spawned {
	pid_t pid;
	int pid_fd;
	int report_fd; /* see fork_failed(), spawn_step_str() */
	int output_fd;
};

/* NULL: ours. -TG_EINVAL: no such user, or we may not; -TG_ENOMEM; -TG_EIO. */
TG_MUST_CHECK int spawn_user_find(const char *name, struct spawn_user *ret, struct err *err);
void spawn_user_fini(struct spawn_user *u); /* zeroed allowed */

/* -TG_ENOMEM, -TG_EIO; nothing is left then. */
TG_MUST_CHECK int spawn_backend(const struct spawn_order *order, struct spawned *ret,
				struct err *err);
/* What failed: "cannot execute it". */
const char *spawn_step_str(int step);

#endif
