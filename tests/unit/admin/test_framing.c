/* Lines and payloads, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/framing.h"

static struct framing framing;
static struct framing_line line;

static int
setup(void **state)
{
	(void)state;
	framing_init(&framing);
	line = (struct framing_line){.text = NULL};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	framing_fini(&framing);
	return 0;
}

/* What came of it when all of `text` was read, or of the first line there is. */
static enum framing_result
feed(const char *text)
{
	enum framing_result result = framing_next(&framing, false, &line);
	size_t left = strlen(text);

	while (result == FRAMING_MORE && left > 0) {
		size_t room;
		char *to = framing_room(&framing, &room);
		size_t n = left < room ? left : room;

		memcpy(to, text, n);
		framing_add(&framing, n);
		text += n;
		left -= n;
		result = framing_next(&framing, false, &line);
	}
	return result;
}

static void
assert_line(const char *text, const char *payload)
{
	assert_string_equal(line.text, text);
	if (payload == NULL) {
		assert_null(line.payload);
		return;
	}
	assert_int_equal(line.payload_n, strlen(payload));
	assert_memory_equal(line.payload, payload, line.payload_n);
}

static void
lines_come_one_by_one(void **state)
{
	(void)state;
	assert_int_equal(feed("help\nshow info;help\nx"), FRAMING_LINE);
	assert_line("help", NULL);
	assert_int_equal(feed(""), FRAMING_LINE);
	assert_line("show info;help", NULL);
	assert_int_equal(feed(""), FRAMING_MORE);
	assert_false(framing_is_empty(&framing));
	assert_int_equal(framing_next(&framing, true, &line), FRAMING_LINE);
	assert_line("x", NULL);
	assert_true(framing_is_empty(&framing));
}

static void
a_payload_ends_with_an_empty_line(void **state)
{
	(void)state;
	assert_int_equal(feed("reload <<\na = 1;\n b\n\nhelp\n"), FRAMING_LINE);
	assert_line("reload ", "a = 1;\n b\n");
	assert_int_equal(feed(""), FRAMING_LINE);
	assert_line("help", NULL);
}

static void
a_payload_ends_with_its_mark(void **state)
{
	(void)state;
	assert_int_equal(feed("reload json <<EOF \r\n\nEOF \nEO\nEOFF\r\nEOF\r\n"), FRAMING_LINE);
	assert_line("reload json ", "\nEOF \nEO\nEOFF\r\n");
}

static void
an_empty_payload_is_one(void **state)
{
	(void)state;
	assert_int_equal(feed("x;y<<\nhelp;<<\n\n"), FRAMING_LINE);
	assert_line("x;y<<", NULL);
	assert_int_equal(feed(""), FRAMING_LINE);
	assert_line("help;", "");
}

static void
only_the_last_word_begins_one(void **state)
{
	static const char *const lines[] = {"a << b", "<<x a", "a <", "a<<", "a < <"};
	char text[32];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		setup(state);
		snprintf(text, sizeof(text), "%s\n", lines[i]);
		assert_int_equal(feed(text), FRAMING_LINE);
		assert_line(lines[i], NULL);
		teardown(state);
	}
}

static void
a_mark_has_its_length(void **state)
{
	(void)state;
	assert_int_equal(feed("x <<1234567\n1234567\n"), FRAMING_LINE);
	assert_line("x ", "");
	assert_int_equal(feed("x <<12345678\n"), FRAMING_MARK_MAX);
}

static void
a_payload_without_end_is_told(void **state)
{
	(void)state;
	assert_int_equal(feed("x <<\nabc\n"), FRAMING_MORE);
	assert_int_equal(framing_next(&framing, true, &line), FRAMING_CUT);
}

static void
long_lines_of_a_payload_stay_whole(void **state)
{
	size_t n = 3 * TG_ADMIN_LINE_MAX;
	char *text = malloc(n + 32);

	(void)state;
	assert_non_null(text);
	memcpy(text, "x <<E\n", 6);
	memset(text + 6, 'y', n);
	memcpy(text + 6 + n, "E\nE\n", 5);
	assert_int_equal(feed(text), FRAMING_LINE);
	assert_int_equal(line.payload_n, n + 2);
	assert_memory_equal(line.payload + n, "E\n", 2);
	free(text);
}

static void
too_much_is_told(void **state)
{
	size_t n = TG_ADMIN_PAYLOAD_MAX + 100;
	char *text = malloc(n + 32);

	(void)state;
	assert_non_null(text);
	memset(text, 'y', n + 6);
	text[n + 6] = '\0';
	memcpy(text, "x <<E\n", 6);
	assert_int_equal(feed(text), FRAMING_PAYLOAD_MAX);
	teardown(state);
	setup(state);
	text[TG_ADMIN_LINE_MAX] = '\0';
	memset(text, 'a', TG_ADMIN_LINE_MAX);
	assert_int_equal(feed(text), FRAMING_LINE_MAX);
	free(text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(lines_come_one_by_one),
		CASE(a_payload_ends_with_an_empty_line),
		CASE(a_payload_ends_with_its_mark),
		CASE(an_empty_payload_is_one),
		CASE(only_the_last_word_begins_one),
		CASE(a_mark_has_its_length),
		CASE(a_payload_without_end_is_told),
		CASE(long_lines_of_a_payload_stay_whole),
		CASE(too_much_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
