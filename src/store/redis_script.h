/*
 * store/redis_script.h: what redis itself runs for us, all of it at once.
 *
 * Redis is sent the text once (SCRIPT LOAD) and knows it by a name from then on (EVALSHA). One that does not know it any
 * more, or a node of a cluster that never did, says NOSCRIPT, and is sent it again. doc/internals/store.md tells what each script does.
 */
#ifndef TG_STORE_REDIS_SCRIPT_H
#define TG_STORE_REDIS_SCRIPT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "store/redis_batch.h"

#define TG_SCRIPT_KEYS 6u /* at most */
#define TG_SHA_SIZE    41u

/* One of those below. */
struct script_kind {
	const char *text;
	struct batch_kind load;
	struct batch_kind run;
};

/* Zeroed but for its kind: not loaded. Storage is the owner's. */
struct script {
	const struct script_kind *kind;
	char sha[TG_SHA_SIZE]; /* "": to be loaded */
};

/* False: it is to be loaded first, and that is added where it finds room. */
bool script_is_ready(const struct script *s, struct redis_batch *b);
/* With these keys and one argument; its answer is of `record`. False, and nothing is added: it finds no room. */
bool script_run(const struct script *s, struct redis_batch *b, void *record,
		const char *const *keys, unsigned n_keys, const char *argument);
/* Whether an answer is to one of the above. */
bool script_has_asked(const struct script_kind *kind, const struct batch_kind *of);
/* Redis does not know it: what was asked is to be asked again. */
bool script_is_lost(struct script *s, const struct batch_item *item, const redisReply *reply);
/* The answer to the load. False: it is none. */
bool script_loaded(struct script *s, const redisReply *reply);

/*
 * One exchange of a service. Keys, in order: lease, epoch, instances, part, fleet, state; the argument is a JSON object of
 * share_question(), of the answer share_answer() knows.
 */
extern const struct script_kind redis_script_exchange;

/*
 * KEYS: the hash of orders, the number of the last one. ARGV: {"instance", "known", "orders":[{"key", "at", "value",
 * "was", "who", "why"}]}. Answers {"number", "now", "orders":[the same, with "origin" and "age"]}: those of others, newer than known, 256 at
 * most; the rest when it is asked again. The later order of a thing counts, wherever it was given.
 */
#define TG_BOARD_KEY "tg:{*}:orders"
extern const struct script_kind redis_script_board;

/*
 * KEYS: the hash of votes of a service. ARGV: {"instance", "lease", "backends": {name: "up|down address"}, or nothing when it ends}.
 * Answers {"others": {instance: {"age", "backends"}}}, of those that told within the lease, 63 at most. The word of each ends by itself.
 */
extern const struct script_kind redis_script_votes;

/*
 * KEYS: what stands before the name of each claim, the hash of what came of them, the hash of challenges. ARGV: {"instance", "run",
 * "lease", "claims": {name: wanted}, "ended": {name: {"done", "mark", "wait"}}, "challenges": ["token.thumbprint"]}. Answers
 * {"claims": {name: {"holder", "mine", "last": {"by", "age", "done", "mark", "wait"}}}, "others": {instance: [as above]}}. A claim is
 * SET NX PX, prolonged by who has it; what came of one is known for a day.
 */
#define TG_CLAIMS_KEY	  "tg:{*}:acme:lock:"
#define TG_OUTCOMES_KEY	  "tg:{*}:acme:last"
#define TG_CHALLENGES_KEY "tg:{*}:acme:challenges"
extern const struct script_kind redis_script_claims;

/*
 * KEYS: a word. ARGV: another, and behind a space the one in the place of which it goes (none: only where there is none).
 * Answers the word that is there by then. It ends when nobody has asked for two days, as long as tickets are good for, and a day.
 */
#define TG_WORD_KEY "tg:{*}:tickets:"
extern const struct script_kind redis_script_word;

#endif
