/*
 * store/redis_script.h: what redis itself runs for us: one exchange of a service, all of it at once.
 *
 * Keys, in order: lease, epoch, instances, part, fleet, state; one argument, a JSON object of share_question(), one
 * answer, of which share_answer() knows. doc/internals/store.md tells what it does.
 */
#ifndef TG_STORE_REDIS_SCRIPT_H
#define TG_STORE_REDIS_SCRIPT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#define TG_SCRIPT_KEYS 6u
#define TG_SHA_SIZE    41u

/* The answer to SCRIPT LOAD. False: it is none. */
bool script_take_sha(const redisReply *reply, char ret[TG_SHA_SIZE]);

extern const char redis_script_exchange[];

/*
 * KEYS: the hash of orders, the number of the last one. ARGV: {"instance", "known", "orders":[{"key", "at", "value",
 * "was", "who", "why"}]}. Answers {"number", "now", "orders":[the same, with "origin" and "age"]}: those of others, newer than known, 256 at
 * most; the rest when it is asked again. The later order of a thing counts, wherever it was given.
 */
#define TG_BOARD_KEY "tg:{*}:orders"
extern const char redis_script_board[];

/*
 * KEYS: the hash of votes of a service. ARGV: {"instance", "lease", "backends": {name: "up|down address"}, or nothing when it ends}.
 * Answers {"others": {instance: {"age", "backends"}}}, of those that told within the lease, 63 at most. The word of each ends by itself.
 */
extern const char redis_script_votes[];

#endif
