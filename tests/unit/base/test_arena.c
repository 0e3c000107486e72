/* base/arena.c: zeroed, aligned, apart, and all gone at once. */
#include <malloc.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void
pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena a = {.blocks = NULL};
	unsigned char *pieces[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		pieces[i] = arena_alloc(&a, 1, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], 0xff, i);
	}
	for (size_t i = 1; i < 300; i++)
		assert_true(pieces[i] != pieces[i - 1]);
	arena_fini(&a);
	assert_null(a.blocks);
}

static void
large_pieces_and_impossible_ones(void **state)
{
	struct arena a = {.blocks = NULL};
	unsigned char *large = arena_alloc(&a, 1000, 1000);

	(void)state;
	assert_non_null(large);
	memset(large, 1, 1000000);
	assert_non_null(arena_alloc(&a, 1, 1));
	assert_null(arena_alloc(&a, SIZE_MAX / 2, 3));
	assert_null(arena_alloc(&a, 1, SIZE_MAX));
	assert_null(arena_alloc(&a, 1, SIZE_MAX - 64));
	assert_string_equal(arena_copy(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_copy(&a, "", 0), "");
	arena_fini(&a);
	arena_fini(&a);
}

static const char secret[] = "of thirty-two bytes, and no other";
static bool is_left;

void __real_free(void *p);
void __wrap_free(void *p);

/* Whatever is given back here. */
void
__wrap_free(void *p)
{
	size_t n = p != NULL ? malloc_usable_size(p) : 0;

	is_left = is_left || (n > 0 && memmem(p, n, secret, sizeof(secret)) != NULL);
	__real_free(p);
}

static void
of_a_secret_nothing_is_left(void **state)
{
	struct arena a = {.blocks = NULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		is_left = false;
		for (int k = 0; k < 1000; k++)
			assert_non_null(arena_copy(&a, secret, sizeof(secret)));
		if (i == 0)
			arena_fini(&a);
		else
			arena_wipe(&a);
		assert_true(is_left == (i == 0));
		assert_null(a.blocks);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(large_pieces_and_impossible_ones),
		cmocka_unit_test(of_a_secret_nothing_is_left),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
