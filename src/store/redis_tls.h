/*
 * store/redis_tls.h: TLS to redis, where hiredis has it; else no url can ask for it (conf/store_url.h).
 */
#ifndef TG_STORE_REDIS_TLS_H
#define TG_STORE_REDIS_TLS_H

#include <hiredis/async.h>

#include "base/err.h"
#include "conf/conf.h"

struct redis_tls;

/* Reads the files of `conf`. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int redis_tls_new(const struct conf_store *conf, struct redis_tls **ret,
				struct err *err);
/* For one more connection, with the files that `first` has read, which outlives it. -TG_ENOMEM. */
TG_MUST_CHECK int redis_tls_share(const struct redis_tls *first, struct redis_tls **ret,
				  struct err *err);
void redis_tls_free(struct redis_tls *tls); /* NULL allowed */
/* On a connection that is being made, to the host of this name or address. False: no memory, or async->err. */
TG_MUST_CHECK bool redis_tls_begin(struct redis_tls *tls, redisAsyncContext *async, const char *host);
/* Why the connection that was begun last, and is there still, is not trusted; NULL: it is, or `tls` is NULL. */
const char *redis_tls_why(const struct redis_tls *tls);

#endif
