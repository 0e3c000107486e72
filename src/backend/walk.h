/*
 * backend/walk.h: over the client connections of a worker, step by step: an operator asks what
 * runs. A step looks at TG_WALK_VISITS at most, so that nobody waits for it; between
 * two steps connections come and go.
 */
#ifndef TG_BACKEND_WALK_H
#define TG_BACKEND_WALK_H

#include "backend/worker.h"

#define TG_WALK_VISITS 128u
#define TG_WALK_SLOTS  4096u /* instead, where most have nothing */
#define TG_WALK_FOUND  16u

/* Storage is the caller's. One at a time for a worker; it may be given up at any moment. */
struct walk {
	struct msg_question question;
	bool is_begun;
	bool is_over;
	unsigned n; /* found by the last step */
	union msg_payload found[TG_WALK_FOUND];
	uint32_t n_ended;
};

/* The way a front comes to its listener and leaves it. */
void front_join(struct worker_listener *l, struct front_link *front, const struct front_ops *ops);
void front_leave(struct worker_listener *l, struct front_link *front);

/* The listener is about to be freed: a walk goes on with another one. */
void walk_forget(struct worker_listener *l);

/* In the worker's thread. */
void walk_step(struct walk *walk, struct worker *w);

#endif
