/*
 * proc/wants.h: what the keeper hears of services that are wanted while nothing of them is up,
 * and what it answers.
 *
 * The proxy says it once (MSG_WANTED) when a first stream is held, and again when the hold was empty, and
 * to each keeper that is new. Streams go out by themselves as soon as a backend is up. The answer
 * is needed only where none will be soon: a refusal, which stays until it is taken back.
 */
#ifndef TG_PROC_WANTS_H
#define TG_PROC_WANTS_H

#include "conf/conf.h"
#include "ipc/msg.h"
#include "proc/orders.h"

struct wants;

/* Streams of this service are held. By its place in the configuration. */
typedef void wants_cb(void *user, unsigned service);

/* Owned by the caller; `conf` outlives it, or wants_commit() comes. Nobody hears it yet. NULL: no memory. */
struct wants *wants_new(const struct conf *conf, uint32_t n_slots);
void wants_free(struct wants *wants); /* NULL allowed */

void wants_listen(struct wants *wants, wants_cb *on_wanted, void *user);
/* The payload of MSG_WANTED. -TG_EPROTO: there can be no such slot. */
TG_MUST_CHECK int wants_hear(struct wants *wants, const struct msg_wanted *m);

/*
 * The service could not be started, or its next start waits: streams that are held get 503 now, to come
 * again at `until`, and so do those that come, until a backend is up or this is called with an unset time. False: it was so already. What is true is to be told: orders_mark_refusal().
 */
bool wants_refuse(struct wants *wants, unsigned service, struct mono until);
/* What was last said with that; unset: they are held. */
struct mono wants_refusal(const struct wants *wants, unsigned service);

/* Another configuration: what is known of services that stay, stays. */
void wants_commit(struct wants *wants, const struct conf *conf);
/* Tells of services that were wanted before they were known here. */
void wants_settle(struct wants *wants);

#endif
