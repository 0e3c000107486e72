#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http2/frames.h"

/* Two bytes before the first; of 3, 0, 258 and 0 bytes. */
#define FRAMES                                                                                     \
	"ab"                                                                                       \
	"\0\0\3\0\0\0\0\0\1"                                                                       \
	"xyz"                                                                                      \
	"\0\0\0\1\0\0\0\0\1"                                                                       \
	"\0\1\2\0\0\0\0\0\1"

static char bytes[sizeof(FRAMES) - 1 + 258 + 9] = FRAMES;

static void
each_is_seen_once_wherever_it_is_cut(void **state)
{
	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++) {
		struct h2_frames f;

		h2_frames_begin(&f, 2);
		for (size_t at = 0; at < sizeof(bytes); at += step)
			h2_frames_see(&f, bytes + at,
				      step < sizeof(bytes) - at ? step : sizeof(bytes) - at);
		assert_int_equal(f.n_seen, 4);
		assert_int_equal(f.skip, 0);
	}
}

static void
one_is_seen_with_the_last_byte_of_its_header(void **state)
{
	struct h2_frames f;

	(void)state;
	h2_frames_begin(&f, 0);
	h2_frames_see(&f, "\0\0\3\0\0\0\0\0", 8);
	assert_int_equal(f.n_seen, 0);
	h2_frames_see(&f, "\1x", 2);
	assert_int_equal(f.n_seen, 1);
	assert_int_equal(f.skip, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_seen_once_wherever_it_is_cut),
		cmocka_unit_test(one_is_seen_with_the_last_byte_of_its_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
