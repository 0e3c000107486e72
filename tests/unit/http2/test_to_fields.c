#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http2/to_fields.h"

#define ROOM 12

static struct h2_fields made;
static int verdict;

/* "name=value|name=value", or "" when it was refused. */
static const char *
fields_of(enum h2_head_kind kind, bool to_head, const char *text)
{
	static char all[1024];
	nghttp2_nv nv[ROOM];
	size_t at = 0;

	verdict = h2_to_fields(kind, text, strlen(text), to_head, SLICE("https"), nv, ROOM, &made);
	all[0] = '\0';
	for (size_t i = 0; verdict == 0 && i < made.n; i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%.*s=%.*s", i > 0 ? "|" : "",
				       (int)made.nv[i].namelen, made.nv[i].name,
				       (int)made.nv[i].valuelen, made.nv[i].value);
	return all;
}

#define ANSWER(text)  fields_of(H2_HEAD_ANSWER, false, text)
#define REQUEST(text) fields_of(H2_HEAD_REQUEST, false, text)

static void
answers_lose_what_is_of_the_connection(void **state)
{
	(void)state;
	assert_string_equal(
		ANSWER("HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\nKeep-Alive: 5\r\n"
		       "Transfer-Encoding: chunked\r\nUpgrade: x\r\nProxy-Connection: y\r\n"
		       "Set-Cookie:  c=d \t\r\n\r\n"),
		":status=200|A=b|Set-Cookie=c=d");
	assert_int_equal(made.status, 200);
	assert_int_equal(made.body, HTTP_BODY_CHUNKED);
}

static void
bodies_of_answers_are_known(void **state)
{
	(void)state;
	assert_string_equal(ANSWER("HTTP/1.1 404 \r\nContent-Length: 12\r\n\r\n"),
			    ":status=404|Content-Length=12");
	assert_int_equal(made.body, HTTP_BODY_LENGTH);
	assert_int_equal(made.content_length, 12);
	ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(made.body, HTTP_BODY_NONE);
	ANSWER("HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(made.body, HTTP_BODY_UNTIL_CLOSE);
	ANSWER("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(made.body, HTTP_BODY_NONE);
	ANSWER("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	assert_int_equal(made.body, HTTP_BODY_NONE);
	assert_string_equal(
		fields_of(H2_HEAD_ANSWER, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		":status=200|Content-Length=5");
	assert_int_equal(made.body, HTTP_BODY_NONE);
}

/* RFC 8441 5: what is switched to in HTTP/1.1 is there at once. */
static void
a_switch_is_a_success(void **state)
{
	(void)state;
	assert_string_equal(ANSWER("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
				   "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
				   "Sec-WebSocket-Protocol: y\r\n\r\n"),
			    ":status=200|Sec-WebSocket-Protocol=y");
	assert_int_equal(made.status, 101);
	assert_true(made.is_upgrade);
	assert_int_equal(made.body, HTTP_BODY_UNTIL_CLOSE);
}

static void
requests_have_their_pseudo_fields_first(void **state)
{
	(void)state;
	assert_string_equal(REQUEST("GET /a?b HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"),
			    ":method=GET|:scheme=https|:authority=x|:path=/a?b|A=b");
	assert_int_equal(made.body, HTTP_BODY_NONE);
	assert_false(made.is_head_method);
	assert_string_equal(
		REQUEST("HEAD / HTTP/1.1\r\nA: b\r\nHost: x\r\nContent-Length: 3\r\n\r\n"),
		":method=HEAD|:scheme=https|:authority=x|:path=/|A=b|Content-Length=3");
	assert_true(made.is_head_method);
	assert_int_equal(made.body, HTTP_BODY_LENGTH);
	assert_string_equal(REQUEST("POST * HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
			    ":method=POST|:scheme=https|:path=*");
	assert_int_equal(made.body, HTTP_BODY_CHUNKED);
	assert_string_equal(
		REQUEST("GET /c HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
			"Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"),
		":method=CONNECT|:scheme=https|:authority=x|:path=/c|:protocol=websocket");
	assert_true(made.is_upgrade);
}

static void
trailers_are_fields(void **state)
{
	(void)state;
	assert_string_equal(fields_of(H2_HEAD_TRAILERS, false, "Grpc-Status: 0\r\nx:\r\n\r\n"),
			    "Grpc-Status=0|x=");
	assert_string_equal(fields_of(H2_HEAD_TRAILERS, false, "\r\n"), "");
	assert_int_equal(verdict, 0);
}

static void
what_is_no_head_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"HTTP/1.1 200 OK",
		"HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 20\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nA: b\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ANSWER(bad[i]);
		assert_int_equal(verdict, -TG_EPROTO);
	}
	REQUEST("GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(verdict, -TG_EPROTO);
	REQUEST("GET HTTP/1.1\r\n\r\n");
	assert_int_equal(verdict, -TG_EPROTO);
	ANSWER("HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\na: 6\r\na: 7\r\n\r\n");
	assert_int_equal(verdict, 0);
	ANSWER("HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\na: 6\r\na: 7\r\na: 8\r\n\r\n");
	assert_int_equal(verdict, -TG_ELIMIT);
}

static void
the_end_of_a_head_is_found_in_pieces(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
	const size_t n = sizeof(head) - 1 - 4;
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(h2_head_length(head, i, &seen), 0);
	assert_int_equal(h2_head_length(head, sizeof(head) - 1, &seen), n);
	seen = 0;
	assert_int_equal(h2_head_length(head, sizeof(head) - 1, &seen), n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_lose_what_is_of_the_connection),
		cmocka_unit_test(bodies_of_answers_are_known),
		cmocka_unit_test(a_switch_is_a_success),
		cmocka_unit_test(requests_have_their_pseudo_fields_first),
		cmocka_unit_test(trailers_are_fields),
		cmocka_unit_test(what_is_no_head_is_refused),
		cmocka_unit_test(the_end_of_a_head_is_found_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
