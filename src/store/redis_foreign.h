/*
 * store/redis_foreign.h: answers of our scripts, which hold what anybody has written into redis.
 */
#ifndef TG_STORE_REDIS_FOREIGN_H
#define TG_STORE_REDIS_FOREIGN_H

#include <jansson.h>
#include <stddef.h>

/*
 * An answer as JSON, to be freed with json_decref(); NULL: it is none, or no memory. Bytes that are no UTF-8 (RFC 3629), and NULs, are
 * "?" in it. What the script found that is no word of ours, and took away ("odd": [{"key", "was", "allowed"}]), is told in the log: it is told
 * by redis once.
 */
json_t *foreign_load(const char *text, size_t n);

#endif
