/*
 * proc/names.h: backends that are given by name get their addresses.
 *
 * Watches the names with net/resolver.h, gives each address its slot with
 * net/address_set.h, and tells health/ which slot is where. A name that does not
 * resolve leaves its slots down and is tried again; one that stops resolving
 * keeps the addresses it had.
 */
#ifndef TG_PROC_NAMES_H
#define TG_PROC_NAMES_H

#include "admin/source.h"
#include "conf/conf.h"
#include "health/health.h"
#include "loop/loop.h"

struct names;

/* The backends of `conf` that have a name; *ret is NULL when there is none. `health` may hear of
 * some before this returns; `source` says what is in flight. What is passed must outlive it. */
TG_MUST_CHECK int names_start(struct loop *loop, const struct conf *conf, struct health *health,
			      const struct admin_source *source, struct names **ret,
			      struct err *err);
/* The health of a backend changed. Where one of a name is up at an address it has now, those of the
 * name that stay at addresses it had before do so no longer. NULL allowed. */
void names_notice(struct names *names, unsigned service, unsigned backend);
void names_free(struct names *names); /* NULL allowed */

#endif
