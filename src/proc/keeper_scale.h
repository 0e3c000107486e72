/*
 * proc/keeper_scale.h: the control loop in the keeper: what the scaler orders goes the way of an operator's orders.
 */
#ifndef TG_PROC_KEEPER_SCALE_H
#define TG_PROC_KEEPER_SCALE_H

#include "proc/keeper_priv.h"

/* Hears of operators' orders from now on. */
void keeper_scale_watch(struct keeper *k);
/* After orders were restored. Negative: what cannot be is logged. */
TG_MUST_CHECK int keeper_scale_start(struct keeper *k);
/* Another configuration is gone over to: what is ordered of it, and else as configured. */
void keeper_scale_reloaded(struct keeper *k);
/* A store_change_cb: logs it, and tells hooks; `user` is the keeper. */
void keeper_scale_on_store(void *user, bool is_well, const char *why);
/* As keeper_store_replace(), for all who use it. */
void keeper_scale_set_store(struct keeper *k, struct keeper_store *next);
/* Instances go on, for who comes after, unless they were stopped. */
void keeper_scale_fini(struct keeper *k);
/* Tidegate ends, and the proxy is gone: instances stop, each within its grace and this one, and then the loop. */
void keeper_scale_stop(struct keeper *k, uint64_t grace_ms);

#endif
