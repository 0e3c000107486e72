/*
 * proc/needs.h: which services are wanted, from the proxy to the keeper (MSG_WANTED).
 *
 * What is told is looked up when it is told, so a keeper that does not read costs
 * nothing. Nothing here waits.
 */
#ifndef TG_PROC_NEEDS_H
#define TG_PROC_NEEDS_H

#include "backend/registry.h"
#include "loop/loop.h"

/* Storage is the caller's, zeroed first; both outlive it. */
struct needs {
	struct loop *loop;
	struct registry *registry;
	int peer; /* the keeper; -1: none */
	bool is_waiting; /* write_watch runs: there is no room */
	struct watch write_watch;
};

void needs_init(struct needs *needs, struct loop *loop, struct registry *registry);
/* Another keeper, which has heard nothing; -1: none. The descriptor stays the caller's. */
void needs_set_peer(struct needs *needs, int fd);
/* All of it goes on in `to`, between two turns of the loop there is. */
void needs_move(struct needs *needs, struct loop *to);
/* Something may have changed: says what is new. */
void needs_tell(struct needs *needs);

#endif
