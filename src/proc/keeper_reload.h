/*
 * proc/keeper_reload.h: the keeper's half of a reload (ipc/msg.h says what the parent sends).
 *
 * Until MSG_COMMIT all that is new stands beside what runs, and whatever may fail has been tried; then
 * the keeper goes over within one turn of its loop. What is the same in both configurations keeps all
 * that is known of it.
 */
#ifndef TG_PROC_KEEPER_RELOAD_H
#define TG_PROC_KEEPER_RELOAD_H

#include "ipc/channel.h"
#include "proc/keeper_priv.h"

/* Whether a message of this type is one of a reload now. */
bool keeper_reload_wants(const struct keeper *k, uint32_t type);
/* Serves it, and answers. Takes its descriptor (-1 in `m` then) or leaves it. -TG_EPROTO: the parent
 * breaks the protocol; -TG_EIO: it is gone; -TG_ENOMEM. */
TG_MUST_CHECK int keeper_reload_message(struct keeper *k, struct message *m);
/* Drops what has not been gone over to. */
void keeper_reload_fini(struct keeper *k);

#endif
