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
#include "fake/control.h"

#define ONE(id)                                                                                    \
	id ": proto=unix_stream src=unix fe=web be=api srv=b1 worker=0 phase=rest age=0ms "        \
	   "rqage=0ms tries=0 in=0 out=0\n"

struct fixture {
	struct control control;
	struct admin_source source;
	struct admin_server *server;
	struct sockaddr_un at;
	char folder[32];
	int client;
	char answer[65536];
	size_t n;
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
	int fd;

	if (f == NULL)
		return -1;
	*state = f;
	f->client = -1;
	control_init(&f->control, "");
	if (source_init(&f->source, f->control.conf, f->control.segment, f->control.health,
			f->control.steer, mono_read()) != 0)
		return -1;
	memcpy(f->folder, "/tmp/tg-asks-XXXXXX", 20);
	if (mkdtemp(f->folder) == NULL)
		return -1;
	f->at.sun_family = AF_UNIX;
	snprintf(f->at.sun_path, sizeof(f->at.sun_path), "%s/s", f->folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&f->at, sizeof(f->at)) != 0 || listen(fd, 128) != 0)
		return -1;
	f->source.events = events_new();
	f->source.actions = (struct admin_actions){.user = f, .ask = on_ask, .cancel = on_cancel};
	f->server = admin_server_new(f->control.loop, &f->source);
	return f->server != NULL ? admin_server_listen(f->server, fd, TG_RIGHTS_ADMIN) : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->client >= 0)
		close(f->client);
	admin_server_free(f->server);
	events_free(f->source.events);
	source_fini(&f->source);
	control_fini(&f->control);
	unlink(f->at.sun_path);
	rmdir(f->folder);
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

/* Everything the server sent; true when it closed. */
static bool
is_closed(void *arg)
{
	struct fixture *f = arg;
	ssize_t n;

	do {
		assert_true(f->n < sizeof(f->answer) - 1);
		n = recv(f->client, f->answer + f->n, sizeof(f->answer) - 1 - f->n, 0);
		if (n > 0)
			f->n += (size_t)n;
	} while (n > 0);
	f->answer[f->n] = '\0';
	return !(n < 0 && errno == EAGAIN);
}

/* A line whose session waits for the proxy. */
static void
ask(struct fixture *f, const char *line)
{
	size_t n = strlen(line);

	f->client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(f->client, (const struct sockaddr *)&f->at, sizeof(f->at)), 0);
	assert_int_equal(send(f->client, line, n, MSG_NOSIGNAL), n);
	assert_true(control_run(&f->control, is_asked, f));
	assert_false(is_closed(f));
}

static struct msg_session
session_of(const struct fixture *f, uint64_t id)
{
	const struct conf *conf = f->control.conf;

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
run_to_close(struct fixture *f)
{
	assert_true(control_run(&f->control, is_closed, f));
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
	run_to_close(f);
	assert_string_equal(f->answer,
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
	assert_true(control_run(&f->control, is_asked, f));
	assert_int_equal(f->asked->question.kind, TG_ASK_CAPTURES);
	tell_end(f, ASKING_DONE, 0);
	run_to_close(f);
	assert_string_equal(f->answer, "Done.\n\n{\"ok\":true}\n\nDone.\n\n[]\n\n");
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
		f->n = 0;
		ask(f, "show sess\n");
		tell(f, 1);
		tell_end(f, cases[i].why, 0);
		run_to_close(f);
		snprintf(wanted, sizeof(wanted), "error proxy: %s\n\n", cases[i].answer);
		assert_string_equal(f->answer, wanted);
		close(f->client);
		f->client = -1;
	}
}

static void
who_goes_away_takes_the_question_along(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	tell(f, 1);
	close(f->client);
	f->client = -1;
	assert_true(control_run(&f->control, is_unasked, f));
	assert_int_equal(f->n_cancelled, 1);
}

static void
who_has_said_all_gets_the_answer(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	shutdown(f->client, SHUT_WR);
	assert_false(is_closed(f));
	tell(f, 0x10);
	tell_end(f, ASKING_DONE, 1);
	run_to_close(f);
	assert_string_equal(f->answer, ONE("0x10") "\n");
}

static void
a_keeper_that_ends_asks_nothing_any_more(void **state)
{
	struct fixture *f = *state;

	ask(f, "show sess\n");
	admin_server_free(f->server);
	f->server = NULL;
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
	f->control.conf->n_services--;
	f->control.conf->n_listeners--;
	f->asked->on_session(f->asked, &m);
	f->control.conf->n_services++;
	f->control.conf->n_listeners++;
	m.service = m.backend = segment_slots(f->control.segment) - 1;
	f->asked->on_session(f->asked, &m);
	m.service = m.backend = TG_SESSION_NONE;
	f->asked->on_session(f->asked, &m);
	tell_end(f, ASKING_DONE, 3);
	run_to_close(f);
	assert_non_null(strstr(f->answer, "\"listener\":\"web\",\"service\":\"api\",\"backend\":"
					  "\"b1\""));
	assert_non_null(strstr(f->answer, "\"listener\":\"web\",\"service\":\"<gone>\","
					  "\"backend\":\"<gone>\""));
	assert_non_null(strstr(f->answer, "\"listener\":\"web\",\"service\":null,"
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
	f->source.now = mono_read();
	command_run_line(&f->source, &session, line, &out);
	command_hear_session(&f->source, &session, &out, &m);
	f->source.now = mono_add_ms(f->source.now, TG_ADMIN_ASK_MS - 1);
	assert_false(command_go_on(&f->source, &session, &out));
	assert_int_equal(f->n_cancelled, 0);
	f->source.now = mono_add_ms(f->source.now, 1);
	assert_true(command_go_on(&f->source, &session, &out));
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
	command_run_line(&f->source, &session, line, &out);
	while (!out.is_full)
		command_hear_session(&f->source, &session, &out, &m);
	assert_false(command_go_on(&f->source, &session, &out));
	assert_int_equal(f->n_cancelled, 1);
	assert_int_equal(f->n_asked, 2);
	assert_int_equal(f->asked->question.kind, TG_ASK_END);
	f->asked->is_queued = false;
	command_hear_end(&session, ASKING_DONE, 1);
	assert_true(command_go_on(&f->source, &session, &out));
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
