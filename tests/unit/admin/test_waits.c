/* Sessions that wait: for the parent, for a time, for a backend to be out of use. */
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
#include "conf/compare.h"
#include "fake/talk.h"

#define CHANGES "changed: services.api\n\nadded: services.db.b3\n"

struct fixture {
	struct talk talk; /* first */
	/* what the parent was asked last */
	unsigned asked;
	int rc;
	enum reload_what what;
	bool is_enabled;
	char who[64], why[128], service[64], backend[64], text[512];
	unsigned cuts;
	uint64_t cut_ms;
};

static int
on_reload(void *user, const struct reload_order *order, uint32_t *ret_id)
{
	struct fixture *f = user;

	if (f->rc < 0)
		return f->rc;
	f->what = order->what;
	f->is_enabled = order->is_enabled;
	snprintf(f->who, sizeof(f->who), "%s", order->who);
	snprintf(f->why, sizeof(f->why), "%s", order->why);
	snprintf(f->service, sizeof(f->service), "%s", order->service);
	snprintf(f->backend, sizeof(f->backend), "%s", order->backend);
	snprintf(f->text, sizeof(f->text), "%s", order->text);
	*ret_id = ++f->asked;
	return 0;
}

static int
on_cut(void *user, unsigned service, unsigned backend, uint64_t after_ms)
{
	struct fixture *f = user;

	(void)service;
	(void)backend;
	f->cuts++;
	f->cut_ms = after_ms;
	return 0;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f == NULL || talk_init(&f->talk) != 0)
		return -1;
	f->talk.source.actions = (struct admin_actions){.user = f, .reload = on_reload, .cut = on_cut};
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
has_prompt(void *arg)
{
	struct fixture *f = arg;

	assert_false(talk_is_closed(&f->talk));
	return f->talk.n >= 2 && strcmp(f->talk.answer + f->talk.n - 2, "> ") == 0;
}

static bool
is_asked(void *arg)
{
	const struct fixture *f = arg;

	return f->asked > 0;
}

/* A line whose session waits for the parent. */
static void
ask(struct fixture *f, const char *line)
{
	f->asked = 0;
	f->talk.n = 0;
	talk_say(&f->talk, line);
	assert_true(control_run(&f->talk.control, is_asked, f));
	assert_false(talk_is_closed(&f->talk));
	assert_int_equal(f->talk.n, 0);
}

static void
tell(struct fixture *f, uint32_t id, bool is_done, const char *text)
{
	admin_server_reloaded(f->talk.server, id, is_done, text, strlen(text));
}

/* A line that is answered without the parent; to be closed by the caller of ask(). */
static const char *
answer_of(struct fixture *f, const char *line)
{
	if (f->talk.client >= 0)
		close(f->talk.client);
	f->talk.client = -1;
	f->talk.n = 0;
	f->asked = 0;
	talk_say(&f->talk, line);
	talk_run_to_close(&f->talk);
	assert_int_equal(f->asked, 0);
	return f->talk.answer;
}

static void
a_reload_is_answered_by_the_parent(void **state)
{
	struct fixture *f = *state;

	ask(f, "reload why new rules\n");
	assert_int_equal(f->what, RELOAD_FILE);
	assert_string_equal(f->why, "new rules");
	assert_memory_equal(f->who, "uid ", 4);
	tell(f, f->asked, true, CHANGES);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "changed: services.api\nadded: services.db.b3\n\n");
}

static void
a_reload_as_json(void **state)
{
	struct fixture *f = *state;

	ask(f, "reload json\n");
	tell(f, f->asked, true, CHANGES);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "{\"done\":true,\"changes\":[\"changed: services.api\",\n"
				       "\"added: services.db.b3\"]}\n\n");
	f->talk.client = -1;
	ask(f, "reload json\n");
	tell(f, f->asked, true, TG_CONF_SAME "\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "{\"done\":true,\"changes\":[]}\n\n");
}

