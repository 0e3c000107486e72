/*
 * store/redis_board.h: what operators order one instance, for all that share a redis. No sockets.
 *
 * One hash has the last order of each thing, whatever its service; every half a second an instance asks for what is
 * newer than it knows, and tells what it was ordered. doc/internals/store.md has the words and the rules.
 */
#ifndef TG_STORE_REDIS_BOARD_H
#define TG_STORE_REDIS_BOARD_H

#include <hiredis/hiredis.h>

#include "store/redis_script.h"
#include "store/store.h"

#define TG_BOARD_WAITING_MAX 256u /* orders that redis was not told of yet: then the oldest go */

struct board_order;
TAILQ_HEAD(board_orders, board_order);

struct redis_board {
	struct store *store;
	const char *instance;
	void (*flush)(struct store *s);
	bool is_on;
	struct script script;
	struct timer timer;
	bool is_pending;   /* a question is due */
	bool is_asked;     /* one is under way */
	bool has_known;    /* one was answered */
	uint64_t known;    /* the newest order that was heard */
	int64_t ahead_ms;  /* of our wall clock that of redis is, at the last answer */
	struct board_orders waiting;
	unsigned n_waiting;
};

/* Storage is the owner's; `instance` and `flush` as of shares_init(). */
void board_init(struct redis_board *b, struct store *store, const struct conf_store *conf,
		const char *instance, void (*flush)(struct store *s));
void board_fini(struct redis_board *b);

/* The latest of each thing waits until redis has it. -TG_ENOMEM. */
TG_MUST_CHECK int board_tell(struct redis_board *b, const struct store_order *order);
bool board_is_pending(const struct redis_board *b);
void board_add(struct redis_board *b, struct redis_batch *batch);
bool board_has_asked(const struct batch_kind *kind);
/* An error that is no refusal: it is asked again. */
bool board_again(struct redis_board *b, const struct batch_item *item, const redisReply *reply);
/* False: the answer is none that redis would give. */
bool board_answered(struct redis_board *b, const struct batch_item *item, const redisReply *reply);
/* Nothing is under way any more. */
void board_end_flight(struct redis_board *b);

/* Pure, for the above and its tests: tells `heard` of each order, and returns the newest number; -1: it is none.
 * *ahead_ms is by how much the clock of redis is ahead of `now`. */
int64_t board_read(const char *text, size_t n, bool is_first, struct wall now, int64_t *ahead_ms,
		   void (*heard)(void *user, const struct store_order *order), void *user);

#endif
