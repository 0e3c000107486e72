/*
 * store/redis_votes.h: votes on backends, as commands of a tick and their answers. No sockets.
 *
 * A service that is voted on is asked about each half a second, and at once when the votes of this instance are others.
 */
#ifndef TG_STORE_REDIS_VOTES_H
#define TG_STORE_REDIS_VOTES_H

#include <hiredis/hiredis.h>

#include "store/redis_batch.h"
#include "store/redis_share.h"
#include "store/store.h"

struct ballot;
LIST_HEAD(ballot_list, ballot);

struct redis_votes {
	struct store *store;
	const char *instance;
	uint64_t lease_ms;
	struct ballot_list all;
	struct script script;
	struct timer timer;
	void (*flush)(struct store *s);
};

/* Storage is the owner's; `instance` and `flush` as of shares_init(). */
void ballots_init(struct redis_votes *v, struct store *store, const struct conf_store *conf,
		  const char *instance, void (*flush)(struct store *s));
void ballots_fini(struct redis_votes *v);

/* As store_vote(), store_unvote(), store_votes(). */
TG_MUST_CHECK int ballots_vote(struct redis_votes *v, const char *service,
			       const struct store_vote *votes, size_t n);
void ballots_unvote(struct redis_votes *v, const char *service);
const struct store_votes *ballots_get(const struct redis_votes *v, const char *service);
/* The votes of this instance are to go with the next flush. */
void ballots_leave(struct redis_votes *v);
/* Calls `seen` with each service. */
void ballots_each(const struct redis_votes *v, void (*seen)(void *user, const char *service),
		  void *user);

/* As those of redis_share.h. */
bool ballots_are_pending(const struct redis_votes *v, const struct share_reach *reach);
void ballots_add(struct redis_votes *v, struct redis_batch *b, const struct share_reach *reach);
bool ballots_have_asked(const struct batch_kind *kind);
bool ballots_again(struct redis_votes *v, const struct batch_item *item, const redisReply *reply);
bool ballots_answered(struct redis_votes *v, const struct batch_item *item,
		      const redisReply *reply);
void ballots_release(const struct batch_item *item);

#endif
