/*
 * store/redis_word.h: one word that all instances agree on. No sockets.
 *
 * The first who says one has it; who knows it may say another in its place. Every two seconds it is asked for what the word is.
 */
#ifndef TG_STORE_REDIS_WORD_H
#define TG_STORE_REDIS_WORD_H

#include <hiredis/hiredis.h>

#include "store/redis_batch.h"
#include "store/redis_script.h"
#include "store/store.h"

struct redis_word {
	struct store *store;
	void (*flush)(struct store *s);
	char key[16 + TG_STORE_WORD_NAME]; /* "": nothing is to be agreed on */
	char was[TG_STORE_WORD];
	char own[TG_STORE_WORD];
	char heard[TG_STORE_WORD]; /* "": nothing yet */
	struct script script;
	struct timer timer;
	bool is_pending; /* a question is due */
	bool is_asked;   /* one is under way */
};

/* Storage is the owner's; `flush` as of shares_init(). */
void word_init(struct redis_word *w, struct store *store, void (*flush)(struct store *s));
void word_fini(struct redis_word *w);
/* As store_agree(). */
void word_agree(struct redis_word *w, const char *name, const char *was, const char *own);
/* NULL: it asks for nothing. */
const char *word_key(const struct redis_word *w);

/* As those of redis_board.h. */
bool word_is_pending(const struct redis_word *w);
void word_add(struct redis_word *w, struct redis_batch *batch);
bool word_has_asked(const struct batch_kind *kind);
bool word_again(struct redis_word *w, const struct batch_item *item, const redisReply *reply);
bool word_answered(struct redis_word *w, const struct batch_item *item, const redisReply *reply);
void word_end_flight(struct redis_word *w);

#endif
