#include "proc/turns.h"

#include <stdlib.h>

#include "base/container.h"

struct turn {
	struct turns *turns;
	struct loop *loop; /* the worker's */
	struct loop_call question;
	struct loop_call answer;
	bool is_asked;   /* control's, as is the next */
	unsigned n_late; /* intervals since */
};

int
turns_init(struct turns *t, struct loop *control, struct worker_thread *threads, unsigned n_threads)
{
	struct turn *turns = calloc(n_threads, sizeof(turns[0]));

	if (turns == NULL)
		return -TG_ENOMEM;
	*t = (struct turns){.loop = control, .turns = turns, .n = n_threads};
	for (unsigned i = 0; i < n_threads; i++)
		turns[i] = (struct turn){.turns = t, .loop = threads[i].worker.loop};
	return 0;
}

void
turns_fini(struct turns *t)
{
	free(t->turns);
	*t = (struct turns){.n = 0};
}

static void
on_answer(struct loop_call *answer)
{
	TG_CONTAINER(answer, struct turn, answer)->is_asked = false;
}

/* In the worker. */
static void
on_question(struct loop_call *question)
{
	struct turn *turn = TG_CONTAINER(question, struct turn, question);

	loop_post(turn->turns->loop, &turn->answer, on_answer);
}

static void
ask(struct turn *turn)
{
	turn->n_late = 0;
	turn->is_asked = true;
	loop_post(turn->loop, &turn->question, on_question);
}

void
turns_ask(struct turns *t, struct msg_pong *ret)
{
	*ret = (struct msg_pong){.loop = TG_PONG_CONTROL};
	for (unsigned i = 0; i < t->n; i++) {
		struct turn *turn = &t->turns[i];

		if (!turn->is_asked) {
			ask(turn);
			continue;
		}
		turn->n_late++;
		if (turn->n_late > ret->n_late)
			*ret = (struct msg_pong){.n_late = turn->n_late, .loop = i};
	}
}
