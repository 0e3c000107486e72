#include "proc/questions.h"

#include <stdlib.h>

#include "base/container.h"

/* Of a proxy that is asked. Whoever asks has its own time. */
#define SILENCE_MS 5000u
/* Answers to questions that nobody asks any more, in a row. */
#define STALE_MAX 1000000u

TAILQ_HEAD(asking_list, asking);

struct questions {
	struct loop *loop;
	uint32_t n_slots;
	questions_send_cb *send;
	void *user;
	struct asking_list queue; /* the first is under way when `is_asked` */
	bool is_asked;
	bool is_sending;
	enum asking_end trouble; /* of the one under way, told by the timer; DONE: none */
	uint32_t number;         /* of the last question */
	unsigned stale;
	struct timer timer; /* silence; or, for the next turn, the next question */
};

static void on_timer(struct timer *t);

struct questions *
questions_new(struct loop *loop, uint32_t n_slots, questions_send_cb *send, void *user)
{
	struct questions *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->loop = loop;
	q->n_slots = n_slots;
	q->send = send;
	q->user = user;
	TAILQ_INIT(&q->queue);
	timer_init(&q->timer, on_timer);
	return q;
}

void
questions_free(struct questions *q)
{
	if (q == NULL)
		return;
	timer_fini(&q->timer);
	free(q);
}

static void
remove_asking(struct questions *q, struct asking *a)
{
	if (a == TAILQ_FIRST(&q->queue))
		q->is_asked = false;
	TAILQ_REMOVE(&q->queue, a, link);
	a->is_queued = false;
	/* The next one has its turn, but not under this call. */
	if (!q->is_asked && !TAILQ_EMPTY(&q->queue))
		timer_set(q->loop, &q->timer, loop_now(q->loop));
}

static void
end(struct questions *q, enum asking_end why, uint32_t n)
{
	struct asking *a = TAILQ_FIRST(&q->queue);

	remove_asking(q, a);
	a->on_end(a, why, n);
}

static void
arm(struct questions *q)
{
	timer_set(q->loop, &q->timer, mono_add_ms(loop_now(q->loop), SILENCE_MS));
}

/* Whoever asks is not told under its own call. */
static void
note_trouble(struct questions *q, enum asking_end why)
{
	q->trouble = why;
	timer_set(q->loop, &q->timer, loop_now(q->loop));
}

static void
ask_first(struct questions *q)
{
	struct asking *a = TAILQ_FIRST(&q->queue);

	if (a == NULL)
		return;
	if (++q->number == 0)
		q->number = 1;
	a->question.number = q->number;
	q->is_asked = true;
	q->stale = 0;
	q->trouble = ASKING_DONE;
	arm(q);
	q->is_sending = true;
	if (!q->send(q->user, &a->question))
		note_trouble(q, ASKING_NO_PROXY);
	q->is_sending = false;
}

static void
on_timer(struct timer *t)
{
	struct questions *q = TG_CONTAINER(t, struct questions, timer);

	if (q->is_asked)
		end(q, q->trouble != ASKING_DONE ? q->trouble : ASKING_LATE, 0);
	else
		ask_first(q);
}

void
questions_ask(struct questions *q, struct asking *a)
{
	TAILQ_INSERT_TAIL(&q->queue, a, link);
	a->is_queued = true;
	if (a == TAILQ_FIRST(&q->queue))
		ask_first(q);
}

void
questions_cancel(struct questions *q, struct asking *a)
{
	if (a->is_queued)
		remove_asking(q, a);
}

/* Of the segment, or none. Whose it is may have changed since. */
static bool
is_slot(const struct questions *q, uint32_t slot)
{
	return slot < q->n_slots || slot == TG_SESSION_NONE;
}

/* The one that waits for this; NULL: nobody does. */
static struct asking *
find(struct questions *q, uint32_t number)
{
	if (!q->is_asked || number != q->number)
		return NULL;
	arm(q);
	return TAILQ_FIRST(&q->queue);
}

static int
note_stale(struct questions *q)
{
	return ++q->stale > STALE_MAX ? -TG_EPROTO : 0;
}

static int
hear_session(struct questions *q, const struct msg_session *m)
{
	struct asking *a = find(q, m->number);

	if (m->listener >= q->n_slots || !is_slot(q, m->service) || !is_slot(q, m->backend))
		return -TG_EPROTO;
	if (a == NULL)
		return note_stale(q);
	if (a->question.kind != TG_ASK_SESSIONS && a->question.kind != TG_ASK_SESSION)
		return -TG_EPROTO;
	a->on_session(a, m);
	return 0;
}

static int
hear_capture(struct questions *q, const struct msg_capture *m)
{
	struct asking *a = find(q, m->number);

	if (!is_slot(q, m->listener) || !is_slot(q, m->service) || !is_slot(q, m->backend))
		return -TG_EPROTO;
	if (a == NULL)
		return note_stale(q);
	if (a->question.kind != TG_ASK_CAPTURES)
		return -TG_EPROTO;
	a->on_capture(a, m);
	return 0;
}

int
questions_hear(struct questions *q, enum msg_type type, const union msg_payload *u)
{
	if (type == MSG_SESSION)
		return hear_session(q, &u->session);
	if (type == MSG_CAPTURE)
		return hear_capture(q, &u->capture);
	if (type != MSG_ANSWERED)
		return -TG_EPROTO;
	if (find(q, u->answered.number) == NULL)
		return note_stale(q);
	end(q, ASKING_DONE, u->answered.n);
	return 0;
}

void
questions_lose(struct questions *q)
{
	if (q->is_asked && q->is_sending)
		note_trouble(q, ASKING_LOST);
	else if (q->is_asked)
		end(q, ASKING_LOST, 0);
}
