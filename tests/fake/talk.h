/*
 * fake/talk.h: a control socket that is served, with the rights of an admin, and a client that talks
 * to it.
 */
#ifndef TG_TESTS_FAKE_TALK_H
#define TG_TESTS_FAKE_TALK_H

#include <sys/un.h>

#include "admin/server.h"
#include "fake/control.h"

#define TALK_ANSWER_ROOM ((size_t)4 << 20)

struct talk {
	struct control control;
	struct admin_source source; /* with events, without actions */
	struct admin_server *server;
	struct sockaddr_un at;
	char folder[32];
	int client;   /* -1: not connected yet */
	char *answer; /* what came, terminated; room for TALK_ANSWER_ROOM */
	size_t n;
};

/* For setup functions: 0, or -1. */
int talk_init(struct talk *t);
void talk_fini(struct talk *t);

/* One more client, which does not wait for anything. */
int talk_connect(const struct talk *t);
/* The client says it; connected first if it is not. */
void talk_say(struct talk *t, const char *text);
/* For control_run(): reads everything the server sent; true when it closed. `arg` is a struct talk. */
bool talk_is_closed(void *arg);
void talk_run_to_close(struct talk *t);
/* Some turns of the loop, in which something should not happen. */
void talk_run_a_while(struct talk *t, unsigned turns);

#endif
