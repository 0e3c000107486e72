/*
 * fake/web.h: a web server of one port of loopback, in the loop of the test that asks it.
 */
#ifndef TG_TESTS_FAKE_WEB_H
#define TG_TESTS_FAKE_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "loop/loop.h"

#define FAKE_WEB_MAX (64u << 10) /* bytes of a request */

struct fake_web;

/* A connection, with the request that came last. Valid until it ends; texts until the next request. */
struct fake_asker {
	LIST_ENTRY(fake_asker) link;
	struct fake_web *web;
	struct watch watch;
	struct deferred deferred;
	int fd;
	char bytes[FAKE_WEB_MAX];
	size_t n;
	char method[16];
	char path[512];
	const char *head; /* all lines, NUL behind them */
	const char *body;
};

/* Storage is the caller's, zeroed first. */
struct fake_web {
	struct loop *loop;
	struct addr at;
	int fd;
	struct watch watch;
	LIST_HEAD(, fake_asker) askers;
	unsigned n_accepted;
	unsigned n_asked;
	unsigned n_open;
	/* A request is whole. Answers now or later, or never. */
	void (*asked)(void *user, struct fake_asker *a);
	void *user;
};

void fake_web_start(struct fake_web *web, struct loop *loop,
		    void (*asked)(void *user, struct fake_asker *a), void *user);
void fake_web_stop(struct fake_web *web);

/* Bytes as they are. */
void fake_asker_say(struct fake_asker *a, const char *bytes, size_t n);
/* A whole answer, with its length. */
void fake_asker_answer(struct fake_asker *a, unsigned status, const char *body);
/* The connection is closed. */
void fake_asker_end(struct fake_asker *a);

#endif
