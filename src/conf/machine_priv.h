/*
 * conf/machine_priv.h: what a configuration names of the machine it is for, looked for when a file is read.
 *
 * Between our own processes nothing is looked for: what was there when the parent read the file may be gone, and
 * what has begun goes on. An error is what must be there to begin with: accounts, folders, addresses. A warning is a
 * program: it may be put there later, and until then its service alone is without what it starts; a start with an error
 * would leave all others without a front door.
 */
#ifndef TG_CONF_MACHINE_PRIV_H
#define TG_CONF_MACHINE_PRIV_H

#include <stddef.h>

#include "conf/schema_priv.h"

/* All of these: nothing where the value is NULL, as it was an error already. */

/* A program by its absolute path and its arguments, which type = "`type`" requires. */
void conf_check_argv(struct conf_check *check, const char *key, const char *type, char *const *argv,
		     size_t n);
/* A user that this machine knows. Who is not root becomes nobody else: that machine may be another one. */
void conf_check_user(struct conf_check *check, const char *key, const char *name);
/* A warning where a file is there, and the keeper, as this user, cannot read it: of groups it is given those that such
 * files have, but root's. `user` NULL: nobody becomes another one. */
void conf_check_secret(struct conf_check *check, const char *key, const char *path, const char *user);
/* An absolute path of a folder. */
void conf_check_folder(struct conf_check *check, const char *key, const char *path);
/* A warning where the keeper, as this user, cannot read what is in the folder that element `i` of `list` names. `user` NULL:
 * whoever runs this. */
void conf_check_readable_folder(struct conf_check *check, const char *list, unsigned i,
				const char *key, const char *path, const char *user);
/* A folder in which a file can be made, which is tried; it may be full. A warning where only this user, as the proxy, cannot by
 * its mode. `user` NULL: whoever runs this. */
void conf_check_spool_folder(struct conf_check *check, const char *key, const char *path,
			     const char *user);
/* An address, without a port, where something may be bound. */
void conf_check_own_address(struct conf_check *check, const char *key, const char *text);

#endif
