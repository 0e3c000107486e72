/* Clients of the HTTP port, good and bad. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/http_server.h"
#include "fake/control.h"
#include "fake/pair.h"

struct fixture {
	struct control control;
	struct admin_source source;
	struct http_server *server;
	struct addr at;
	int client;
	char *answer; /* ANSWER_ROOM */
	size_t n;
	bool is_reset;
};

#define ANSWER_ROOM ((size_t)64 << 20)

static bool
has_proxy(const void *user)
{
	(void)user;
	return true;
}

static int
setup_with(struct fixture *f, const char *top)
{
	f->client = -1;
	f->answer = malloc(ANSWER_ROOM);
	control_init(&f->control, top);
	if (f->answer == NULL || source_init(&f->source, f->control.conf, f->control.segment,
					     f->control.health, f->control.steer, mono_read()) != 0)
		return -1;
	f->source.has_proxy = has_proxy;
	return http_server_start(f->control.loop, fake_listen(&f->at), &f->source, &f->server);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f == NULL ? -1 : setup_with(f, "");
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->client >= 0)
		close(f->client);
	http_server_stop(f->server);
	source_fini(&f->source);
	control_fini(&f->control);
	free(f->answer);
	free(f);
	return 0;
}

static int
connect_one(const struct fixture *f)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &f->at.u.sa, f->at.len), 0);
	return fd;
}

static void
say(struct fixture *f, const char *text)
{
	size_t n = strlen(text);

	if (f->client < 0)
		f->client = connect_one(f);
	assert_int_equal(send(f->client, text, n, MSG_NOSIGNAL), n);
}

/* Everything the server sent; true when it closed. */
static bool
is_closed(void *arg)
{
	struct fixture *f = arg;
	ssize_t n;

	do {
		assert_true(f->n < ANSWER_ROOM - 1);
		n = recv(f->client, f->answer + f->n, ANSWER_ROOM - 1 - f->n, MSG_DONTWAIT);
		if (n > 0)
			f->n += (size_t)n;
	} while (n > 0);
	f->answer[f->n] = '\0';
	f->is_reset = n < 0 && errno == ECONNRESET;
	return n == 0 || f->is_reset;
}

static void
run_to_close(struct fixture *f)
{
	assert_true(control_run(&f->control, is_closed, f));
	assert_false(f->is_reset);
}

static void
ask(struct fixture *f, const char *text)
{
	say(f, text);
	run_to_close(f);
}

static bool
is_over(void *arg)
{
	unsigned *turns = arg;

	return (*turns)-- == 0;
}

/* Some turns of the loop, in which something should not happen. */
static void
run_a_while(struct fixture *f)
{
	unsigned turns = 3;

	assert_true(control_run(&f->control, is_over, &turns));
}

static void
assert_begins(const struct fixture *f, const char *text)
{
	if (strncmp(f->answer, text, strlen(text)) != 0)
		fail_msg("wanted %s, got %.200s", text, f->answer);
}

static void
assert_has(const struct fixture *f, const char *text)
{
	if (strstr(f->answer, text) == NULL)
		fail_msg("no %s in %.400s", text, f->answer);
}

/* Takes the chunks apart in place; what is no chunk fails. Returns the body, terminated. */
static char *
unchunk(struct fixture *f)
{
	char *body = strstr(f->answer, "\r\n\r\n");
	char *to;
	char *at;
	unsigned long n;

	assert_non_null(body);
	body += 4;
	to = body;
	at = body;
	do {
		char *end;

		n = strtoul(at, &end, 16);
		assert_true(end > at && end[0] == '\r' && end[1] == '\n');
		memmove(to, end + 2, n);
		to += n;
		at = end + 2 + n;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	} while (n > 0);
	assert_ptr_equal(at, f->answer + f->n);
	*to = '\0';
	return body;
}

