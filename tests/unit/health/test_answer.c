#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "health/answer.h"

/* One answer in pieces of `step` bytes, then the end of the connection when more is wanted. */
static int
read_whole(struct answer *a, const char *needle, const char *bytes, size_t n, size_t step)
{
	int rc = 0;

	answer_init(a, false, needle);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = answer_feed(a, bytes + at, n - at < step ? n - at : step);
	if (rc == 0)
		rc = answer_end(a);
	return rc;
}

struct outcome_case {
	const char *bytes;
	int rc;		 /* 1 or negative */
	unsigned status; /* when 1 */
	bool found;	 /* "needle" in the body */
};

#define OK	 "HTTP/1.1 200 OK\r\n"
#define CHUNKED	 OK "Transfer-Encoding: chunked\r\n\r\n"

static const struct outcome_case cases[] = {
	/* status line */
	{OK "\r\n", 1, 200, false},
	{"HTTP/1.0 503 Service Unavailable\r\n\r\n", 1, 503, false},
	{"HTTP/1.1 204\r\n\r\n", 1, 204, false},
	{"HTTP/1.1 200 \r\n\r\n", 1, 200, false},
	{"HTTP/1.1 200 \xc3\xa9\r\n\r\n", 1, 200, false},
	{"HTTP/2.0 200 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.2 200 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"http/1.1 200 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1  200 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 20 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 2000 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 020 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 2x0 OK\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 200 O\x01K\r\n\r\n", -TG_EPROTO, 0, false},
	{"\r\n" OK "\r\n", -TG_EPROTO, 0, false},
	{"SSH-2.0-OpenSSH_9.2\r\n", -TG_EPROTO, 0, false},
	{"", -TG_EPROTO, 0, false},
	/* line ends */
	{"HTTP/1.1 200 OK\n\r\n", -TG_EPROTO, 0, false},
	{OK "A: b\n\r\n", -TG_EPROTO, 0, false},
	{OK "A: b\rc: d\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "\n", -TG_EPROTO, 0, false},
	/* fields */
	{OK "A:b\r\nB:\r\nC: \t d \t\r\n\r\n", 1, 200, false},
	{OK "no colon\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "A : b\r\n\r\n", -TG_EPROTO, 0, false},
	{OK ": b\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "A: b\r\n folded\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "A: b", -TG_EPROTO, 0, false},
	/* interim answers */
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" OK "\r\n", 1, 200,
	 false},
	{"HTTP/1.1 100 Continue\r\n\r\n", -TG_EPROTO, 0, false},
	{"HTTP/1.1 101 Switching\r\n\r\nneedle", 1, 101, false},
	/* body to the end of the connection */
	{OK "\r\nhay needle hay", 1, 200, true},
	{OK "\r\nhay hay", 1, 200, false},
	{"HTTP/1.1 304 Not Modified\r\n\r\nneedle", 1, 304, false},
	/* body by length */
	{OK "Content-Length: 6\r\n\r\nneedle", 1, 200, true},
	{OK "Content-Length: 5\r\n\r\nneedle", 1, 200, false},
	{OK "Content-Length: 0\r\n\r\nneedle", 1, 200, false},
	{OK "Content-Length: 9\r\n\r\nhay", -TG_EPROTO, 0, false},
	{OK "Content-Length: 9\r\n\r\nneedle", 1, 200, true},
	{OK "Content-Length: -1\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "Content-Length: 1 1\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "Content-Length: \r\n\r\n", -TG_EPROTO, 0, false},
	{OK "Content-Length: 99999999999999999999\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "Content-Length: 6\r\nContent-Length: 6\r\n\r\nneedle", -TG_EPROTO, 0, false},
	/* chunked body */
	{CHUNKED "3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n", 1, 200, true},
	{CHUNKED "6;x=\"y\"\r\nneedle\r\n0\r\n\r\n", 1, 200, true},
	{CHUNKED "0A\r\nhay needle\r\n0\r\n\r\n", 1, 200, true},
	{CHUNKED "3\r\nhay\r\n0\r\nA: needle\r\n\r\n", 1, 200, false},
	{CHUNKED "3\r\nhay\r\n0\r\nbad trailer\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "3\r\nhay\r\n0\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "3\r\nhayX\r\n0\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "3\nhay\r\n0\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "x\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "-1\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "0x3\r\nhay\r\n0\r\n\r\n", -TG_EPROTO, 0, false},
	{CHUNKED "10000000000000000\r\n", -TG_EPROTO, 0, false},
	{OK "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\nneedle", -TG_EPROTO, 0, false},
	{OK "Transfer-Encoding: gzip, chunked\r\n\r\n", -TG_EPROTO, 0, false},
	{OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", -TG_EPROTO, 0,
	 false},
};

static void
every_case_in_pieces_of_any_size(void **state)
{
	struct answer a;
	int rc;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct outcome_case *c = &cases[i];

		for (size_t step = 1; step <= strlen(c->bytes) + 1; step++) {
			rc = read_whole(&a, "needle", c->bytes, strlen(c->bytes), step);
			if (rc != c->rc || (rc == 1 && (a.status != c->status ||
							a.found != c->found)))
				fail_msg("case %zu, step %zu: rc %d status %u found %d: %s", i,
					 step, rc, (unsigned)a.status, a.found, c->bytes);
			answer_fini(&a);
		}
	}
}

static void
without_needle_the_head_is_enough(void **state)
{
	static const char bytes[] = OK "Content-Length: 1000000\r\n\r\n";
	struct answer a;

	(void)state;
	answer_init(&a, false, NULL);
	assert_int_equal(answer_feed(&a, bytes, sizeof(bytes) - 1), 1);
	assert_int_equal(a.status, 200);
	assert_null(a.body);
	answer_fini(&a);
}

static void
answer_to_head_has_no_body(void **state)
{
	static const char bytes[] = OK "Content-Length: 1000000\r\n\r\n";
	struct answer a;

	(void)state;
	answer_init(&a, true, "needle");
	assert_int_equal(answer_feed(&a, bytes, sizeof(bytes) - 1), 1);
	assert_false(a.found);
	answer_fini(&a);
}

/* The needle may end at the last byte that is searched, and no later. */
static void
only_the_first_64k_are_searched(void **state)
{
	static char bytes[sizeof(OK "\r\n") - 1 + TG_ANSWER_SEARCH_MAX + 10];
	size_t head = sizeof(OK "\r\n") - 1;
	struct answer a;

	(void)state;
	memset(bytes, 'h', sizeof(bytes));
	memcpy(bytes, OK "\r\n", head);
	memcpy(bytes + head + TG_ANSWER_SEARCH_MAX - 6, "needle", 6);
	assert_int_equal(read_whole(&a, "needle", bytes, sizeof(bytes), 1000), 1);
	assert_true(a.found);
	answer_fini(&a);
	bytes[head + TG_ANSWER_SEARCH_MAX - 6] = 'h';
	memcpy(bytes + head + TG_ANSWER_SEARCH_MAX - 5, "needle", 6);
	assert_int_equal(read_whole(&a, "needle", bytes, sizeof(bytes), 1000), 1);
	assert_false(a.found);
	answer_fini(&a);
}

static void
endless_heads_are_refused(void **state)
{
	static const char line[] = "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n";
	static char longest[TG_ANSWER_LINE_MAX + 1];
	struct answer a;
	size_t fed = 0;
	int rc;

	(void)state;
	answer_init(&a, false, NULL);
	assert_int_equal(answer_feed(&a, OK, sizeof(OK) - 1), 0);
	do {
		rc = answer_feed(&a, line, sizeof(line) - 1);
		fed += sizeof(line) - 1;
	} while (rc == 0 && fed < 2 * TG_ANSWER_HEAD_MAX);
	assert_int_equal(rc, -TG_EPROTO);
	assert_true(fed <= TG_ANSWER_HEAD_MAX + sizeof(line));
	answer_fini(&a);
	memset(longest, 'A', sizeof(longest));
	answer_init(&a, false, NULL);
	assert_int_equal(answer_feed(&a, longest, sizeof(longest)), -TG_EPROTO);
	answer_fini(&a);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_in_pieces_of_any_size),
		cmocka_unit_test(without_needle_the_head_is_enough),
		cmocka_unit_test(answer_to_head_has_no_body),
		cmocka_unit_test(only_the_first_64k_are_searched),
		cmocka_unit_test(endless_heads_are_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
