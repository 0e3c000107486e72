/* store/redis_tls_none.c: of a tidegate that is built without TLS to redis, where no url has it. */
#include "store/redis_tls.h"

int
redis_tls_new(const struct conf_store *conf, struct redis_tls **ret, struct err *err)
{
	(void)conf;
	(void)ret;
	return err_set(err, TG_EINVAL, "TLS to redis is not available");
}

int
redis_tls_share(const struct redis_tls *first, struct redis_tls **ret, struct err *err)
{
	(void)first;
	(void)ret;
	return err_set(err, TG_EINVAL, "TLS to redis is not available");
}

void
redis_tls_free(struct redis_tls *tls)
{
	(void)tls;
}

bool
redis_tls_begin(struct redis_tls *tls, redisAsyncContext *async, const char *host)
{
	(void)tls;
	(void)async;
	(void)host;
	return false;
}

const char *
redis_tls_why(const struct redis_tls *tls)
{
	(void)tls;
	return NULL;
}
