/*
 * store/redis_share.h: exchanges with other instances, as commands of a tick and their answers. No sockets.
 *
 * A service that is told (store_tell()) is asked about with each flush, and each third of a lease besides.
 */
#ifndef TG_STORE_REDIS_SHARE_H
#define TG_STORE_REDIS_SHARE_H

#include <hiredis/hiredis.h>

#include "store/redis_batch.h"
#include "store/redis_script.h"
#include "store/share.h"

#define TG_RUN_SIZE 24u

struct redis_shares {
	struct store *store;
	struct share_list all;
	char run[TG_RUN_SIZE]; /* of this process alone */
	struct share_self self;
	char instance[TG_STORE_INSTANCE];
	struct script script;
	struct timer timer;
	void (*flush)(struct store *s);
	unsigned n_timers;
	bool is_asking_memory;
	uint64_t memory;
};

/* Storage is the owner's. `flush` when something is to go out that no tick sends. */
void shares_init(struct redis_shares *shares, struct store *store, const struct conf_store *conf,
		 void (*flush)(struct store *s));
void shares_fini(struct redis_shares *shares);
/* There is another connection, or another redis has what was asked for. */
void shares_connected(struct redis_shares *shares);

/* NULL: there is none. */
struct share *shares_find(const struct redis_shares *shares, const char *service);
TG_MUST_CHECK int shares_tell(struct redis_shares *shares, const char *service,
			      const struct store_telling *telling);
void shares_forget(struct redis_shares *shares, const char *service);
/* Leases are given back with the next flush. */
void shares_leave(struct redis_shares *shares);

/* Of which services a redis has the keys: where there is more than one, each has those of its own. */
struct share_reach {
	bool (*has)(void *user, const char *service); /* NULL: of all */
	void *user;
};

bool shares_are_pending(const struct redis_shares *shares, const struct share_reach *reach);
/* What is pending there, and not under way; nothing of what finds no room. */
void shares_add(struct redis_shares *shares, struct redis_batch *b, const struct share_reach *reach);
/* Whether an answer is to one of shares_add(). */
bool shares_have_asked(const struct batch_kind *kind);
/* An error that is no refusal: it is asked again. */
bool shares_again(struct redis_shares *shares, const struct batch_item *item,
		  const redisReply *reply);
/* False: the answer is none that redis would give. */
bool shares_answered(struct redis_shares *shares, const struct batch_item *item,
		     const redisReply *reply);
/* It is not under way any more, answered or not. */
void shares_release(const struct batch_item *item);

#endif
