#include "store/redis_greeting.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 160

const struct greeting greeting_auth = {.name = "AUTH", .want = "OK"};
const struct greeting greeting_select = {.name = "SELECT", .want = "OK"};
/* Who may not ask for it is known all the same. */
const struct greeting greeting_ping = {.name = "PING", .want = "PONG", .also = "NOPERM"};

bool
greeting_is_good(const struct greeting *g, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STATUS)
		return strcmp(reply->str, g->want) == 0;
	return reply->type == REDIS_REPLY_ERROR && g->also != NULL &&
	       strncmp(reply->str, g->also, strlen(g->also)) == 0;
}

void
greeting_refusal(const struct greeting *g, const redisReply *reply, char *ret, size_t size)
{
	int shown = SHOWN;

	if (reply->type != REDIS_REPLY_ERROR) {
		snprintf(ret, size, "an unexpected answer to %s", g->name);
		return;
	}
	if (g == &greeting_auth && (int)strcspn(reply->str, " ") < shown)
		shown = (int)strcspn(reply->str, " ");
	snprintf(ret, size, "%s refused: %.*s", g->name, shown, reply->str);
}
