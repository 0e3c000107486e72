/*
 * store/redis_greeting.h: what is said first on a connection, and whether it is answered well. Foreign. Pure.
 */
#ifndef TG_STORE_REDIS_GREETING_H
#define TG_STORE_REDIS_GREETING_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

/* One command of it. */
struct greeting {
	const char *name;
	const char *want; /* status */
	const char *also; /* an error that is as good */
};

extern const struct greeting greeting_auth;
extern const struct greeting greeting_select;
extern const struct greeting greeting_ping; /* the last one */

bool greeting_is_good(const struct greeting *g, const redisReply *reply);
/* Why not. Of AUTH only the first word: the rest may hold the password. */
void greeting_refusal(const struct greeting *g, const redisReply *reply, char *ret, size_t size);

#endif
