/*
 * proc/keeper_hooks.h: what happens in the keeper, for the hooks that are to be told (hook/hook.h).
 *
 * An event more is a row of TG_HOOK_EVENTS (conf/conf.h) and a function here.
 */
#ifndef TG_PROC_KEEPER_HOOKS_H
#define TG_PROC_KEEPER_HOOKS_H

#include "proc/keeper_priv.h"

/* -TG_ENOMEM, -TG_EINVAL; logged. Before anything can happen. */
TG_MUST_CHECK int keeper_hooks_start(struct keeper *k);
void keeper_hooks_fini(struct keeper *k);
/* What waits is told, for a bounded time; then the loop stops. */
void keeper_hooks_stop(struct keeper *k);

/* About once a second: what workers count. */
void keeper_hooks_tick(struct keeper *k);

/* The others tell; `user` is the keeper. */
void keeper_hooks_scaled(void *user, const char *service, uint32_t from, uint32_t to,
			 const char *why);
void keeper_hooks_start_failed(void *user, const char *service, const char *backend,
			       const char *why);
/* This instance leads from now on. */
void keeper_hooks_leads(void *user, const char *service, const char *instance, uint64_t epoch);
void keeper_hooks_store(void *user, bool is_well, const char *why);

/* Another configuration; as hooks_prepare(). */
TG_MUST_CHECK int keeper_hooks_prepare(struct keeper *k, struct conf *conf, struct hooks_next **ret,
				       struct err *err);

#endif
