/*
 * proc/keeper_store.h: the keeper's store (store/store.h), and how another takes its place at a reload.
 */
#ifndef TG_PROC_KEEPER_STORE_H
#define TG_PROC_KEEPER_STORE_H

#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "store/store.h"

/* Storage is the owner's; zeroed: none. */
struct keeper_store {
	struct store *store;
	struct resolver *resolver; /* of the host in its url */
};

/* One that cannot be reached is opened all the same, and not well; `change` and `user` as of store_open(). -TG_ENOMEM, or
 * what `err` says. */
TG_MUST_CHECK int keeper_store_open(const struct conf *conf, struct loop *loop,
				    store_change_cb *change, void *user, struct keeper_store *ret,
				    struct err *err);
/* What was put last is written within `timeout_ms`, for which it blocks. Zeroed is allowed, and left. */
void keeper_store_close(struct keeper_store *s, unsigned timeout_ms);

/* Whether `next` wants another store, or has its name looked up elsewhere. */
bool keeper_store_differs(const struct conf *present, const struct conf *next);
/* *s becomes *next, with all that is remembered; *next is the one before, to be closed. */
void keeper_store_replace(struct keeper_store *s, struct keeper_store *next);

#endif
