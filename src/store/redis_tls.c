#include "store/redis_tls.h"

#include <hiredis/hiredis_ssl.h>
#include <stdlib.h>

#include "tls/peer.h"

struct redis_tls {
	struct tls_peer *peer;
	bool is_shared; /* the peer is another's */
	struct ssl_st *session; /* begun last; its connection owns it */
};

int
redis_tls_new(const struct conf_store *conf, struct redis_tls **ret, struct err *err)
{
	struct redis_tls *tls = calloc(1, sizeof(*tls));
	int rc;

	if (tls == NULL)
		return err_no_memory(err);
	rc = tls_peer_new(conf->ca, conf->certificate, conf->key, &tls->peer, err);
	if (rc == 0)
		*ret = tls;
	else
		redis_tls_free(tls);
	return rc;
}

int
redis_tls_share(const struct redis_tls *first, struct redis_tls **ret, struct err *err)
{
	struct redis_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return err_no_memory(err);
	tls->peer = first->peer;
	tls->is_shared = true;
	*ret = tls;
	return 0;
}

void
redis_tls_free(struct redis_tls *tls)
{
	if (tls == NULL)
		return;
	if (!tls->is_shared)
		tls_peer_free(tls->peer);
	free(tls);
}

bool
redis_tls_begin(struct redis_tls *tls, redisAsyncContext *async, const char *host)
{
	struct ssl_st *session = tls_peer_session(tls->peer, host);

	if (session == NULL)
		return false;
	tls->session = session;
	if (redisInitiateSSL(&async->c, session) == REDIS_OK)
		return true;
	tls->session = NULL;
	tls_session_free(session);
	return false;
}

const char *
redis_tls_why(const struct redis_tls *tls)
{
	return tls != NULL && tls->session != NULL ? tls_session_why(tls->session) : NULL;
}
