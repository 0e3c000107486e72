/* Clients of the control socket, good and bad. */
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

#include "admin/server.h"
#include "fake/talk.h"

static int
setup(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));

	*state = t;
	return t != NULL ? talk_init(t) : -1;
}

static int
teardown(void **state)
{
	talk_fini(*state);
	free(*state);
	return 0;
}

static void
answers_one_line_and_closes(void **state)
{
	struct talk *f = *state;

	talk_say(f, "show info;show stat\n");
	talk_run_to_close(f);
	assert_memory_equal(f->answer, "Name: tidegate\n", 15);
	assert_non_null(strstr(f->answer, "\n\n# pxname,svname,"));
	assert_string_equal(f->answer + f->n - 2, "\n\n");
}

static void
a_line_may_come_in_pieces(void **state)
{
	struct talk *f = *state;

	talk_say(f, "he");
	talk_run_a_while(f, 3);
	assert_int_equal(f->n, 0);
	talk_say(f, "lp");
	talk_run_a_while(f, 3);
	talk_say(f, "\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
}

static void
an_end_is_as_good_as_a_newline(void **state)
{
	struct talk *f = *state;

	talk_say(f, "help");
	assert_int_equal(shutdown(f->client, SHUT_WR), 0);
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
}

static void
half_closed_clients_get_their_answer(void **state)
{
	struct talk *f = *state;

	talk_say(f, "help\n");
	assert_int_equal(shutdown(f->client, SHUT_WR), 0);
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
}

/* Closing with unread input would tell the client of an error instead of the end. */
static void
further_lines_are_read_and_ignored(void **state)
{
	struct talk *f = *state;

	talk_say(f, "help\nshow info\nshow stat\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
	assert_null(strstr(f->answer, "Name: "));
}

static void
nothing_said_nothing_answered(void **state)
{
	struct talk *f = *state;

	f->client = talk_connect(f);
	assert_int_equal(shutdown(f->client, SHUT_WR), 0);
	talk_run_to_close(f);
	assert_int_equal(f->n, 0);
}

static void
too_long_a_line_is_refused(void **state)
{
	struct talk *f = *state;
	char text[TG_ADMIN_LINE_MAX + 1];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	talk_say(f, text);
	talk_run_to_close(f);
	assert_string_equal(f->answer, "error limit: the line is longer than 16384 bytes\n\n");
}

static void
the_longest_line_is_taken(void **state)
{
	struct talk *f = *state;
	char text[TG_ADMIN_LINE_MAX + 1];

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "help", 4);
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	talk_say(f, text);
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
}

static void
clients_that_go_away_are_forgotten(void **state)
{
	struct talk *f = *state;

	talk_say(f, "show st");
	talk_run_a_while(f, 3);
	close(f->client);
	f->client = -1;
	talk_run_a_while(f, 3);
	talk_say(f, "help\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
}

static void
too_many_clients_are_refused(void **state)
{
	struct talk *f = *state;
	int fds[TG_ADMIN_CLIENTS_MAX];

	for (size_t i = 0; i < TG_ADMIN_CLIENTS_MAX; i++)
		fds[i] = talk_connect(f);
	f->client = talk_connect(f);
	talk_run_to_close(f);
	assert_int_equal(f->n, 0);
	close(f->client);
	close(fds[0]);
	talk_run_a_while(f, 3);
	f->client = -1;
	talk_say(f, "help\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
	for (size_t i = 1; i < TG_ADMIN_CLIENTS_MAX; i++)
		close(fds[i]);
}

/* A client that takes nothing must not keep another one waiting. */
static void
slow_clients_hold_nobody_up(void **state)
{
	struct talk *f = *state;
	char text[4096];
	size_t n = 0;
	int slow;

	while (n + 10 < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "show stat;");
	text[n - 1] = '\n';
	slow = talk_connect(f);
	assert_int_equal(send(slow, text, n, MSG_NOSIGNAL), n);
	talk_run_a_while(f, 3);
	talk_say(f, "help\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "show stat"));
	close(f->client);
	f->client = slow;
	f->n = 0;
	talk_run_to_close(f);
	assert_true(f->n > 400000);
	assert_string_equal(f->answer + f->n - 2, "\n\n");
}

/* Its lines are not run: the command refuses them. */
static void
a_payload_is_refused_by_who_takes_none(void **state)
{
	struct talk *f = *state;

	talk_say(f,
	    "prompt\nhelp; show version <<\nshow info\nhelp\n\nshow version <<X json\n<<\n\nquit\n");
	talk_run_to_close(f);
	assert_non_null(strstr(f->answer, "error usage: \"show version\" takes no payload\n\n> "));
	assert_null(strstr(f->answer, "Name: "));
	assert_non_null(strstr(f->answer, "{\"error\":\"usage\",\"text\":\"show version\"}\n\n> "));
	assert_non_null(
		strstr(f->answer, "error usage: a payload needs a command before it\n\n> "));
}

static void
a_payload_may_come_in_pieces(void **state)
{
	struct talk *f = *state;

	talk_say(f, "show version json <<EO");
	talk_run_a_while(f, 3);
	talk_say(f, "F\n\nEO");
	talk_run_a_while(f, 3);
	assert_int_equal(f->n, 0);
	talk_say(f, "F\n");
	talk_run_to_close(f);
	assert_string_equal(f->answer, "{\"error\":\"usage\",\"text\":\"\\\"show version\\\" takes "
				       "no payload\"}\n\n");
}

static void
a_payload_without_end_is_refused(void **state)
{
	struct talk *f = *state;

	talk_say(f, "show version <<\nshow info\n");
	assert_int_equal(shutdown(f->client, SHUT_WR), 0);
	talk_run_to_close(f);
	assert_string_equal(f->answer, "error limit: the payload has no end\n\n");
}

static void
too_long_a_payload_is_refused(void **state)
{
	struct talk *f = *state;
	bool is_closed_already = false;
	char text[8192];
	size_t sent = 0;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[sizeof(text) - 2] = '\n';
	talk_say(f, "show version <<END\n");
	while (sent < TG_ADMIN_PAYLOAD_MAX + 64 && !is_closed_already) {
		ssize_t n = send(f->client, text, sizeof(text) - 1, MSG_NOSIGNAL);

		is_closed_already = n < 0 && errno != EAGAIN;
		sent += n > 0 ? (size_t)n : 0;
		if (n < 0)
			talk_run_a_while(f, 3);
	}
	talk_run_to_close(f);
	assert_string_equal(f->answer, "error limit: the payload is longer than 1048576 bytes\n\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_one_line_and_closes),
		CASE(a_line_may_come_in_pieces),
		CASE(an_end_is_as_good_as_a_newline),
		CASE(half_closed_clients_get_their_answer),
		CASE(further_lines_are_read_and_ignored),
		CASE(nothing_said_nothing_answered),
		CASE(too_long_a_line_is_refused),
		CASE(the_longest_line_is_taken),
		CASE(clients_that_go_away_are_forgotten),
		CASE(too_many_clients_are_refused),
		CASE(slow_clients_hold_nobody_up),
		CASE(a_payload_is_refused_by_who_takes_none),
		CASE(a_payload_may_come_in_pieces),
		CASE(a_payload_without_end_is_refused),
		CASE(too_long_a_payload_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
