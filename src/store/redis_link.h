/*
 * store/redis_link.h: one connection to redis, made again and again; hiredis on our own loop.
 *
 * Waits, connects and greets (AUTH, SELECT, PING) within the timeout, is ready, until it fails: then it is
 * closed, and made again after 100 ms, doubling to 2 s, less a random half. Nothing here blocks but
 * redis_link_drive().
 *
 * What redis says is foreign: arrays, which no command of ours has as its answer, answers to nothing and answers of
 * more than 1 MiB are refused before they are built, and what is told of an answer is one clean line. Never the answer
 * to AUTH but its first word: it may hold the password.
 */
#ifndef TG_STORE_REDIS_LINK_H
#define TG_STORE_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"

struct redis_link;

/* All from the loop, or inside redis_link_drive() and redis_link_fail(). */
struct redis_link_ops {
	/* It may be written to. */
	void (*ready)(void *user);
	/* To what was sent as `item`: an integer, string, status, nil or error; in the order of sending. */
	void (*answer)(void *user, void *item, const redisReply *reply);
	/* Answers that are missing will not come. `why` is one line. */
	void (*down)(void *user, const char *why);
};

/* Owned by the caller; begins in the next turn of the loop. `conf` is a redis, and need not stay. -TG_ENOMEM,
 * -TG_EINVAL: the url, or a name without `resolver`. */
TG_MUST_CHECK int redis_link_open(const struct conf_store *conf, struct loop *loop,
				  struct resolver *resolver, const struct redis_link_ops *ops,
				  void *user, struct redis_link **ret, struct err *err);
/* Another one to the same redis, or cluster, at this host: with the account, the timeout and the certificates of `first`, which outlives it. Fails
 * as above. */
TG_MUST_CHECK int redis_link_open_beside(const struct redis_link *first, const struct endpoint *at,
					 const struct redis_link_ops *ops, void *user,
					 struct redis_link **ret, struct err *err);
/* Hosts it may try too, in place of those learned before; they stay until the next call. */
void redis_link_learn(struct redis_link *l, const struct endpoint *list, size_t n);
/* Where it is, or was tried last: a name where the host has one. */
const struct endpoint *redis_link_where(const struct redis_link *l);
/* Without a word to anybody. NULL allowed. Not inside its own calls. */
void redis_link_close(struct redis_link *l);

bool redis_link_is_ready(const struct redis_link *l);
/* One whole command in redis' protocol, copied. What cannot be sent fails the link in the next turn. */
void redis_link_send(struct redis_link *l, const char *command, size_t n, void *item);
/* All answers are to be there within the timeout from now on, or it fails; and: they are there, and good. */
void redis_link_expect(struct redis_link *l);
void redis_link_settle(struct redis_link *l);
/* Gives it up for now: down() is told the reason, cleaned, with where it was. */
void redis_link_fail(struct redis_link *l, const char *reason);
/* Serves it without the loop, up to `timeout_ms`: false: nothing happened, or it is down. */
bool redis_link_drive(struct redis_link *l, int timeout_ms);

#endif
