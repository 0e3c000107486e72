#include "store/redis_sentinel.h"

#include <stdio.h>
#include <string.h>

bool
sentinel_read(const redisReply *reply, struct addr *ret)
{
	char text[INET6_ADDRSTRLEN + 16];
	struct endpoint at;
	const redisReply *host;
	const redisReply *port;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return false;
	host = reply->element[0];
	port = reply->element[1];
	if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING)
		return false;
	snprintf(text, sizeof(text), strchr(host->str, ':') != NULL ? "[%.46s]:%.5s" : "%.46s:%.5s",
		 host->str, port->str);
	if (endpoint_parse(text, 0, &at, NULL) < 0 || at.kind != TG_ENDPOINT_ADDR ||
	    at.addr.u.sa.sa_family == AF_UNIX)
		return false;
	*ret = at.addr;
	return true;
}

void
sentinel_refusal(const redisReply *reply, const char *master, char *ret, size_t size)
{
	if (reply->type == REDIS_REPLY_NIL)
		snprintf(ret, size, "it knows no master \"%.64s\"", master);
	else if (reply->type == REDIS_REPLY_ERROR)
		snprintf(ret, size, "SENTINEL refused: %.160s", reply->str);
	else
		snprintf(ret, size, "it tells no address of the master \"%.64s\"", master);
}
