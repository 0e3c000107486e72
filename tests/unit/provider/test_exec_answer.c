/* provider/exec_answer.c: what programs say, word by word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "provider/exec_answer.h"

static void
expect_list(const char *text, const char *wanted)
{
	struct instance *list = NULL;
	struct err err = {.text = ""};
	size_t n = 0;

	assert_int_equal(exec_parse_list(text, strlen(text), &list, &n, &err), -TG_EPROTO);
	/* The rest is the library's. */
	if (wanted[strlen(wanted) - 1] == ' ')
		assert_memory_equal(err.text, wanted, strlen(wanted));
	else
		assert_string_equal(err.text, wanted);
}

#define STATES "starting, running, stopping, ended"

static void
bad_lists_are_told(void **state)
{
	(void)state;
	expect_list("[{\"name\": \"b\", \"port\": 7}]",
		    "[0] unknown key \"port\"; allowed: name, state, address, why");
	expect_list("[{\"name\": 7}]", "[0] name: allowed: a text");
	expect_list("[{\"name\": \"\"}]", "[0] name: allowed: a text");
	expect_list("[{\"state\": \"running\"}]", "[0] name: missing");
	expect_list("[{\"name\": \"a b\"}]",
		    "[0] name: bad value \"a b\"; allowed: up to 63 letters, digits, -, _ and .");
	expect_list("[{\"name\": \"b\", \"state\": \"up\"}]",
		    "[0] state: unknown value \"up\"; allowed: " STATES);
	expect_list("[{\"name\": \"b\", \"state\": \"running\"}]",
		    "[0] address: missing; required with state \"running\"");
	expect_list("[{\"name\": \"b\", \"address\": \"host:80\"}]",
		    "[0] address: bad value \"host:80\"; allowed: \"10.0.0.7:8080\", "
		    "\"[fd00::7]:8080\"");
	expect_list("[{\"name\": \"b\", \"address\": \"unix:/x\"}]",
		    "[0] address: bad value \"unix:/x\"; allowed: \"10.0.0.7:8080\", "
		    "\"[fd00::7]:8080\"");
	expect_list("[{\"name\": \"b\"}, {\"name\": \"a\"}, {\"name\": \"b\"}]",
		    "name: \"b\" is there twice");
	expect_list("[{\"name\": \"b\", \"name\": \"c\"}]", "its answer is not JSON, line 1: ");
	expect_list("\n[{\"name\": \"b\\u0000c\"}]", "its answer is not JSON, line 2: ");
	expect_list("[] []", "its answer is not JSON, line 1: ");
}

static void
good_lists_are_taken(void **state)
{
	static const char text[] =
		"[{\"name\": \"c\", \"address\": \"[::1]:80\"}, {\"name\": \"a\"},\n"
		" {\"name\": \"b\", \"state\": \"ended\", \"why\": \"out of\\tmoney\\nreally\"}]\n";
	struct instance *list;
	struct err err;
	size_t n;

	(void)state;
	assert_int_equal(exec_parse_list(text, strlen(text), &list, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].name, "a");
	assert_int_equal(list[0].state, TG_INSTANCE_STARTING);
	assert_int_equal(list[1].state, TG_INSTANCE_ENDED);
	assert_string_equal(list[1].why, "out of?money");
	assert_int_equal(list[2].state, TG_INSTANCE_RUNNING);
	assert_int_equal(addr_port(&list[2].addr), 80);
	free(list);
	assert_int_equal(exec_parse_list("[]", 2, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
}

static void
too_many_are_refused(void **state)
{
	size_t n = 5u * 5000u + 2;
	char *text = malloc(n);

	(void)state;
	memset(text, ' ', n);
	for (size_t i = 0; i < 5000; i++)
		memcpy(text + 1 + 5 * i, i + 1 < 5000 ? "null," : "null ", 5);
	text[0] = '[';
	text[n - 1] = ']';
	{
		struct instance *list;
		struct err err;
		size_t count;

		assert_int_equal(exec_parse_list(text, n, &list, &count, &err), -TG_EPROTO);
		assert_string_equal(err.text, "it lists 5000 backends; allowed: up to 4096");
	}
	free(text);
}

static void
questions_are_one_line(void **state)
{
	struct exec_question q = {.verb = "stop",
				  .run = "/etc/\"x\".conf",
				  .service = "s",
				  .name = "b",
				  .has_grace = true,
				  .grace_ms = 10};
	size_t n;
	char *text = exec_question_text(&q, &n);

	(void)state;
	assert_string_equal(text, "{\"verb\":\"stop\",\"run\":\"/etc/\\\"x\\\".conf\",\"service\":\"s\","
				  "\"name\":\"b\",\"grace_ms\":10}\n");
	assert_int_equal(n, strlen(text));
	free(text);
}

static void
stops_say_nothing(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(exec_parse_stop("", 0, &err), 0);
	assert_int_equal(exec_parse_stop(" \n", 2, &err), 0);
	assert_int_equal(exec_parse_stop("{}", 2, &err), 0);
	assert_int_equal(exec_parse_stop("[]", 2, &err), -TG_EPROTO);
	assert_int_equal(exec_parse_stop("{\"a\":1}", 7, &err), -TG_EPROTO);
	assert_string_equal(err.text, "unknown key \"a\"; allowed: none");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lists_are_told),    cmocka_unit_test(good_lists_are_taken),
		cmocka_unit_test(too_many_are_refused),  cmocka_unit_test(questions_are_one_line),
		cmocka_unit_test(stops_say_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
