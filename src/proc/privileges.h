/*
 * proc/privileges.h: whom the children run as.
 */
#ifndef TG_PROC_PRIVILEGES_H
#define TG_PROC_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A resolved user and its groups. */
struct privileges {
	bool drop; /* false: the children stay who we are */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary groups; owned, privileges_fini() */
	size_t n_groups;
	gid_t *secrets; /* groups of files that only the keeper may open; owned */
	size_t n_secrets;
};

/*
 * What `user` and `group` of the configuration (NULL: not given) mean for this
 * process. An unknown name, a `group` without a `user`, or somebody we cannot
 * become because we are not root is an error.
 */
TG_MUST_CHECK int privileges_resolve(const char *user, const char *group, struct privileges *ret,
				     struct err *err);
void privileges_fini(struct privileges *p); /* zeroed allowed */

/* A file that the keeper needs and the proxy must not have: a Docker daemon's socket, a key. The keeper gets the group
 * it belongs to, the proxy loses it. One that is not there yet, and one that the proxy can open all the same, are
 * told in the log. -TG_ENOMEM. */
TG_MUST_CHECK int privileges_add_secret(struct privileges *p, const char *path, struct err *err);

/* Whether children of these privileges have this file's group neither as a secret nor need none for it. False where it cannot
 * be looked at. */
bool privileges_lack_secret(const struct privileges *p, const char *path);

/* Whether the proxy of these privileges may read this file, by the rights of it alone. False where it cannot be looked at. */
bool privileges_can_read(const struct privileges *p, const char *path);

/* True when the children would be root for want of a `user`. */
bool privileges_are_root(const struct privileges *p);

/* Whether the keeper can keep what it alone is to reach from the programs it runs: it is not root, and was made by one who is. */
bool privileges_hold_secrets(const struct privileges *p);

/*
 * A child becomes that user in two steps, one before exec and one behind it. Exec makes a process one that others of its
 * user may trace, and who has done so, or has its memory open, goes on when it is not any more: who has the proxy would kill the
 * keeper and have the next one. So it is still who we are over exec, and the change of user itself leaves it undumpable.
 */
/* Between fork and exec: supplementary groups, as the keeper's or as another's; leaves ambient capabilities (a service
 * manager's, for binding low ports) behind, gives up gaining privileges by exec, and tells the program in its environment whom to
 * become. 0, or -TG_EIO with errno. */
TG_MUST_CHECK int privileges_prepare(const struct privileges *p, bool is_keeper);
/* First thing in the program, of one thread: becomes that user, for good, hides its memory (below), and is killed with its parent
 * as before. The keeper that holds secrets keeps CAP_SETGID, permitted and not in effect: who has the secrets is root on the nodes
 * anyway. -TG_EIO with errno. */
TG_MUST_CHECK int privileges_become(void);
/* In the keeper, then: no program that it runs has the groups of secrets. -TG_ENOMEM. */
TG_MUST_CHECK int privileges_keep_secrets(void);

/* From now on no other process of the same user may read the memory of this one, or trace it, and no core file of it is
 * written: keys and passwords are there, and programs of hooks and providers, and who has taken over the proxy, may be that user.
 * Root, from whom nothing can be hidden, is left as it is. */
void privileges_hide_memory(void);

#endif
