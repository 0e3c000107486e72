/* Sessions that wait for the proxy, by the mechanism of all that wait. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/command.h"
#include "admin/server.h"
#include "fake/talk.h"

#define ONE(id)                                                                                    \
	id ": proto=unix_stream src=unix fe=web be=api srv=b1 worker=0 phase=rest age=0ms "        \
	   "rqage=0ms tries=0 in=0 out=0\n"

struct fixture {
	struct talk talk; /* first */
	struct asking *asked; /* NULL: nothing is, or it is over */
	unsigned n_asked;
	unsigned n_cancelled;
};

static void
on_ask(void *user, struct asking *asking)
{
	struct fixture *f = user;

	assert_null(f->asked);
	f->asked = asking;
	f->n_asked++;
	asking->is_queued = true;
}

static void
on_cancel(void *user, struct asking *asking)
{
	struct fixture *f = user;

	assert_ptr_equal(asking, f->asked);
	assert_true(asking->is_queued);
	asking->is_queued = false;
	f->asked = NULL;
	f->n_cancelled++;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f == NULL || talk_init(&f->talk) != 0)
		return -1;
	f->talk.source.actions = (struct admin_actions){.user = f, .ask = on_ask, .cancel = on_cancel};
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	talk_fini(&f->talk);
	free(f);
	return 0;
}

static bool
is_asked(void *arg)
{
	const struct fixture *f = arg;

	return f->asked != NULL;
}

static bool
is_unasked(void *arg)
{
	return !is_asked(arg);
}

/* A line whose session waits for the proxy. */
static void
ask(struct fixture *f, const char *line)
{
	f->talk.client = talk_connect(&f->talk);
	talk_say(&f->talk, line);
	assert_true(control_run(&f->talk.control, is_asked, f));
	assert_false(talk_is_closed(&f->talk));
}

static struct msg_session
session_of(const struct fixture *f, uint64_t id)
{
	const struct conf *conf = f->talk.control.conf;

	return (struct msg_session){
		.id = id,
		.listener = conf->listeners[0].segment_slot,
		.service = conf->services[0].segment_slot,
		.backend = conf->services[0].backends[0].segment_slot,
	};
}

static void
tell(const struct fixture *f, uint64_t id)
{
	struct msg_session m = session_of(f, id);

	f->asked->on_session(f->asked, &m);
}

/* The next question may come under this call. */
static void
tell_end(struct fixture *f, enum asking_end why, uint32_t n)
{
	struct asking *asking = f->asked;

	asking->is_queued = false;
	f->asked = NULL;
	asking->on_end(asking, why, n);
}

static void
a_line_goes_on_behind_its_answers(void **state)
{
	struct fixture *f = *state;

	ask(f, "show version; show sess; show sess 0x7; show version\n");
	assert_int_equal(f->asked->question.kind, TG_ASK_SESSIONS);
	tell(f, 0x10);
	tell(f, 0x11);
	tell_end(f, ASKING_DONE, 2);
	assert_int_equal(f->asked->question.kind, TG_ASK_SESSION);
	assert_int_equal(f->asked->question.id, 7);
	tell_end(f, ASKING_DONE, 0);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer,
			    PACKAGE_VERSION "\n\n" ONE("0x10")
				    ONE("0x11") "\nerror not-found: no session 0x7 any more; "
						"\"show sess\" lists them\n\n" PACKAGE_VERSION
						"\n\n");
	assert_int_equal(f->n_cancelled, 0);
}

static void
waits_of_all_kinds_stand_in_one_line(void **state)
{
	struct fixture *f = *state;

	ask(f, "wait 20ms; shutdown session 0x7 json; wait 20ms; show errors json\n");
	assert_int_equal(f->asked->question.kind, TG_ASK_END);
	tell_end(f, ASKING_DONE, 1);
	assert_null(f->asked);
	assert_true(control_run(&f->talk.control, is_asked, f));
	assert_int_equal(f->asked->question.kind, TG_ASK_CAPTURES);
	tell_end(f, ASKING_DONE, 0);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "Done.\n\n{\"ok\":true}\n\nDone.\n\n[]\n\n");
}

static void
troubles_are_told(void **state)
{
	static const struct {
		enum asking_end why;
		const char *answer;
	} cases[] = {
		{ASKING_NO_PROXY, "there is no proxy now: it is being started again"},
		{ASKING_LOST, "the proxy went away before it had answered"},
		{ASKING_LATE, "the proxy takes too long to answer"},
	};
	struct fixture *f = *state;
	char wanted[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->talk.n = 0;
		ask(f, "show sess\n");
		tell(f, 1);
		tell_end(f, cases[i].why, 0);
		talk_run_to_close(&f->talk);
		snprintf(wanted, sizeof(wanted), "error proxy: %s\n\n", cases[i].answer);
		assert_string_equal(f->talk.answer, wanted);
		close(f->talk.client);
		f->talk.client = -1;
	}
}

