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

#endif
