/*
 * proc/names.h: backends that are given by host name get their address.
 *
 * Watches the names with net/resolver.h and tells health/ each address. A name
 * that does not resolve leaves its backend down and is tried again; one that
 * stops resolving keeps the address it had.
 */
#ifndef TG_PROC_NAMES_H
#define TG_PROC_NAMES_H

#include "conf/conf.h"
#include "health/health.h"
#include "loop/loop.h"

struct names;

/* The backends of `conf` that have a name; *ret is NULL when there is none. `health` may hear of
 * some before this returns. What is passed must outlive it. */
TG_MUST_CHECK int names_start(struct loop *loop, const struct conf *conf, struct health *health,
			      struct names **ret, struct err *err);
void names_free(struct names *names); /* NULL allowed */

#endif