static void
a_failure_has_all_its_reasons(void **state)
{
	static const char text[] = "t.conf:3: no \"x\"\n\nt.conf:5: no y";
	struct fixture *f = *state;

	ask(f, "reload\n");
	tell(f, f->asked, false, text);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "error refused: t.conf:3: no \"x\"\nt.conf:5: no y\n\n");
	f->talk.client = -1;
	ask(f, "reload json\n");
	tell(f, f->asked, false, text);
	talk_run_to_close(&f->talk);
	assert_string_equal(
		f->talk.answer, "{\"error\":\"refused\",\"text\":\"t.conf:3: no \\\"x\\\"\",\"errors\":["
			   "\"t.conf:3: no \\\"x\\\"\",\n\"t.conf:5: no y\"]}\n\n");
	f->talk.client = -1;
	ask(f, "reload\n");
	tell(f, f->asked, false, "\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "error refused: the parent does not say why\n\n");
}

static void
a_dry_run_compares(void **state)
{
	static const char *const lines[] = {"reload --dry-run\n", "reload dry-run\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		ask(f, lines[i]);
		assert_int_equal(f->what, RELOAD_COMPARE);
		tell(f, f->asked, true, CHANGES);
		talk_run_to_close(&f->talk);
		assert_non_null(strstr(f->talk.answer, "changed: services.api\n"));
		close(f->talk.client);
		f->talk.client = -1;
	}
	assert_string_equal(answer_of(f, "reload now\n"), "error usage: reload [why WORDS]\n\n");
}

static void
what_cannot_be_asked_fails_at_once(void **state)
{
	struct fixture *f = *state;

	f->rc = -TG_EIO;
	assert_string_equal(answer_of(f, "reload\n"), "error limit: the parent cannot be told\n\n");
	f->rc = -TG_ELIMIT;
	assert_string_equal(
		answer_of(f, "reload; show version\n"),
		"error limit: too many changes are under way, or this is too long\n\n" PACKAGE_VERSION
		"\n\n");
}

static void
the_rest_of_a_line_is_run_behind_it(void **state)
{
	struct fixture *f = *state;

	ask(f, "show version; reload ;reload; show version\n");
	tell(f, 1, true, "one\n");
	assert_int_equal(f->asked, 2);
	talk_run_a_while(&f->talk, 3);
	assert_false(talk_is_closed(&f->talk));
	tell(f, 1, true, "one again\n");
	tell(f, 2, false, "two\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, PACKAGE_VERSION
			    "\n\none\n\nerror refused: two\n\n" PACKAGE_VERSION "\n\n");
}

