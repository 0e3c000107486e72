/*
 * proc/worker.h: the workers of the proxy, each with a thread of its own where
 * there are several.
 */
#ifndef TG_PROC_WORKER_H
#define TG_PROC_WORKER_H

#include <pthread.h>

#include "backend/registry.h"
#include "backend/worker.h"
#include "proc/contexts.h"

struct worker_thread {
	struct worker worker;
	struct conf *conf; /* the worker's, counted; its own thread's */
	pthread_t thread;
	bool is_running;
	bool is_accepting;           /* was told to; the worker's own */
	struct loop_call accept;
	struct loop_call drain;
	void *user; /* of on_ended() */
	struct loop *control; /* told of the end; NULL: nobody is. Before worker_thread_drain() */
	struct loop_call ended;
	void (*on_ended)(struct loop_call *ended);
	struct timer check;   /* while draining: is all done, is time up */
	struct mono deadline; /* of draining */
	uint64_t grace_ms;
	unsigned cut[FRONT_KIND_COUNT]; /* when it ended; after worker_thread_join() anybody's */
};

/* -TG_ENOMEM. */
TG_MUST_CHECK int worker_thread_init(struct worker_thread *t, unsigned id, struct conf *conf,
				     struct segment *segment, const struct registry *registry,
				     const struct contexts *contexts);
/* One more socket for the listener in this slot, before worker_thread_start(). Takes `fd` over. -TG_ENOMEM,
 * -TG_EPROTO: there is none. */
TG_MUST_CHECK int worker_thread_add_socket(struct worker_thread *t, uint32_t slot, int fd);
/* What a listener of this mode does. */
const struct front_ops *worker_front_ops(enum conf_mode mode);
TG_MUST_CHECK int worker_thread_start(struct worker_thread *t);
/* From the control thread: accept from now on. */
void worker_thread_accept(struct worker_thread *t);
/* From the control thread: takes the reference of `view`. -TG_ENOMEM: not delivered, released. */
TG_MUST_CHECK int worker_thread_set_view(struct worker_thread *t, struct view *view);
/* From the control thread: the same of what authorities are answered; NULL: nothing. */
TG_MUST_CHECK int worker_thread_set_challenges(struct worker_thread *t, struct challenges *challenges);
/* From the control thread: end what runs on the backend in this slot. -TG_ENOMEM. */
TG_MUST_CHECK int worker_thread_cut(struct worker_thread *t, uint32_t slot);
/* From the control thread: a limit of connections is another one. -TG_ENOMEM: it is seen later. */
TG_MUST_CHECK int worker_thread_retry(struct worker_thread *t);
/* From the control thread: its line to the signer. Takes `fd` over. -TG_ENOMEM: closed. */
TG_MUST_CHECK int worker_thread_set_line(struct worker_thread *t, int fd);
/*
 * Everything a worker goes over to at a reload. Made by the control thread beside what runs;
 * worker_thread_change() hands it over.
 */
struct worker_change;

/* `conf` gets a reference; `next` is not committed yet. NULL: no memory. */
struct worker_change *worker_change_new(struct worker_thread *t, struct conf *conf,
					const struct registry *registry,
					const struct registry_next *next,
					const struct contexts *contexts);
/* For the listener in this slot, instead of those it has. Takes `fd` over. -TG_ENOMEM, -TG_EPROTO. */
TG_MUST_CHECK int worker_change_add_socket(struct worker_change *c, uint32_t slot, int fd);
/* Whether each listener will have a socket. */
bool worker_change_has_sockets(const struct worker_change *c);
/* After registry_commit(): of a service that is new or not as it was. Takes the reference. */
void worker_change_add_view(struct worker_change *c, struct view *view);
void worker_change_free(struct worker_change *c); /* one that is not handed over; NULL allowed */
/* Takes it over. `on_changed` is called in `control` when nothing of before is used any more. */
void worker_thread_change(struct worker_change *c, struct loop *control,
			  void (*on_changed)(void *arg, struct worker_change *c), void *arg);
/* In the control thread, when its worker has gone over, or is joined: what is left of the one before ends. */
void worker_change_end(struct worker_change *c);

/* From the control thread: stop accepting, finish within `grace_ms`, end. Once. */
void worker_thread_drain(struct worker_thread *t, uint64_t grace_ms);
/* Waits for the end of the thread, if it has one of its own, and frees what it had. */
void worker_thread_join(struct worker_thread *t);

#endif
