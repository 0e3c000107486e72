/*
 * store/redis_guard.h: what hiredis makes of answers, with ours in front: what no command of ours has as its answer is
 * refused before it is built.
 */
#ifndef TG_STORE_REDIS_GUARD_H
#define TG_STORE_REDIS_GUARD_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

/* Storage is the owner's, and outlives the reader. */
struct redis_guard {
	redisReplyObjectFunctions functions; /* hiredis' own */
	redisReplyObjectFunctions guarded;
	bool takes_pair; /* an array of two is an answer, as of a sentinel */
	size_t pending;  /* commands whose answer is to come: the owner counts */
	const char *odd; /* what an answer was that was refused; NULL: none */
};

/* Of a connection that begins. */
void redis_guard_start(struct redis_guard *g, redisReader *reader, bool takes_pair);

#endif