static void
who_goes_away_takes_the_question_along(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	tell(f, 1);
	close(f->talk.client);
	f->talk.client = -1;
	assert_true(control_run(&f->talk.control, is_unasked, f));
	assert_int_equal(f->n_cancelled, 1);
}

static void
who_has_said_all_gets_the_answer(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	shutdown(f->talk.client, SHUT_WR);
	assert_false(talk_is_closed(&f->talk));
	tell(f, 0x10);
	tell_end(f, ASKING_DONE, 1);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, ONE("0x10") "\n");
}

static void
a_keeper_that_ends_asks_nothing_any_more(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	admin_server_free(f->talk.server);
	f->talk.server = NULL;
	assert_null(f->asked);
	assert_int_equal(f->n_cancelled, 1);
}

static void
what_is_gone_keeps_its_name(void **state)
{
	struct fixture *f = *state;
	struct msg_session m = session_of(f, 0x10);

	ask(f, "show sess json\n");
	/* Nothing else the keeper knows of it is left. */
	f->talk.control.conf->n_services--;
	f->talk.control.conf->n_listeners--;
	f->asked->on_session(f->asked, &m);
	f->talk.control.conf->n_services++;
	f->talk.control.conf->n_listeners++;
	m.service = m.backend = segment_slots(f->talk.control.segment) - 1;
	f->asked->on_session(f->asked, &m);
	m.service = m.backend = TG_SESSION_NONE;
	f->asked->on_session(f->asked, &m);
	tell_end(f, ASKING_DONE, 3);
	talk_run_to_close(&f->talk);
	assert_non_null(strstr(f->talk.answer, "\"listener\":\"web\",\"service\":\"api\",\"backend\":"
					  "\"b1\""));
	assert_non_null(strstr(f->talk.answer, "\"listener\":\"web\",\"service\":\"<gone>\","
					  "\"backend\":\"<gone>\""));
	assert_non_null(strstr(f->talk.answer, "\"listener\":\"web\",\"service\":null,"
					  "\"backend\":null"));
}

/* By the functions beneath: 30 s are long. */
static void
no_answer_in_time_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct command_session session = {.rights = TG_RIGHTS_ADMIN, .who = "uid 1"};
	char line[] = "show sess;show version";
	struct msg_session m = session_of(f, 1);
	struct output out;

	output_init(&out, 65536);
	f->talk.source.now = mono_read();
	command_run_line(&f->talk.source, &session, line, &out);
	command_hear_session(&f->talk.source, &session, &out, &m);
	f->talk.source.now = mono_add_ms(f->talk.source.now, TG_ADMIN_ASK_MS - 1);
	assert_false(command_go_on(&f->talk.source, &session, &out));
	assert_int_equal(f->n_cancelled, 0);
	f->talk.source.now = mono_add_ms(f->talk.source.now, 1);
	assert_true(command_go_on(&f->talk.source, &session, &out));
	assert_int_equal(f->n_cancelled, 1);
	output_add(&out, "", 1);
	assert_string_equal(out.bytes,
			    "error proxy: the proxy takes too long to answer\n\n" PACKAGE_VERSION
			    "\n\n");
	output_fini(&out);
}

/* As above, of what does not fit; the rest of the line is run, which asks anew. */
static void
too_much_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct command_session session = {.rights = TG_RIGHTS_ADMIN, .who = "uid 1"};
	char line[] = "show sess;shutdown session 0x7";
	struct msg_session m = session_of(f, 1);
	struct output out;

	output_init(&out, 1000);
	command_run_line(&f->talk.source, &session, line, &out);
	while (!out.is_full)
		command_hear_session(&f->talk.source, &session, &out, &m);
	assert_false(command_go_on(&f->talk.source, &session, &out));
	assert_int_equal(f->n_cancelled, 1);
	assert_int_equal(f->n_asked, 2);
	assert_int_equal(f->asked->question.kind, TG_ASK_END);
	f->asked->is_queued = false;
	command_hear_end(&session, ASKING_DONE, 1);
	assert_true(command_go_on(&f->talk.source, &session, &out));
	output_add(&out, "", 1);
	assert_string_equal(out.bytes, "error limit: the answer is too long\n\n\n");
	output_fini(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_goes_on_behind_its_answers),
		CASE(waits_of_all_kinds_stand_in_one_line),
		CASE(troubles_are_told),
		CASE(who_goes_away_takes_the_question_along),
		CASE(who_has_said_all_gets_the_answer),
		CASE(a_keeper_that_ends_asks_nothing_any_more),
		CASE(what_is_gone_keeps_its_name),
		CASE(no_answer_in_time_is_a_failure),
		CASE(too_much_is_a_failure),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
