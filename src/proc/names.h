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
#include "conf/same.h"
#include "health/health.h"
#include "loop/loop.h"

struct names;
struct names_next;
struct resolver;

/* The backends of `conf` that have a name. `health` may hear of some before this returns; `source` says
 * what is in flight. What is passed must outlive it. -TG_ENOMEM, -TG_EINVAL: *ret, when it is not NULL, is
 * for names_free() all the same. */
TG_MUST_CHECK int names_start(struct loop *loop, const struct conf *conf, struct health *health,
			      const struct admin_source *source, struct names **ret,
			      struct err *err);
/* The health of a backend changed. Where one of a name is up at an address it has now, those of the
 * name that stay at addresses it had before do so no longer. NULL allowed. */
void names_notice(struct names *names, unsigned service, unsigned backend);
void names_free(struct names *names); /* NULL allowed */
/* One that asks the name servers of the configuration. The caller's to free. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int names_start_resolver(struct loop *loop, const struct conf *conf,
				       struct resolver **ret, struct err *err);
/* Whether both configurations ask the same servers. */
bool names_has_same_servers(const struct conf *a, const struct conf *b);

/*
 * Another configuration, in three steps, as that of health/. Entries that are as they were keep their
 * watch and their addresses. Where their number of slots, their port or the name servers are other
 * ones, addresses keep their slots until the name says something else.
 */

/* Beside what runs; new names are asked for already. `same` outlives *ret. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int names_prepare(struct names *names, const struct conf_same *same,
				struct names_next **ret, struct err *err);
void names_drop(struct names_next *next); /* NULL allowed */
/* Goes over; health hears nothing yet. After this the configuration before is not used any more. */
void names_commit(struct names *names, struct names_next *next);
/* Tells health what is known of new names by now. After health_settle(). */
void names_settle(struct names *names);

#endif
