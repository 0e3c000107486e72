/* Columns of characters, whatever the bytes are, and short numbers. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/text.h"

static const char *
fit(const char *s, unsigned width, enum text_side side)
{
	static char out[TG_TEXT_BYTES(64)];

	size_t n = text_fit(out, s, width, side);

	assert_int_equal(n, strlen(out));
	return out;
}

static void
texts_have_exactly_their_width(void **state)
{
	(void)state;
	assert_string_equal(fit("ab", 4, TG_TEXT_LEFT), "ab  ");
	assert_string_equal(fit("ab", 4, TG_TEXT_RIGHT), "  ab");
	assert_string_equal(fit("abcd", 4, TG_TEXT_LEFT), "abcd");
	assert_string_equal(fit("abcde", 4, TG_TEXT_LEFT), "abc~");
	assert_string_equal(fit("abcde", 4, TG_TEXT_RIGHT), "abc~");
	assert_string_equal(fit("abcde", 1, TG_TEXT_LEFT), "~");
	assert_string_equal(fit("abcde", 0, TG_TEXT_LEFT), "");
	assert_string_equal(fit("", 2, TG_TEXT_LEFT), "  ");
}

static void
wide_characters_take_two_columns(void **state)
{
	(void)state;
	assert_int_equal(text_width("日本"), 4);
	assert_string_equal(fit("日本", 5, TG_TEXT_LEFT), "日本 ");
	assert_string_equal(fit("日本", 4, TG_TEXT_LEFT), "日本");
	assert_string_equal(fit("日本", 3, TG_TEXT_LEFT), "日~");
	assert_string_equal(fit("日本", 2, TG_TEXT_LEFT), " ~");
	assert_string_equal(fit("é", 2, TG_TEXT_LEFT), "é ");
}

/* Escape sequences, also those of one byte or in UTF-8, broken UTF-8, signs without a width. */
static void
nothing_reaches_the_terminal_but_characters(void **state)
{
	(void)state;
	assert_string_equal(fit("\033[2J", 5, TG_TEXT_LEFT), "?[2J ");
	assert_string_equal(fit("a\nb\tc\r", 6, TG_TEXT_LEFT), "a?b?c?");
	assert_string_equal(fit("\x9b"
				"2J",
				4, TG_TEXT_LEFT),
			    "?2J ");
	assert_string_equal(fit("\xc2\x9b"
				"2J",
				4, TG_TEXT_LEFT),
			    "?2J ");
	assert_string_equal(fit("\xe6\x97", 3, TG_TEXT_LEFT), "?? ");
	assert_string_equal(fit("\xff\xfe"
				"a",
				4, TG_TEXT_LEFT),
			    "??a ");
	assert_string_equal(fit("a\xcc\x81"
				"b",
				3, TG_TEXT_LEFT),
			    "ab ");
}

static void
assert_cells(const char *s, unsigned from, unsigned width, const char *wanted)
{
	struct text_cell cells[64];
	char all[64 * TG_TEXT_CELL_BYTES + 1];
	size_t n = 0;

	text_cells(s, strlen(s), from, width, cells);
	for (unsigned i = 0; i < width; i++) {
		memcpy(all + n, cells[i].bytes, cells[i].n);
		n += cells[i].n;
	}
	all[n] = '\0';
	assert_string_equal(all, wanted);
}

static void
cells_are_a_window_of_a_line(void **state)
{
	(void)state;
	assert_cells("abcdef", 0, 3, "abc");
	assert_cells("abcdef", 4, 4, "ef  ");
	assert_cells("abcdef", 9, 2, "  ");
	assert_cells("a\tb", 0, 10, "a       b ");
	assert_cells("a\tb", 7, 2, " b");
	assert_cells("日本", 0, 4, "日本");
	assert_cells("日本", 1, 3, " 本");
	assert_cells("日本", 0, 3, "日 ");
	assert_cells("\033x", 0, 3, "?x ");
}

static void
numbers_are_short(void **state)
{
	static const struct {
		double value;
		const char *text;
	} known[] = {
		{-1, "-"},       {0, "0"},         {0.04, "0"},       {0.4, "0.4"},
		{1, "1"},        {9.4, "9.4"},     {9.96, "10"},      {12.3, "12"},
		{999, "999"},    {999.6, "1.00k"}, {1234, "1.23k"},   {9994, "9.99k"},
		{9996, "10.0k"}, {12345, "12.3k"}, {99960, "100k"},   {123456, "123k"},
		{1e6, "1.00M"},  {1.2e9, "1.20G"}, {1.8e19, "18.0E"}, {1e22, "10000E"},
	};
	char text[TG_TEXT_SHORT];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		text_number(text, known[i].value);
		assert_string_equal(text, known[i].text);
	}
	for (double v = 0.01; v < 1e19; v *= 1.01) {
		text_number(text, v);
		assert_true(strlen(text) <= 6);
	}
	text_number(text, 1e300);
	text_count(text, 99999);
	assert_string_equal(text, "99999");
	text_count(text, 100000);
	assert_string_equal(text, "100k");
}

static void
times_are_short(void **state)
{
	static const struct {
		double us;
		const char *text;
	} known[] = {
		{-1, "-"},          {0, "0us"},       {12, "12us"},      {999, "999us"},
		{1000, "1.00ms"},   {1234, "1.23ms"}, {12345, "12.3ms"}, {123456, "123ms"},
		{1500000, "1.50s"}, {6e7, "60.0s"},   {1.2e8, "120s"},   {1e15, ">999ks"},
	};
	char text[TG_TEXT_SHORT];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		text_duration(text, known[i].us);
		assert_string_equal(text, known[i].text);
	}
	for (double us = 1; us < 1e20; us *= 1.01) {
		text_duration(text, us);
		assert_true(strlen(text) <= 7);
	}
}

static void
uptime_has_two_or_three_parts(void **state)
{
	char text[32];

	(void)state;
	text_uptime(text, sizeof(text), 59);
	assert_string_equal(text, "59s");
	text_uptime(text, sizeof(text), 245);
	assert_string_equal(text, "4m05s");
	text_uptime(text, sizeof(text), 4 * 3600 + 12 * 60);
	assert_string_equal(text, "4h12m");
	text_uptime(text, sizeof(text), 3 * 86400 + 4 * 3600 + 120);
	assert_string_equal(text, "3d 4h02m");
	text_uptime(text, sizeof(text), UINT64_MAX);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_have_exactly_their_width),
		cmocka_unit_test(wide_characters_take_two_columns),
		cmocka_unit_test(nothing_reaches_the_terminal_but_characters),
		cmocka_unit_test(cells_are_a_window_of_a_line),
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(times_are_short),
		cmocka_unit_test(uptime_has_two_or_three_parts),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
