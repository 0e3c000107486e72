/* Questions to a proxy that answers, does not, lies, or goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake/control.h"
#include "proc/questions.h"

/* Of the segment. */
#define SLOTS 9u

struct asker {
	struct asking asking;
	unsigned n;
	bool is_enough; /* after the first */
	bool is_over;
	enum asking_end why;
	uint32_t told;
};

static struct control control;
static struct questions *questions;
static bool has_proxy;
static struct msg_question sent;
static unsigned n_sent;

static bool
on_send(void *user, const struct msg_question *question)
{
	(void)user;
	sent = *question;
	n_sent += has_proxy;
	return has_proxy;
}

static void
on_session(struct asking *a, const struct msg_session *m)
{
	struct asker *asker = (struct asker *)a;

	assert_int_equal(m->number, a->question.number);
	asker->n++;
	if (asker->is_enough)
		questions_cancel(questions, a);
}

static void
on_end(struct asking *a, enum asking_end why, uint32_t n)
{
	struct asker *asker = (struct asker *)a;

	assert_false(asker->is_over);
	asker->is_over = true;
	asker->why = why;
	asker->told = n;
}

static int
setup(void **state)
{
	(void)state;
	control_init(&control, "");
	has_proxy = true;
	n_sent = 0;
	questions = questions_new(control.loop, SLOTS, on_send, NULL);
	return questions != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	questions_free(questions);
	control_fini(&control);
	return 0;
}

static struct asker
ask(uint64_t id)
{
	return (struct asker){.asking = {.question = {.id = id, .kind = TG_ASK_SESSIONS},
					 .on_session = on_session,
					 .on_end = on_end}};
}

static bool
is_over(void *arg)
{
	const struct asker *asker = arg;

	return asker->is_over;
}

static bool
is_sent(void *arg)
{
	return n_sent >= *(unsigned *)arg;
}

static struct msg_session
session(uint32_t number)
{
	return (struct msg_session){
		.number = number, .service = TG_SESSION_NONE, .backend = TG_SESSION_NONE};
}

static int
say(const struct msg_session *m)
{
	union msg_payload u = {.session = *m};

	return questions_hear(questions, MSG_SESSION, &u);
}

static int
say_end(uint32_t number, uint32_t n)
{
	union msg_payload u = {.answered = {.number = number, .n = n}};

	return questions_hear(questions, MSG_ANSWERED, &u);
}

static void
answers_come_to_who_asked(void **state)
{
	struct asker a = ask(7);
	struct msg_session m;

	(void)state;
	questions_ask(questions, &a.asking);
	assert_int_equal(sent.id, 7);
	m = session(sent.number);
	assert_int_equal(say(&m), 0);
	assert_int_equal(say(&m), 0);
	assert_int_equal(say_end(sent.number, 2), 0);
	assert_int_equal(a.n, 2);
	assert_true(a.is_over);
	assert_int_equal(a.why, ASKING_DONE);
	assert_int_equal(a.told, 2);
}

static void
others_wait_their_turn(void **state)
{
	struct asker a = ask(1), b = ask(2), c = ask(3);
	unsigned wanted = 2;

	(void)state;
	questions_ask(questions, &a.asking);
	questions_ask(questions, &b.asking);
	questions_ask(questions, &c.asking);
	assert_int_equal(n_sent, 1);
	questions_cancel(questions, &b.asking);
	questions_cancel(questions, &b.asking);
	assert_int_equal(say_end(sent.number, 0), 0);
	assert_true(control_run(&control, is_sent, &wanted));
	assert_int_equal(sent.id, 3);
	assert_int_equal(say_end(sent.number, 0), 0);
	assert_true(a.is_over && !b.is_over && c.is_over);
}

static void
one_that_goes_away_is_forgotten(void **state)
{
	struct asker a = ask(1);
	struct msg_session m;

	(void)state;
	questions_ask(questions, &a.asking);
	questions_cancel(questions, &a.asking);
	m = session(sent.number);
	assert_int_equal(say(&m), 0);
	assert_int_equal(say_end(sent.number, 1), 0);
	assert_int_equal(a.n, 0);
	assert_false(a.is_over);
}

