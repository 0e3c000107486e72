/*
 * proc/answers.h: the proxy's side of the keeper's questions: worker by worker, step by step
 * (backend/walk.h). A worker takes its next step when what the last one found is sent: one who
 * does not read holds one step.
 */
#ifndef TG_PROC_ANSWERS_H
#define TG_PROC_ANSWERS_H

#include "backend/walk.h"
#include "proc/worker.h"

enum answers_state {
	ANSWERS_IDLE = 0,
	ANSWERS_AT_WORKER = 1, /* a worker has the walk */
	ANSWERS_SENDING = 2    /* what it found waits for room */
};

/* Storage is the caller's, zeroed; of the control thread. */
struct answers {
	struct loop *loop;
	struct worker_thread *threads;
	unsigned n_threads;
	int peer;
	enum answers_state state;
	bool has_next; /* another question came, or another peer: what is at a worker is forgotten */
	bool is_stale; /* who asked is gone */
	struct msg_question next;
	struct walk walk;
	unsigned worker; /* who is asked */
	unsigned sent;   /* of what it found */
	uint32_t n;      /* found in all */
	struct loop_call ask;
	struct loop_call back;
	struct watch write_watch; /* while there is no room */
};

/* Nobody to answer yet. `threads` outlive it. */
void answers_init(struct answers *a, struct loop *loop, struct worker_thread *threads,
		  unsigned n_threads);
/* Who is answered from now on; -1: nobody. Before the descriptor of before is closed. */
void answers_set_peer(struct answers *a, int fd);
/* Goes on in another loop; the one of before does not turn, and nothing is on its way. -TG_EIO. */
TG_MUST_CHECK int answers_move(struct answers *a, struct loop *to);
/* A step is posted to a worker, or back. */
bool answers_are_on_way(const struct answers *a);
/* In place of a question under way. */
void answers_begin(struct answers *a, const struct msg_question *question);

#endif
