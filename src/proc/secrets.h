/*
 * proc/secrets.h: the files that only the keeper may open: sockets of Docker daemons, keys of nodes, passwords of
 * registries. A process has the groups they belong to from its start, or never.
 */
#ifndef TG_PROC_SECRETS_H
#define TG_PROC_SECRETS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/conf.h"
#include "proc/privileges.h"

/* All of this configuration, as privileges_add_secret() does each. -TG_ENOMEM. */
TG_MUST_CHECK int secrets_add(struct privileges *p, const struct conf *conf, struct err *err);
/* Whether one of them belongs to a group now that children of these privileges do not treat as secret, as it was changed, or
 * is named newly: other children have to be started. Which, to `out`, in one line without its end. */
bool secrets_are_out_of_reach(const struct privileges *p, const struct conf *conf, FILE *out);

#endif