static void
others_go_on_meanwhile(void **state)
{
	struct fixture *f = *state;
	int waiting;

	ask(f, "reload\n");
	waiting = f->talk.client;
	f->talk.client = -1;
	talk_say(&f->talk, "show version\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, PACKAGE_VERSION "\n\n");
	close(f->talk.client);
	f->talk.client = waiting;
	f->talk.n = 0;
	tell(f, f->asked, true, "done\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "done\n\n");
}

static void
who_goes_away_loses_the_answer_alone(void **state)
{
	struct fixture *f = *state;

	ask(f, "reload; show version\n");
	close(f->talk.client);
	f->talk.client = -1;
	talk_run_a_while(&f->talk, 3);
	tell(f, f->asked, true, CHANGES);
	talk_run_a_while(&f->talk, 3);
	assert_string_equal(answer_of(f, "show version\n"), PACKAGE_VERSION "\n\n");
}

/* As `echo reload | socat` does. */
static void
who_has_said_all_gets_the_answer(void **state)
{
	struct fixture *f = *state;

	ask(f, "reload; show version\n");
	assert_int_equal(shutdown(f->talk.client, SHUT_WR), 0);
	talk_run_a_while(&f->talk, 5);
	assert_false(talk_is_closed(&f->talk));
	tell(f, f->asked, true, "done\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "done\n\n" PACKAGE_VERSION "\n\n");
}

static void
lines_behind_a_prompt_wait_their_turn(void **state)
{
	struct fixture *f = *state;

	talk_say(&f->talk, "prompt\n");
	assert_true(control_run(&f->talk.control, has_prompt, f));
	ask(f, "reload\nshow version\nreload\n");
	tell(f, 1, true, "one\n");
	talk_run_a_while(&f->talk, 3);
	assert_false(talk_is_closed(&f->talk));
	assert_string_equal(f->talk.answer, "one\n\n> " PACKAGE_VERSION "\n\n> ");
	assert_int_equal(f->asked, 2);
	f->talk.n = 0;
	tell(f, 2, true, "two\n");
	assert_true(control_run(&f->talk.control, has_prompt, f));
	assert_string_equal(f->talk.answer, "two\n\n> ");
	talk_say(&f->talk, "quit\n");
	talk_run_to_close(&f->talk);
}

static void
a_keeper_that_ends_forgets_who_waits(void **state)
{
	struct fixture *f = *state;

	ask(f, "reload\n");
	admin_server_free(f->talk.server);
	f->talk.server = NULL;
	talk_run_a_while(&f->talk, 1);
	assert_true(talk_is_closed(&f->talk));
	assert_int_equal(f->talk.n, 0);
}

/* By the functions beneath: 30 s are long. */
static void
no_answer_in_time_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct command_session session = {.rights = TG_RIGHTS_ADMIN, .who = "uid 1"};
	char line[] = "reload json;show version";
	struct output out;

	output_init(&out, 65536);
	f->talk.source.now = mono_read();
	command_run_line(&f->talk.source, &session, line, &out);
	assert_non_null(session.wait.go_on);
	f->talk.source.now = mono_add_ms(f->talk.source.now, TG_ADMIN_RELOAD_MS - 1);
	assert_false(command_go_on(&f->talk.source, &session, &out));
	f->talk.source.now = mono_add_ms(f->talk.source.now, 1);
	assert_true(command_go_on(&f->talk.source, &session, &out));
	output_add(&out, "", 1);
	assert_string_equal(
		out.bytes,
		"{\"error\":\"timeout\",\"text\":\"no answer within 30 s; it may still be "
		"done: the log tells\"}\n\n" PACKAGE_VERSION "\n\n");
	output_fini(&out);
}

static void
waiting_takes_its_time(void **state)
{
	struct fixture *f = *state;
	struct mono start = mono_read();

	assert_string_equal(answer_of(f, "wait 50ms;show version; wait 50\n"),
			    "Done.\n\n" PACKAGE_VERSION "\n\nDone.\n\n");
	assert_true(mono_diff_us(mono_read(), start) >= 100000);
	assert_string_equal(answer_of(f, "wait 0 json\n"), "{\"done\":true}\n\n");
}

static void
wrong_waits_are_told(void **state)
{
	static const struct {
		const char *line;
		const char *answer;
	} cases[] = {
		{"wait\n", "error usage: wait TIME [srv-removable SERVICE/BACKEND]\n\n"},
		{"wait 1s be-removable api\n",
		 "error usage: wait TIME [srv-removable SERVICE/BACKEND]\n\n"},
		{"wait 2h\n", "error bad-value: \"2h\" is more than an hour\n\n"},
		{"wait 3600001\n",
		 "error bad-value: the time \"3600001\" is not a number from 0 to 3600000\n\n"},
		{"wait 1s srv-removable api/b9\n",
		 "error not-found: no backend \"b9\" in service \"api\"; \"show servers state api\" "
		 "lists them\n\n"},
		{"wait 1s srv-removable api/b1\n",
		 "error conflict: \"api/b1\" is in use: \"disable server api/b1\" or \"drain api/b1\" "
		 "first\n\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(answer_of(f, cases[i].line), cases[i].answer);
	assert_memory_equal(answer_of(f, "wait x\n"), "error bad-value: ", 17);
}

static _Atomic int64_t *
in_flight_of(struct fixture *f)
{
	return &segment_load(f->talk.control.segment, source_backend_slot(&f->talk.source, 0, 0))
			->in_flight;
}

static void
a_backend_is_waited_for(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(answer_of(f, "disable server api/b1;wait 9s srv-removable api/b1\n"),
			    "\nDone.\n\n");
	atomic_store(in_flight_of(f), 1);
	assert_string_equal(answer_of(f, "wait 30 srv-removable api/b1\n"),
			    "error timeout: in flight on \"api/b1\": 1; \"wait TIME srv-removable "
			    "api/b1\", or \"shutdown sessions server api/b1\"\n\n");
	close(f->talk.client);
	f->talk.client = -1;
	f->talk.n = 0;
	talk_say(&f->talk, "wait 9s srv-removable api/b1; show version\n");
	talk_run_a_while(&f->talk, 20);
	assert_false(talk_is_closed(&f->talk));
	assert_int_equal(f->talk.n, 0);
	atomic_store(in_flight_of(f), 0);
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "Done.\n\n" PACKAGE_VERSION "\n\n");
}

static void
a_server_is_added_by_haproxys_words(void **state)
{
	static const struct {
		const char *line;
		const char *text;
		bool is_enabled;
	} cases[] = {
		{"add server db/b3 10.0.0.1:80\n", "name = \"b3\"; address = \"10.0.0.1:80\";",
		 false},
		{"add server db/b3 [::1]:80 check enabled backup weight 7 maxconn 9 why it grows\n",
		 "name = \"b3\"; address = \"[::1]:80\"; weight = 7; max_connections = 9; backup = true;",
		 true},
		{"add server db/b3 app.example:80 weight 0 disabled\n",
		 "name = \"b3\"; address = \"app.example:80\"; weight = 0;", false},
		{"add server db/b3 unix:/run/a\"b\\c${X}\n",
		 "name = \"b3\"; address = \"unix:/run/a\\\"b\\\\c$${X}\";", false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(f, cases[i].line);
		assert_int_equal(f->what, RELOAD_ADD);
		assert_string_equal(f->service, "db");
		assert_string_equal(f->backend, "b3");
		assert_string_equal(f->text, cases[i].text);
		assert_int_equal(f->is_enabled, cases[i].is_enabled);
		tell(f, f->asked, true, "added: services.db.b3\n");
		talk_run_to_close(&f->talk);
		assert_string_equal(f->talk.answer, "New server registered.\n\n");
		close(f->talk.client);
		f->talk.client = -1;
	}
	ask(f, "add server db/b3 10.0.0.1:80 why it grows json\n");
	assert_string_equal(f->why, "it grows");
	tell(f, f->asked, true, "added: services.db.b3\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer,
			    "{\"done\":true,\"changes\":[\"added: services.db.b3\"]}\n\n");
}

static void
wrong_servers_are_not_asked_for(void **state)
{
	static const struct {
		const char *line;
		const char *code;
	} cases[] = {
		{"add server\n", "usage"},
		{"add server db/b3\n", "usage"},
		{"add server db 10.0.0.1:80\n", "bad-value"},
		{"add server db/ 10.0.0.1:80\n", "bad-value"},
		{"add server no/b3 10.0.0.1:80\n", "not-found"},
		{"add server db/d1 10.0.0.1:80\n", "conflict"},
		{"add server db/b3 10.0.0.1\n", "bad-value"},
		{"add server db/b3 srv:_http._tcp.example.org\n", "bad-value"},
		{"add server db/b3 10.0.0.1:80 weight\n", "bad-value"},
		{"add server db/b3 10.0.0.1:80 weight 257\n", "bad-value"},
		{"add server db/b3 10.0.0.1:80 maxconn x\n", "bad-value"},
		{"add server db/b3 10.0.0.1:80 ssl\n", "bad-value"},
		{"del server\n", "usage"},
		{"del server api/b1 now\n", "usage"},
		{"del server api/b1 drain until 3s\n", "usage"},
		{"del server api/b9\n", "not-found"},
		{"del server api/b1\n", "conflict"},
		{"del server api/b1 drain deadline x\n", "bad-value"},
		{"del server api/b1 drain deadline 2h\n", "bad-value"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *answer = answer_of(f, cases[i].line);
		size_t n = strlen(cases[i].code);

		assert_memory_equal(answer, "error ", 6);
		assert_memory_equal(answer + 6, cases[i].code, n);
		assert_int_equal(answer[6 + n], ':');
	}
	assert_int_equal(f->talk.control.changes, 0);
}

static void
a_server_out_of_use_is_deleted(void **state)
{
	struct fixture *f = *state;

	answer_of(f, "disable server api/b1\n");
	atomic_store(in_flight_of(f), 2);
	assert_string_equal(answer_of(f, "del server api/b1\n"),
			    "error conflict: in flight on \"api/b1\": 2; \"wait TIME srv-removable "
			    "api/b1\", or \"shutdown sessions server api/b1\"\n\n");
	atomic_store(in_flight_of(f), 0);
	close(f->talk.client);
	f->talk.client = -1;
	ask(f, "del server api/b1 why old\n");
	assert_int_equal(f->what, RELOAD_DELETE);
	assert_string_equal(f->service, "api");
	assert_string_equal(f->backend, "b1");
	assert_string_equal(f->why, "old");
	tell(f, f->asked, true, "deleted: services.api.b1\n");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "Server deleted.\n\n");
}

static void
a_server_is_drained_and_deleted(void **state)
{
	struct fixture *f = *state;

	atomic_store(in_flight_of(f), 1);
	talk_say(&f->talk, "del server api/b1 drain deadline 60ms why old; show version\n");
	talk_run_a_while(&f->talk, 20);
	assert_int_equal(f->asked, 0);
	assert_int_equal(f->cuts, 1);
	assert_int_equal(f->cut_ms, 60);
	assert_int_equal(steer_get(f->talk.control.steer, 0, 0)->order.admin, TG_ADMIN_DRAIN);
	atomic_store(in_flight_of(f), 0);
	assert_true(control_run(&f->talk.control, is_asked, f));
	assert_int_equal(f->what, RELOAD_DELETE);
	assert_string_equal(f->why, "old");
	assert_false(talk_is_closed(&f->talk));
	tell(f, f->asked, true, "");
	talk_run_to_close(&f->talk);
	assert_string_equal(f->talk.answer, "Server deleted.\n\n" PACKAGE_VERSION "\n\n");
}

/* What is asked once it is drained may fail like anything else. */
static void
a_drained_server_that_cannot_be_deleted_stays(void **state)
{
	struct fixture *f = *state;

	f->rc = -TG_EIO;
	assert_string_equal(answer_of(f, "del server api/b1 drain\n"),
			    "error limit: the parent cannot be told\n\n");
	assert_int_equal(steer_get(f->talk.control.steer, 0, 0)->order.admin, TG_ADMIN_DRAIN);
	assert_int_equal(f->cuts, 0);
}

static void
slots_of_a_name_go_together(void **state)
{
	struct fixture *f = *state;
	struct conf_backend *b = &f->talk.control.conf->services[0].backends[0];

	b->slots = 3;
	assert_string_equal(
		answer_of(f, "del server api/b1 drain\n"),
		"error conflict: \"api/b1\" is one of 3 slots of the name \"b1\", which "
		"are one entry of the configuration: edit it, and \"reload\"\n\n");
	assert_int_equal(f->talk.control.changes, 0);
	b->slots = 1;
}

static void
rights_are_asked_for(void **state)
{
	static const char *const admin[] = {"reload", "add server db/b3 1.2.3.4:5",
					    "del server api/b1"};
	struct fixture *f = *state;
	struct command_session session = {.rights = TG_RIGHTS_OPERATOR, .who = "uid 1"};
	struct output out;
	char line[64];

	for (size_t i = 0; i < 3; i++) {
		output_init(&out, 65536);
		snprintf(line, sizeof(line), "%s", admin[i]);
		command_run_line(&f->talk.source, &session, line, &out);
		assert_memory_equal(out.bytes, "error denied: ", 14);
		output_fini(&out);
	}
	output_init(&out, 65536);
	snprintf(line, sizeof(line), "reload --dry-run");
	command_run_line(&f->talk.source, &session, line, &out);
	assert_non_null(session.wait.go_on);
	output_fini(&out);
}

static void
who_added_and_deleted_is_shown(void **state)
{
	static char who[] = "uid 7";
	static char why[] = "it grows";
	static char name[] = "b0";
	static struct conf_deleted deleted = {.name = name,
					      .note = {.who = who, .why = why, .when_us = 1000000}};
	struct fixture *f = *state;
	struct conf_service *service = &f->talk.control.conf->services[0];

	service->backends[1].added = (struct conf_note){.who = who, .why = why, .when_us = 2000000};
	service->deleted = &deleted;
	service->n_deleted = 1;
	assert_string_equal(answer_of(f, "show state diff\n"),
			    "api/b2 added [::1]:2 1970-01-01T00:00:02.000000Z by uid 7: it grows\n"
			    "api/b0 deleted 1970-01-01T00:00:01.000000Z by uid 7: it grows\n\n");
	assert_non_null(strstr(answer_of(f, "show state diff json\n"),
			       "[{\"service\":\"api\",\"backend\":\"b2\",\"property\":\"added\","
			       "\"value\":\"[::1]:2\","));
	assert_non_null(
		strstr(answer_of(f, "show servers state json\n"),
		       "\"administrative\":{\"added\":{\"when\":\"1970-01-01T00:00:02.000000Z\","
		       "\"who\":\"uid 7\",\"why\":\"it grows\"}}"));
	assert_non_null(strstr(answer_of(f, "show stat json\n"), ",\"added\":{\"when\":"));
	assert_non_null(
		strstr(answer_of(f, "save config\n"), "name = \"b2\"; address = \"[::1]:2\""));
	assert_null(strstr(f->talk.answer, "uid 7"));
	service->n_deleted = 0;
	service->deleted = NULL;
	service->backends[1].added = (struct conf_note){.who = NULL};
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_reload_is_answered_by_the_parent),
		CASE(a_reload_as_json),
		CASE(a_failure_has_all_its_reasons),
		CASE(a_dry_run_compares),
		CASE(what_cannot_be_asked_fails_at_once),
		CASE(the_rest_of_a_line_is_run_behind_it),
		CASE(others_go_on_meanwhile),
		CASE(who_goes_away_loses_the_answer_alone),
		CASE(who_has_said_all_gets_the_answer),
		CASE(lines_behind_a_prompt_wait_their_turn),
		CASE(a_keeper_that_ends_forgets_who_waits),
		CASE(no_answer_in_time_is_a_failure),
		CASE(waiting_takes_its_time),
		CASE(wrong_waits_are_told),
		CASE(a_backend_is_waited_for),
		CASE(a_server_is_added_by_haproxys_words),
		CASE(wrong_servers_are_not_asked_for),
		CASE(a_server_out_of_use_is_deleted),
		CASE(a_server_is_drained_and_deleted),
		CASE(a_drained_server_that_cannot_be_deleted_stays),
		CASE(slots_of_a_name_go_together),
		CASE(rights_are_asked_for),
		CASE(who_added_and_deleted_is_shown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
