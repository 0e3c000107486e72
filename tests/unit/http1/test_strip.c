#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http1/strip.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MOST 512

static const struct {
	const char *trailers;
	const char *rest;
} cases[] = {
	{"\r\n", "\r\n"},
	{"A: b\r\n\r\n", "A: b\r\n\r\n"},
	{"endpoint-load-metrics: TEXT cpu_utilization=0.3\r\n\r\n", "\r\n"},
	{"Endpoint-Load-Metrics-BIN:CQ==\r\n\r\n", "\r\n"},
	{"A: b\r\nendpoint-load-metrics: x\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n"},
	{"endpoint-load-metrics:\r\nendpoint-load-metrics-bin:\r\nC: d\r\n\r\n", "C: d\r\n\r\n"},
	{"C: endpoint-load-metrics: x\r\n\r\n", "C: endpoint-load-metrics: x\r\n\r\n"},
	{"endpoint-load-metric: x\r\n\r\n", "endpoint-load-metric: x\r\n\r\n"},
	{"endpoint-load-metrics-: x\r\n\r\n", "endpoint-load-metrics-: x\r\n\r\n"},
	{"endpoint-load-metrics-bins: x\r\n\r\n", "endpoint-load-metrics-bins: x\r\n\r\n"},
	{"endpoint-load-metrics-bin-and-more: x\r\nA: b\r\n\r\n",
	 "endpoint-load-metrics-bin-and-more: x\r\nA: b\r\n\r\n"},
};

/* In pieces of `first` and then of `step` bytes, each with what was held before it, as a caller has them. */
static size_t
strip(const char *trailers, size_t first, size_t step, char out[MOST])
{
	struct http1_strip s = {.held_n = 0};
	size_t n = strlen(trailers);
	size_t out_n = 0;

	for (size_t at = 0, piece = first; at < n; at += piece, piece = step) {
		size_t held = s.held_n;
		size_t left;
		char *data;

		if (piece > n - at)
			piece = n - at;
		data = malloc(held + piece);
		assert_non_null(data);
		memcpy(data, s.held, held);
		memcpy(data + held, trailers + at, piece);
		left = http1_strip(&s, data, held + piece);
		assert_true(left <= held + piece && out_n + left <= MOST);
		memcpy(out + out_n, data, left);
		out_n += left;
		free(data);
	}
	assert_int_equal(s.held_n, 0);
	return out_n;
}

static void
check(const char *trailers, const char *rest, size_t first, size_t step)
{
	char out[MOST];
	size_t n = strip(trailers, first, step, out);

	if (n != strlen(rest) || memcmp(out, rest, n) != 0)
		fail_msg("%s in pieces of %zu, %zu: %.*s", trailers, first, step, (int)n, out);
}

static void
load_reports_go_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].trailers, cases[i].rest, MOST, MOST);
}

static void
wherever_the_pieces_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step < strlen(cases[i].trailers); step++) {
			check(cases[i].trailers, cases[i].rest, step, step);
			check(cases[i].trailers, cases[i].rest, step, MOST);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_reports_go_no_further),
		cmocka_unit_test(wherever_the_pieces_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
