/*
 * store/redis_sentinel.h: what a sentinel answers to get-master-addr-by-name. Foreign. Pure.
 */
#ifndef TG_STORE_REDIS_SENTINEL_H
#define TG_STORE_REDIS_SENTINEL_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/* False: it is no address. */
bool sentinel_read(const redisReply *reply, struct addr *ret);
/* Why not, of one that is none. */
void sentinel_refusal(const redisReply *reply, const char *master, char *ret, size_t size);

#endif
