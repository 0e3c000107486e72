/*
 * store/redis_claims.h: claims and challenges of this instance, and of others (store.h). No sockets.
 *
 * One question for all of them, each second; each half a second while one is wanted, or another has one.
 */
#ifndef TG_STORE_REDIS_CLAIMS_H
#define TG_STORE_REDIS_CLAIMS_H

#include <hiredis/hiredis.h>

#include "store/claims.h"
#include "store/redis_batch.h"
#include "store/redis_script.h"

struct redis_claims {
	struct store *store;
	void (*flush)(struct store *s);
	const char *instance;
	const char *run;
	struct claims all;
	struct script script;
	struct timer timer;
	struct mono sent;
	bool is_pending; /* a question is due */
	bool is_asked;   /* one is under way */
	bool is_again;   /* something has changed since it was asked */
};

/* Storage is the owner's; `flush` as of shares_init(); the names outlive it. */
void claims_init(struct redis_claims *c, struct store *store, const char *instance, const char *run,
		 void (*flush)(struct store *s));
void claims_fini(struct redis_claims *c);
/* As those of store.h. */
TG_MUST_CHECK int claims_claim(struct redis_claims *c, const char *name, bool is_wanted);
void claims_ended(struct redis_claims *c, const char *name, bool is_done, uint64_t mark,
		  uint64_t wait_ms);
void claims_forget(struct redis_claims *c, const char *name);
const struct store_claim *claims_find(const struct redis_claims *c, const char *name);
TG_MUST_CHECK int claims_tell(struct redis_claims *c, const struct challenge *list, size_t n);
/* All are given back with the next flush. */
void claims_leave(struct redis_claims *c);
/* Whether there is anything to ask for. */
bool claims_are_on(const struct redis_claims *c);

/* As those of redis_board.h. */
bool claims_are_pending(const struct redis_claims *c);
void claims_add(struct redis_claims *c, struct redis_batch *batch);
bool claims_have_asked(const struct batch_kind *kind);
bool claims_again(struct redis_claims *c, const struct batch_item *item, const redisReply *reply);
bool claims_answered(struct redis_claims *c, const struct batch_item *item,
		     const redisReply *reply);
void claims_end_flight(struct redis_claims *c);

#endif