static void
metrics_come_in_chunks(void **state)
{
	struct fixture *f = *state;
	const char *body;

	ask(f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\nDate: ");
	assert_has(f, " GMT\r\nConnection: close\r\n");
	assert_has(f, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	assert_has(f, "\r\nTransfer-Encoding: chunked\r\n");
	body = unchunk(f);
	assert_int_equal(strncmp(body, "# HELP tidegate_build_info ", 27), 0);
	assert_non_null(strstr(body, "\ntidegate_backend_up{service=\"db\",backend=\"d1\"} 0\n"));
}

static void
old_clients_get_it_to_the_end_of_the_connection(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET /metrics?backends=0 HTTP/1.0\r\n\r\n");
	assert_null(strstr(f->answer, "Transfer-Encoding"));
	assert_has(f, "\r\n\r\n# HELP tidegate_build_info ");
	assert_null(strstr(f->answer, "tidegate_backend_up"));
}

static void
head_has_no_body(void **state)
{
	struct fixture *f = *state;

	ask(f, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\n");
	assert_string_equal(f->answer + f->n - 4, "\r\n\r\n");
	assert_null(strstr(f->answer, "tidegate"));
}

static void
status_is_json(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_has(f, "\r\nContent-Type: application/json\r\n");
	assert_int_equal(strncmp(unchunk(f), "{\"version\":\"", 12), 0);
}

static void
health_and_readiness_are_short(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\n");
	assert_has(f, "\r\nContent-Length: 3\r\n\r\nok\n");
	close(f->client);
	f->client = -1;
	f->n = 0;
	ask(f, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 503 Service Unavailable\r\n");
	assert_has(f, "\r\n\r\nnot every worker accepts clients\n");
}

struct refusal {
	const char *request;
	const char *begins;
};

static void
wrong_requests_are_refused(void **state)
{
	static const struct refusal cases[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 "},
		{"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
		 "HTTP/1.1 405 "},
		{"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
		 "HTTP/1.1 400 "},
		{"GET /metrics?x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
		{"GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		{"GET /metrics HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 "},
		{"GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "},
		{"\x16\x03\x01\x02\x01", "HTTP/1.1 400 "},
		{"HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 "},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->n = 0;
		ask(f, cases[i].request);
		assert_begins(f, cases[i].begins);
		if (cases[i].request[0] == 'P')
			assert_has(f, "\r\nAllow: GET, HEAD\r\n");
		if (cases[i].request[0] == 'H')
			assert_string_equal(f->answer + f->n - 4, "\r\n\r\n");
		close(f->client);
		f->client = -1;
	}
}

static void
heads_have_a_longest_length(void **state)
{
	struct fixture *f = *state;
	char line[9000];

	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	say(f, "GET /metrics HTTP/1.1\r\nHost: a\r\nX: ");
	ask(f, line);
	assert_begins(f, "HTTP/1.1 431 ");
}

static void
a_head_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;

	say(f, "GET /healthz HT");
	run_a_while(f);
	say(f, "TP/1.1\r\nHost: a\r\n");
	run_a_while(f);
	assert_false(is_closed(f));
	assert_int_equal(f->n, 0);
	ask(f, "\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\n");
}

static void
what_comes_behind_the_request_costs_no_answer(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_has(f, "\r\n\r\nok\n");
	assert_null(strstr(f->answer, "tidegate"));
}

static void
clients_that_leave_are_forgotten(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		int fd = connect_one(f);

		if (i % 3 == 0)
			fake_write(fd, request, sizeof(request) - 1);
		if (i % 2 == 0)
			fake_reset(fd);
		else
			close(fd);
		run_a_while(f);
	}
	ask(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\n");
}

static void
one_client_too_many_is_told(void **state)
{
	struct fixture *f = *state;
	int held[TG_HTTP_CLIENTS_MAX];

	for (unsigned i = 0; i < TG_HTTP_CLIENTS_MAX; i++)
		held[i] = connect_one(f);
	run_a_while(f);
	ask(f, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 503 ");
	assert_has(f, "\r\n\r\ntoo many clients at a time\n");
	for (unsigned i = 0; i < TG_HTTP_CLIENTS_MAX; i++)
		close(held[i]);
	run_a_while(f);
	close(f->client);
	f->client = -1;
	f->n = 0;
	ask(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_begins(f, "HTTP/1.1 200 OK\r\n");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(metrics_come_in_chunks),
		TEST(old_clients_get_it_to_the_end_of_the_connection),
		TEST(head_has_no_body),
		TEST(status_is_json),
		TEST(health_and_readiness_are_short),
		TEST(wrong_requests_are_refused),
		TEST(heads_have_a_longest_length),
		TEST(a_head_may_come_in_pieces),
		TEST(what_comes_behind_the_request_costs_no_answer),
		TEST(clients_that_leave_are_forgotten),
		TEST(one_client_too_many_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
