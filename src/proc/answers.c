#include "proc/answers.h"

#include "base/container.h"
#include "ipc/channel.h"

void
answers_init(struct answers *a, struct loop *loop, struct worker_thread *threads,
	     unsigned n_threads)
{
	a->loop = loop;
	a->threads = threads;
	a->n_threads = n_threads;
	a->peer = -1;
}

static void send_found(struct answers *a);

static void
on_writable(struct watch *w, unsigned what)
{
	struct answers *a = TG_CONTAINER(w, struct answers, write_watch);

	(void)what;
	watch_stop(a->loop, &a->write_watch);
	send_found(a);
}

static bool
has_room(struct answers *a)
{
	if (channel_has_room(a->peer))
		return true;
	if (watch_start_level_write(a->loop, &a->write_watch, a->peer, on_writable) != 0)
		a->state = ANSWERS_IDLE; /* the keeper gives up, too */
	return false;
}

static void
on_worker(struct loop_call *call)
{
	struct answers *a = TG_CONTAINER(call, struct answers, ask);

	walk_step(&a->walk, &a->threads[a->worker].worker);
	loop_post(a->loop, &a->back, a->back.cb);
}

static void
go(struct answers *a)
{
	struct msg_question question = a->next;

	a->has_next = false;
	a->is_stale = false;
	a->n = 0;
	a->worker = question.kind == TG_ASK_SESSION || question.kind == TG_ASK_END
			    ? (unsigned)(question.id % TG_SESSION_WORKERS)
			    : 0;
	a->walk.question = question;
	a->walk.n = 0;
	a->walk.n_ended = 0;
	a->walk.is_begun = false;
	a->walk.is_over = a->worker >= a->n_threads;
	a->sent = 0;
	a->state = ANSWERS_SENDING;
	send_found(a);
}

static void
on_back(struct loop_call *call)
{
	struct answers *a = TG_CONTAINER(call, struct answers, back);

	a->state = ANSWERS_IDLE;
	if (a->has_next) {
		go(a);
		return;
	}
	if (a->is_stale)
		return;
	a->sent = 0;
	a->n += a->walk.n;
	a->state = ANSWERS_SENDING;
	send_found(a);
}

static void
ask_worker(struct answers *a)
{
	a->state = ANSWERS_AT_WORKER;
	a->back.cb = on_back;
	loop_post(a->threads[a->worker].worker.loop, &a->ask, on_worker);
}

/* This worker has told all. False: it was the last one. */
static bool
next_worker(struct answers *a)
{
	uint32_t kind = a->walk.question.kind;

	if (kind == TG_ASK_SESSION || kind == TG_ASK_END || ++a->worker >= a->n_threads)
		return false;
	a->walk.is_begun = false;
	a->walk.is_over = false;
	return true;
}

static void
send_end(struct answers *a)
{
	struct msg_answered m = {.number = a->walk.question.number, .n = a->n + a->walk.n_ended};

	/* One that cannot be told is gone: its own watch tells. */
	(void)!channel_send(a->peer, MSG_ANSWERED, &m, sizeof(m), -1);
	a->state = ANSWERS_IDLE;
}

static void
send_found(struct answers *a)
{
	bool is_capture = a->walk.question.kind == TG_ASK_CAPTURES;

	while (a->sent < a->walk.n) {
		const union msg_payload *found = &a->walk.found[a->sent];

		if (!has_room(a))
			return;
		if (channel_send(a->peer, is_capture ? MSG_CAPTURE : MSG_SESSION, found,
				 is_capture ? sizeof(found->capture) : sizeof(found->session),
				 -1) != 0) {
			a->state = ANSWERS_IDLE;
			return;
		}
		a->sent++;
	}
	if (!a->walk.is_over || next_worker(a))
		ask_worker(a);
	else if (has_room(a))
		send_end(a);
}

void
answers_set_peer(struct answers *a, int fd)
{
	if (a->loop != NULL)
		watch_stop(a->loop, &a->write_watch);
	a->peer = fd;
	a->has_next = false;
	if (a->state == ANSWERS_SENDING)
		a->state = ANSWERS_IDLE;
	a->is_stale = true;
}

int
answers_move(struct answers *a, struct loop *to)
{
	bool is_waiting = a->write_watch.cb != NULL;

	watch_stop(a->loop, &a->write_watch);
	a->loop = to;
	return is_waiting ? watch_start_level_write(to, &a->write_watch, a->peer, on_writable) : 0;
}

bool
answers_are_on_way(const struct answers *a)
{
	return a->state == ANSWERS_AT_WORKER;
}

void
answers_begin(struct answers *a, const struct msg_question *question)
{
	a->next = *question;
	a->has_next = true;
	if (a->state == ANSWERS_AT_WORKER)
		return;
	watch_stop(a->loop, &a->write_watch);
	go(a);
}
