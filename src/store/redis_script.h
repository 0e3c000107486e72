/*
 * store/redis_script.h: what redis itself runs for us: one exchange of a service, all of it at once.
 *
 * Keys, in order: lease, epoch, instances, part, fleet, state; one argument, a JSON object of share_question(), one
 * answer, of which share_answer() knows. doc/internals/store.md tells what it does.
 */
#ifndef TG_STORE_REDIS_SCRIPT_H
#define TG_STORE_REDIS_SCRIPT_H

#define TG_SCRIPT_KEYS 6u

extern const char redis_script_exchange[];

/*
 * KEYS: the hash of orders, the number of the last one. ARGV: {"instance", "known", "orders":[{"key", "at", "value",
 * "was", "who", "why"}]}. Answers {"number", "now", "orders":[the same, with "origin" and "age"]}: those of others, newer than known, 256 at
 * most; the rest when it is asked again. The later order of a thing counts, wherever it was given.
 */
#define TG_BOARD_KEY "tg:{*}:orders"
extern const char redis_script_board[];

#endif
