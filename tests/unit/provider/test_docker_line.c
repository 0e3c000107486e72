/* provider/docker_line.c: bytes that come in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "provider/docker_line.h"

static void
lines_are_the_same_in_any_pieces(void **state)
{
	static const char text[] = "one\n\nthree\r\n12345678\n1234567\nrest";
	static const char *const wanted[] = {"one", "", "three\r", NULL, "1234567"};
	struct docker_line line;

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		size_t n_lines = 0;

		assert_true(docker_line_init(&line, 8)); /* 7 bytes and a NUL */
		for (size_t at = 0; at < sizeof(text) - 1;) {
			size_t left = sizeof(text) - 1 - at;
			size_t end = piece - at % piece < left ? piece - at % piece : left;

			at += docker_line_take(&line, text + at, end);
			if (!line.is_whole)
				continue;
			assert_true(n_lines < 5);
			assert_int_equal(line.is_long, wanted[n_lines] == NULL);
			if (wanted[n_lines] != NULL)
				assert_string_equal(line.text, wanted[n_lines]);
			n_lines++;
		}
		assert_int_equal(n_lines, 5);
		assert_string_equal(line.text, "rest");
		docker_line_clear(&line);
		assert_string_equal(line.text, "");
		docker_line_fini(&line);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_in_any_pieces),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
