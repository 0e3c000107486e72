/*
 * proc/orders.h: what the keeper still has to tell the proxy.
 *
 * One mark per backend, not a queue of messages: what is sent is its state at
 * the moment of sending, so a slow proxy costs no memory and hears the latest.
 * Nothing here waits.
 */
#ifndef TG_PROC_ORDERS_H
#define TG_PROC_ORDERS_H

#include "conf/same.h"
#include "ipc/channel.h"
#include "loop/loop.h"

struct orders;
struct orders_next;

/* Fills in everything but the slot: the state of that backend now. */
typedef void orders_fill_cb(void *user, unsigned service, unsigned backend,
			    struct msg_backend *ret);

/* How many connections this listener, or TG_LIMIT_OF_ALL, may have by order; false: nothing is ordered. */
typedef bool orders_limit_cb(void *user, uint32_t listener, uint32_t *ret);

/* Owned by the caller; `loop` and `conf` must outlive it. No proxy yet. NULL: no memory. */
struct orders *orders_new(struct loop *loop, const struct conf *conf, orders_fill_cb *fill,
			  void *user);
void orders_free(struct orders *orders); /* NULL allowed */

/* What to say of limits, by the same user. Before the first proxy. */
void orders_tell_limits(struct orders *orders, orders_limit_cb *limit);

/* Until when those who would be held are refused, as in struct msg_refuse. */
typedef void orders_refusal_cb(void *user, unsigned service, struct mono *ret);
/* The same of refusals. */
void orders_tell_refusals(struct orders *orders, orders_refusal_cb *refusal);

/* The challenge at `m->at`, and how many there are. */
typedef void orders_challenge_cb(void *user, struct msg_challenge *m);
/* The same of what authorities that ask for tokens are answered. */
void orders_tell_challenges(struct orders *orders, orders_challenge_cb *challenge);

/* What the proxy says; NULL: it is gone. Negative: it is not to say that, and is given up. */
typedef int orders_hear_cb(void *user, const struct message *m);
/* By the same user. Before the first proxy; without it the proxy has nothing to say. */
void orders_listen(struct orders *orders, orders_hear_cb *hear);
/* Puts a question before all else that is to be said, in place of one that still waits. False: there is no
 * proxy. */
bool orders_ask(struct orders *orders, const struct msg_question *question);

/* A new proxy: takes `fd` over and tells it about every limit, refusal and challenge, then about every backend. */
void orders_set_peer(struct orders *orders, int fd);
bool orders_has_peer(const struct orders *orders);

/* What runs on this backend is to end: said behind what it is told of the backend. */
void orders_cut(struct orders *orders, unsigned service, unsigned backend);

/* The limit of this listener, or of all, changed: the same. */
void orders_mark_limit(struct orders *orders, uint32_t listener);
/* What is refused of this service changed: the same. */
void orders_mark_refusal(struct orders *orders, unsigned service);
/* One of the challenges changed: all are said again. */
void orders_mark_challenges(struct orders *orders);
/* This backend changed: tells the proxy now, or when it can take it. */
void orders_mark(struct orders *orders, unsigned service, unsigned backend);

/* Another configuration. Beside what runs; `same` outlives *ret. -TG_ENOMEM. */
TG_MUST_CHECK int orders_prepare(const struct orders *orders, const struct conf_same *same,
				 struct orders_next **ret);
void orders_drop(struct orders_next *next); /* NULL allowed */
/* Goes over, and says nothing yet. Marks follow their backends; those of services that are not as
 * they were are marked, and all limits and refusals. After this the configuration before is not used any more. */
void orders_commit(struct orders *orders, struct orders_next *next);
/* Says what is marked. */
void orders_settle(struct orders *orders);

#endif
