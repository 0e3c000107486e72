/*
 * fake/redis.h: a real redis-server of this test alone, on a free port of loopback and on a unix socket.
 */
#ifndef TG_TESTS_FAKE_REDIS_H
#define TG_TESTS_FAKE_REDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fake_redis {
	pid_t pid; /* 0: it does not run */
	int out;   /* what it logs */
	uint16_t port;
	bool is_node; /* set before the start: of a Redis Cluster, which it is to be made part of */
	uint16_t bus; /* its other port then */
	char folder[32];
	char path[64]; /* of its socket */
};

/* Whether this machine has the program; a test is skipped without. */
bool fake_redis_is_here(void);
/* Runs and answers when this returns; `port` of the last run is kept. A failure ends the program. */
void fake_redis_start(struct fake_redis *r);
/* At once, with all it knew. */
void fake_redis_stop(struct fake_redis *r);
void fake_redis_signal(const struct fake_redis *r, int signo);
/* Also without one that runs; folder and port are forgotten. */
void fake_redis_fini(struct fake_redis *r);

/* A plain connection of the test's own. The caller's to redisFree(). */
redisContext *fake_redis_connect(const struct fake_redis *r);
/* What it says to words between single blanks, freed with freeReplyObject(); an error ends the program. */
redisReply *fake_redis_ask(redisContext *c, const char *command);
/* The same, for who needs no answer. */
void fake_redis_tell(redisContext *c, const char *command);

#endif