static void
enough_is_enough(void **state)
{
	struct asker a = ask(1);
	struct msg_session m;

	(void)state;
	a.is_enough = true;
	questions_ask(questions, &a.asking);
	m = session(sent.number);
	assert_int_equal(say(&m), 0);
	assert_int_equal(say(&m), 0);
	assert_int_equal(a.n, 1);
	assert_false(a.is_over || a.asking.is_queued);
}

static void
without_a_proxy_it_is_told_later(void **state)
{
	struct asker a = ask(1);

	(void)state;
	has_proxy = false;
	questions_ask(questions, &a.asking);
	assert_false(a.is_over);
	assert_true(control_run(&control, is_over, &a));
	assert_int_equal(a.why, ASKING_NO_PROXY);
}

static void
a_proxy_that_goes_away_ends_it(void **state)
{
	struct asker a = ask(1), b = ask(2);

	(void)state;
	questions_ask(questions, &a.asking);
	questions_ask(questions, &b.asking);
	questions_lose(questions);
	assert_int_equal(a.why, ASKING_LOST);
	assert_false(b.is_over);
	questions_cancel(questions, &b.asking);
	questions_lose(questions);
}

static void
silence_ends_it(void **state)
{
	struct asker a = ask(1);

	(void)state;
	questions_ask(questions, &a.asking);
	assert_true(control_run(&control, is_over, &a));
	assert_int_equal(a.why, ASKING_LATE);
}

static void
what_is_not_there_is_a_lie(void **state)
{
	struct asker a = ask(1);
	union msg_payload u = {.capture = {.service = TG_SESSION_NONE, .backend = TG_SESSION_NONE}};
	struct msg_session m;

	(void)state;
	questions_ask(questions, &a.asking);
	m = session(sent.number);
	m.listener = SLOTS;
	assert_int_equal(say(&m), -TG_EPROTO);
	m.listener = TG_SESSION_NONE;
	assert_int_equal(say(&m), -TG_EPROTO);
	m = session(sent.number);
	m.service = SLOTS;
	assert_int_equal(say(&m), -TG_EPROTO);
	m.service = SLOTS - 1;
	m.backend = SLOTS;
	assert_int_equal(say(&m), -TG_EPROTO);
	u.capture.number = sent.number;
	assert_int_equal(questions_hear(questions, MSG_CAPTURE, &u), -TG_EPROTO);
	assert_int_equal(questions_hear(questions, MSG_BACKEND, &u), -TG_EPROTO);
	u.capture.listener = SLOTS;
	assert_int_equal(questions_hear(questions, MSG_CAPTURE, &u), -TG_EPROTO);
	assert_int_equal(a.n, 0);
	m.backend = SLOTS - 1;
	assert_int_equal(say(&m), 0);
	assert_int_equal(a.n, 1);
	questions_cancel(questions, &a.asking);
}

/* A session is no answer to a question for what could not be read. */
static void
what_was_not_asked_for_is_a_lie(void **state)
{
	struct asker a = ask(1);
	struct msg_session m;

	(void)state;
	a.asking.question.kind = TG_ASK_CAPTURES;
	questions_ask(questions, &a.asking);
	m = session(sent.number);
	assert_int_equal(say(&m), -TG_EPROTO);
	questions_cancel(questions, &a.asking);
	a.asking.question.kind = TG_ASK_END;
	questions_ask(questions, &a.asking);
	m = session(sent.number);
	assert_int_equal(say(&m), -TG_EPROTO);
	questions_cancel(questions, &a.asking);
	assert_int_equal(a.n, 0);
}

static void
talk_without_end_is_a_breach(void **state)
{
	struct asker a = ask(1);
	struct msg_session m;
	unsigned n = 0;

	(void)state;
	questions_ask(questions, &a.asking);
	m = session(sent.number + 1);
	while (say(&m) == 0)
		assert_true(++n <= 1000000);
	questions_cancel(questions, &a.asking);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_come_to_who_asked),
		CASE(others_wait_their_turn),
		CASE(one_that_goes_away_is_forgotten),
		CASE(enough_is_enough),
		CASE(without_a_proxy_it_is_told_later),
		CASE(a_proxy_that_goes_away_ends_it),
		CASE(silence_ends_it),
		CASE(what_is_not_there_is_a_lie),
		CASE(what_was_not_asked_for_is_a_lie),
		CASE(talk_without_end_is_a_breach),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
